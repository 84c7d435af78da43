//! The policy of one order. It is part of the workflow's input, so it does not change after the
//! start.

use serde::{Deserialize, Serialize};

use crate::{Decimal, Order, Span, status::string_enum};

string_enum! {
    /// The kind of manual review.
    ReviewMode { None => "none", Timer => "timer", Approval => "approval" }
}

string_enum! {
    /// The effect of a review that ends without a decision.
    OnTimeout { Proceed => "proceed", Cancel => "cancel" }
}

string_enum! {
    /// The source of the payment: a charge, a confirmation, or either of them.
    PaymentMode { Charge => "charge", Confirm => "confirm", Auto => "auto" }
}

string_enum! {
    /// The time at which authorised money is captured.
    CaptureMode { Immediate => "immediate", OnDispatch => "on_dispatch" }
}

string_enum! {
    /// The handling of a payment below the order's total: wait for the rest, or refund it.
    PartialPayments { Collect => "collect", Refund => "refund" }
}

string_enum! {
    /// Whether a dispute or a warning about a payment holds an order before its dispatch.
    HoldOnDispute { On => "on", Off => "off" }
}

string_enum! {
    /// The event that completes an order.
    CompleteOn { Dispatched => "dispatched", Delivered => "delivered" }
}

/// The policy of the manual review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewPolicy {
    pub mode: ReviewMode,
    /// The total in the currency of the order from which it is reviewed. `None` reviews every
    /// order.
    pub threshold: Option<Decimal>,
    pub timeout: Span,
    pub on_timeout: OnTimeout,
}

/// The rule by which an order counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPolicy {
    /// Whether the order counts as delivered after `after` without a confirmation. If false,
    /// `after` limits the wait for the confirmation.
    pub auto: bool,
    pub after: Span,
}

/// The limits of the stock that an unpaid order holds. Orders of a customer's caller have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLimits {
    /// The most units of one order.
    pub per_order: u32,
    /// The most units of all unpaid orders of the customer.
    pub per_customer: u32,
    /// The time after which an order that waits for its payment releases its stock. It goes on
    /// waiting.
    pub timeout: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderPolicy {
    pub review: ReviewPolicy,
    pub payment: PaymentMode,
    pub payment_timeout: Span,
    /// The longest wait for a slow payment method that the provider is processing.
    #[serde(default = "default_processing_timeout")]
    pub payment_processing_timeout: Span,
    #[serde(default = "default_partial_payments")]
    pub partial_payments: PartialPayments,
    #[serde(default = "default_capture")]
    pub capture: CaptureMode,
    #[serde(default = "default_hold_on_dispute")]
    pub hold_on_dispute: HoldOnDispute,
    /// The time for which a charge is retried while the payment provider is unavailable.
    pub payment_retry_for: Span,
    pub payment_processing_delay: Span,
    pub shipping_delay: Span,
    pub complete_on: CompleteOn,
    pub delivery: DeliveryPolicy,
    /// The time from dispatch to the estimated delivery.
    pub delivery_estimate: Span,
    /// The maximum time from the start to dispatch.
    pub deadline: Option<Span>,
    /// `None` for an order of the shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_limits: Option<HoldLimits>,
}

/// 14 days, the time that a SEPA direct debit can take. The default of orders that began before the
/// setting existed.
fn default_processing_timeout() -> Span {
    Span::from_secs(14 * 86_400)
}

fn default_partial_payments() -> PartialPayments {
    PartialPayments::Collect
}

fn default_capture() -> CaptureMode {
    CaptureMode::Immediate
}

fn default_hold_on_dispute() -> HoldOnDispute {
    HoldOnDispute::On
}

impl OrderPolicy {
    /// Returns the kind of review that this order requires.
    pub fn review_mode_for(&self, order: &Order) -> ReviewMode {
        let exponent = order.currency.exponent();
        let least = self
            .review
            .threshold
            .map(|threshold| threshold.at_scale(exponent));
        match least {
            Some(Some(least)) if order.total.minor() < least => ReviewMode::None,
            _ => self.review.mode,
        }
    }

    /// Returns whether the order is charged. Otherwise it is free, or it waits for a confirmation.
    pub fn charges_payment(&self, order: &Order) -> bool {
        let charges = match self.payment {
            PaymentMode::Charge => true,
            PaymentMode::Confirm => false,
            PaymentMode::Auto => order.payment_id.is_some(),
        };
        charges && !order.is_free()
    }
}
