//! How one order is handled. Fixed when the order starts; it travels in the workflow's input.

use serde::{Deserialize, Serialize};

use crate::{Decimal, Order, Span, status::named};

named! {
    /// Whether a person looks at the order.
    ReviewMode { None => "none", Timer => "timer", Approval => "approval" }
}

named! {
    /// What happens when nobody decided in time.
    OnTimeout { Proceed => "proceed", Cancel => "cancel" }
}

named! {
    /// Where the money comes from.
    PaymentMode { Charge => "charge", Confirm => "confirm", Auto => "auto" }
}

named! {
    /// When the workflow ends.
    CompleteOn { Dispatched => "dispatched", Delivered => "delivered" }
}

/// The manual review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewPolicy {
    pub mode: ReviewMode,
    /// With it, only orders of at least this total (in their own currency) are reviewed.
    pub threshold: Option<Decimal>,
    pub timeout: Span,
    pub on_timeout: OnTimeout,
}

/// How an order counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPolicy {
    /// Whether the end of `after` is the ordinary way (`auto`), or just where waiting for a confirmation ends.
    pub auto: bool,
    pub after: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderPolicy {
    pub review: ReviewPolicy,
    pub payment: PaymentMode,
    pub payment_timeout: Span,
    /// How long a payment provider that is down is retried.
    pub payment_retry_for: Span,
    pub payment_processing_delay: Span,
    pub shipping_delay: Span,
    pub complete_on: CompleteOn,
    pub delivery: DeliveryPolicy,
    /// From dispatch to the estimated delivery.
    pub delivery_estimate: Span,
    /// From the start; it no longer counts after dispatch.
    pub deadline: Option<Span>,
}

impl OrderPolicy {
    /// Whether this order is reviewed, and how.
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

    /// Whether we charge, rather than wait for somebody's confirmation.
    pub fn charges_payment(&self, order: &Order) -> bool {
        match self.payment {
            PaymentMode::Charge => true,
            PaymentMode::Confirm => false,
            PaymentMode::Auto => order.payment_id.is_some(),
        }
    }
}
