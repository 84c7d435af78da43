//! The state of one order, and the operations that change it.
//!
//! Each change appends an audit event and numbers it here. The state is part of the workflow, which
//! makes each change once. So `seq` has no gap, also after retries.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AuditEvent, AuditEventType, Order, OrderId, OrderStatus, PaymentInfo, PaymentStatus,
    ShipmentInfo, Sku, Span, Step, status::string_enum,
};

string_enum! {
    /// The reason of a failed order.
    FailureCode {
        InvalidOrder => "invalid_order",
        OutOfStock => "out_of_stock",
        PaymentDeclined => "payment_declined",
        PaymentIdInUse => "payment_id_in_use",
        PaymentUnavailable => "payment_unavailable",
        DispatchFailed => "dispatch_failed",
        DeadlinePassed => "deadline_passed",
        DuplicateOrder => "duplicate_order",
        QuoteUsed => "quote_used",
        /// The unpaid orders of the customer hold too many units.
        ReservationLimit => "reservation_limit",
    }
}

string_enum! {
    /// The decision of a reviewer.
    ReviewDecision { Approved => "approved", Rejected => "rejected" }
}

string_enum! {
    /// The reason why an open order waits.
    WaitReason {
        /// A reviewer.
        Review => "review",
        /// The pause before the payment step that the policy sets.
        PaymentDelay => "payment_delay",
        /// A payment of the total.
        Payment => "payment",
        /// The rest of a payment that came in part.
        PaymentRest => "payment_rest",
        /// A slow payment method that the provider is processing.
        PaymentProcessing => "payment_processing",
        /// An operator: the money or a warning about it needs a decision.
        PaymentHold => "payment_hold",
        /// An operator, who holds the order.
        Hold => "hold",
        /// The pause before the hand-over to the carrier that the policy sets.
        ShippingDelay => "shipping_delay",
        /// The delivery of the parcel.
        Delivery => "delivery",
    }
}

/// The wait of an open order: its reason and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingFor {
    pub reason: WaitReason,
    /// The end of the wait; `None` if only a decision ends it.
    pub until: Option<DateTime<Utc>>,
    /// The time of the next attempt of a call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The reason why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Whether the order holds no stock any more, because it was not paid in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stock_released: bool,
}

impl WaitingFor {
    /// Returns a wait of `limit` that begins at `now`.
    pub fn new(reason: WaitReason, now: DateTime<Utc>, limit: Span) -> Self {
        Self {
            reason,
            until: Some(now + limit.duration()),
            next_attempt_at: None,
            last_error: None,
            stock_released: false,
        }
    }

    /// Returns a wait that only a decision ends.
    pub const fn without_end(reason: WaitReason) -> Self {
        Self {
            reason,
            until: None,
            next_attempt_at: None,
            last_error: None,
            stock_released: false,
        }
    }

    /// Returns the wait for the next attempt of a call that failed because of `error`.
    #[must_use]
    pub fn before_attempt(self, next_attempt_at: DateTime<Utc>, error: String) -> Self {
        Self {
            next_attempt_at: Some(next_attempt_at),
            last_error: Some(error),
            ..self
        }
    }

    /// Returns the wait as a customer reads it, without the text of a provider or a carrier.
    #[must_use]
    pub fn for_customer(self) -> Self {
        let Self {
            reason,
            until,
            next_attempt_at,
            last_error: _,
            stock_released,
        } = self;
        Self {
            reason,
            until,
            next_attempt_at,
            last_error: None,
            stock_released,
        }
    }
}

/// An operator's hold: the order does not go on to its payment or its dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub reason: Option<String>,
    /// The reason for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    pub since: DateTime<Utc>,
}

impl Hold {
    /// Returns the hold as a customer reads it.
    #[must_use]
    pub fn for_customer(self) -> Self {
        Self {
            reason: self.public_reason,
            public_reason: None,
            since: self.since,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    pub detail: String,
    /// With `out_of_stock`, each SKU that is short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortages: Vec<Shortage>,
}

impl Failure {
    /// Returns the failure as a customer reads it, without the detail and the figures of the stock.
    #[must_use]
    pub fn for_customer(self) -> Self {
        let shortages = self.shortages.into_iter().map(Shortage::without_figures);
        Self {
            code: self.code,
            detail: self.code.public_detail().to_owned(),
            shortages: shortages.collect(),
        }
    }
}

impl FailureCode {
    /// Returns the reason as a customer reads it.
    pub fn public_detail(self) -> &'static str {
        match self {
            Self::OutOfStock => "not available in this quantity",
            Self::PaymentDeclined => "your payment was declined",
            Self::PaymentIdInUse => "the payment belongs to another order",
            Self::PaymentUnavailable => "your payment could not be processed",
            Self::DispatchFailed => "the carrier could not take it",
            Self::DeadlinePassed => "it could not be shipped in time",
            Self::ReservationLimit => "other orders of yours wait for their payment",
            Self::InvalidOrder | Self::DuplicateOrder | Self::QuoteUsed => {
                "it could not be processed"
            }
        }
    }
}

/// A SKU of which too few units are available.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub sku: Sku,
    /// The units of the order. Absent for a caller that is a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<i64>,
    /// The available units. Absent for a caller that is a customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
}

impl Shortage {
    /// Returns only the name of the SKU.
    #[must_use]
    pub fn without_figures(self) -> Self {
        Self {
            sku: self.sku,
            wanted: None,
            available: None,
        }
    }
}

/// A transition that the state machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an order with the status {from} cannot become {to}")]
pub struct TransitionError {
    pub from: OrderStatus,
    pub to: OrderStatus,
}

/// The number of versions of an order's projection for each event in the workflow's history. The
/// version of a write is at least the length of the history times this number. So each write of a
/// later workflow task has a higher version than each write of an earlier one.
pub const VERSIONS_PER_HISTORY_EVENT: u32 = 1_024;

/// The authoritative state of an open order. The database contains its projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderState {
    pub order_id: OrderId,
    /// The validated order; `None` before validation.
    pub order: Option<Order>,
    status: OrderStatus,
    step: Step,
    running: bool,
    /// The decision of the reviewer, if the order was reviewed.
    #[serde(default)]
    pub review: Option<ReviewDecision>,
    pub payment: Option<PaymentInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    pub shipment: Option<ShipmentInfo>,
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub cancellation_reason: Option<String>,
    /// The reason of the cancellation for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    pub failure: Option<Failure>,
    pub retries: BTreeMap<Step, u32>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_seq: u32,
}

impl OrderState {
    pub fn new(order_id: OrderId, now: DateTime<Utc>) -> Self {
        Self {
            order_id,
            order: None,
            status: OrderStatus::Pending,
            step: Step::Receive,
            running: true,
            review: None,
            payment: None,
            hold: None,
            waiting_for: None,
            shipment: None,
            estimated_delivery: None,
            cancellation_reason: None,
            public_reason: None,
            failure: None,
            retries: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            last_seq: 0,
        }
    }

    pub fn status(&self) -> OrderStatus {
        self.status
    }

    pub fn step(&self) -> Step {
        self.step
    }

    pub fn is_running(&self) -> bool {
        self.running
    }

    pub fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    pub fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at
    }

    pub fn last_seq(&self) -> u32 {
        self.last_seq
    }

    /// Enters `step`. The next audit event publishes it.
    pub fn enter_step(&mut self, step: Step) {
        self.step = step;
    }

    /// Appends the next audit event.
    #[must_use = "the entry must reach the database"]
    pub fn append_audit_event(
        &mut self,
        kind: AuditEventType,
        payload: Value,
        now: DateTime<Utc>,
    ) -> AuditEvent {
        self.last_seq += 1;
        self.updated_at = now;
        AuditEvent {
            seq: self.last_seq,
            kind,
            payload,
            ts: now,
        }
    }

    /// Changes the status. The current status is accepted and changes nothing.
    ///
    /// # Errors
    ///
    /// Fails if the state machine does not have this transition.
    pub fn transition_to(&mut self, status: OrderStatus) -> Result<(), TransitionError> {
        if self.status != status {
            if !self.status.can_transition_to(status) {
                return Err(TransitionError {
                    from: self.status,
                    to: status,
                });
            }
            self.status = status;
        }
        Ok(())
    }

    /// Closes the order.
    pub fn finish(&mut self) {
        self.waiting_for = None;
        self.hold = None;
        self.step = Step::Done;
        self.running = false;
    }

    /// Counts one failed attempt of `step`.
    pub fn count_retry(&mut self, step: Step) {
        *self.retries.entry(step).or_default() += 1;
    }

    /// Returns whether the payment is captured and not refunded.
    pub fn is_paid(&self) -> bool {
        self.payment
            .as_ref()
            .is_some_and(|payment| payment.status == PaymentStatus::Captured)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> OrderState {
        OrderState::new(OrderId::parse("o-1").unwrap(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn unknown_transition_changes_nothing() {
        let mut record = record();
        let refused = record.transition_to(OrderStatus::Shipped).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "an order with the status pending cannot become shipped"
        );
        assert_eq!(record.status(), OrderStatus::Pending);
    }

    proptest! {
        #[test]
        fn final_states_hold_and_seq_has_no_gap(tries in proptest::collection::vec(0..OrderStatus::ALL.len(), 0..40)) {
            let mut record = record();
            let mut audit_log = Vec::new();
            let mut ended = None;
            for index in tries {
                let before = record.status();
                let next = OrderStatus::ALL[index];
                if record.transition_to(next).is_ok() && before != next {
                    audit_log.push(record.append_audit_event(AuditEventType::OrderValidated, Value::Null, DateTime::UNIX_EPOCH));
                }
                if let Some(ended) = ended {
                    prop_assert_eq!(record.status(), ended);
                }
                ended = record.status().is_terminal().then(|| record.status());
            }
            let expected: Vec<u32> = (1..).take(audit_log.len()).collect();
            prop_assert_eq!(audit_log.iter().map(|event| event.seq).collect::<Vec<_>>(), expected);
        }
    }
}
