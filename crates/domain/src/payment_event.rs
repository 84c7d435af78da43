//! Payment events, the neutral form of the webhook events of all payment providers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    AuditEventType, Money, OrderId, PaymentId, PaymentStatus, TransactionId, status::string_enum,
};

string_enum! {
    /// A payment provider that sends webhook events. Its name is in the path and in
    /// `payments.provider`.
    WebhookProvider {
        Stripe => "stripe",
        Adyen => "adyen",
        Standard => "standard",
        Square => "square",
        Mollie => "mollie",
        GoCardless => "gocardless",
        Checkout => "checkout",
        Shopify => "shopify",
    }
}

/// One payment event. It has ids and amounts, but no names, cards or addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentEvent {
    pub provider: WebhookProvider,
    /// The provider's id of the webhook event. A repeated event has the same id.
    pub event_id: String,
    #[serde(default)]
    pub order_id: Option<OrderId>,
    /// The provider's id of the payment.
    #[serde(default)]
    pub transaction_id: Option<TransactionId>,
    /// The payment id that we sent to the provider with a charge, if the event contains it.
    #[serde(default)]
    pub payment_id: Option<PaymentId>,
    #[serde(flatten)]
    pub kind: PaymentEventKind,
}

/// The content of a payment event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PaymentEventKind {
    /// The money was captured.
    Paid {
        amount: Money,
        #[serde(default)]
        payment_method: Option<String>,
    },
    /// One attempt to pay failed. Another attempt may follow.
    AttemptFailed { reason: String },
    /// The payment will never be captured.
    Failed { reason: String },
    /// The provider has not decided yet.
    Processing,
    /// The provider refunded the payment, completely or in part.
    Refunded {
        amount: Money,
        /// The provider's id of this refund. If absent, `amount` is the sum of all refunds so far.
        #[serde(default)]
        refund_id: Option<String>,
    },
    /// A refund failed and did not reach the customer.
    RefundFailed {
        reason: String,
        #[serde(default)]
        amount: Option<Money>,
        #[serde(default)]
        refund_id: Option<String>,
    },
    /// The customer disputes the payment, or the dispute was decided.
    Disputed { stage: DisputeStage },
    /// A verified event without order, amount and currency, which never confirms a payment.
    Unconfirmed { event_type: String },
    /// An event that does not concern orders.
    Ignored { event_type: String },
    /// An event with a valid signature whose content could not be read.
    Unreadable { reason: String },
}

impl PaymentEvent {
    /// Returns whether an order or a settlement must receive the event. Other events are only
    /// recorded.
    pub fn concerns_order(&self) -> bool {
        match self.kind {
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Failed { .. }
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Disputed { .. } => {
                self.order_id.is_some() || self.transaction_id.is_some()
            }
            // These events do not move money, so no order is searched by the transaction.
            PaymentEventKind::AttemptFailed { .. } | PaymentEventKind::Processing => {
                self.order_id.is_some()
            }
            PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => false,
        }
    }

    /// Returns the type and payload of the audit event that records this event. Captured payments
    /// return `None`, because the order decides about them first. So do events that do not concern
    /// orders.
    pub fn audit_entry(&self) -> Option<(AuditEventType, Value)> {
        let (kind, more) = match &self.kind {
            PaymentEventKind::AttemptFailed { reason } | PaymentEventKind::Failed { reason } => (
                AuditEventType::PaymentAttemptFailed,
                json!({"reason": reason}),
            ),
            PaymentEventKind::Processing => (AuditEventType::PaymentProcessing, json!({})),
            PaymentEventKind::Refunded { amount, .. } => (
                AuditEventType::PaymentRefundReported,
                json!({"amount": amount.decimal()}),
            ),
            PaymentEventKind::RefundFailed { reason, .. } => (
                AuditEventType::PaymentRefundFailed,
                json!({"reason": reason}),
            ),
            PaymentEventKind::Disputed { stage } => {
                (AuditEventType::PaymentDisputed, json!({"stage": stage}))
            }
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => return None,
        };
        let mut payload = self.audit_source();
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        Some((kind, payload))
    }

    /// Returns the fields of an audit event that identify this event.
    pub fn audit_source(&self) -> Value {
        json!({"provider": self.provider, "event_id": self.event_id, "transaction_id": self.transaction_id})
    }
}

/// Returns the status of a payment after all events of its provider, in any order. The payment of a
/// `fulfilled` order need not be refunded.
pub fn status_after_events(
    status: PaymentStatus,
    paid: Money,
    fulfilled: bool,
    events: &[PaymentEvent],
) -> PaymentStatus {
    let failed_permanently = events
        .iter()
        .any(|event| matches!(event.kind, PaymentEventKind::Failed { .. }));
    let (refunded, failed) = refunded_and_failed(paid, events);
    match status {
        PaymentStatus::Captured | PaymentStatus::Refunding if failed_permanently => {
            PaymentStatus::Declined
        }
        PaymentStatus::Captured | PaymentStatus::Refunding | PaymentStatus::RefundDue
            if refunded >= paid.minor() =>
        {
            PaymentStatus::Refunded
        }
        // The refund failed, so the provider has credited the money to us again.
        PaymentStatus::Refunded if failed > 0 && refunded < paid.minor() => {
            if fulfilled {
                PaymentStatus::Captured
            } else {
                PaymentStatus::RefundDue
            }
        }
        PaymentStatus::Pending
        | PaymentStatus::Captured
        | PaymentStatus::Declined
        | PaymentStatus::Refunding
        | PaymentStatus::Refunded
        | PaymentStatus::RefundDue => status,
    }
}

/// Returns the refunded and the failed amounts in minor units. A refund that is reported twice
/// counts once: by its own event, and by an event with the sum of all refunds.
fn refunded_and_failed(paid: Money, events: &[PaymentEvent]) -> (i64, i64) {
    let units = |amount: Money| {
        if amount.currency() == paid.currency() {
            amount.minor()
        } else {
            0
        }
    };
    let (mut refunds, mut failures) = (BTreeMap::new(), BTreeMap::new());
    let mut at_least = 0;
    for event in events {
        match &event.kind {
            PaymentEventKind::Refunded {
                amount,
                refund_id: Some(id),
            } => {
                refunds.insert(id, units(*amount));
            }
            PaymentEventKind::Refunded {
                amount,
                refund_id: None,
            } => at_least = at_least.max(units(*amount)),
            PaymentEventKind::RefundFailed {
                amount, refund_id, ..
            } => {
                failures.insert(
                    refund_id.as_ref().unwrap_or(&event.event_id),
                    amount.map_or(paid.minor(), units),
                );
            }
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::Failed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Disputed { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => {}
        }
    }
    let failed: i64 = failures.values().sum();
    refunds.retain(|id, _| !failures.contains_key(id));
    let sum_of_refunds: i64 = refunds.values().sum();
    (sum_of_refunds.max(at_least - failed), failed)
}

string_enum! {
    /// The outcome of a webhook event; the column `webhook_deliveries.outcome`.
    WebhookOutcome {
        /// An order or a settlement has not processed the event yet.
        Pending => "pending",
        /// The event changed its order.
        Applied => "applied",
        /// The order had the information already, for example from its own charge.
        Known => "known",
        /// The event is recorded in the order or its audit log. No money moves.
        Recorded => "recorded",
        /// The order's state does not allow the event, and no refund is due.
        Refused => "refused",
        /// An unmatched payment was refunded.
        Refunded => "refunded",
        /// An operator must refund an unmatched payment.
        RefundDue => "refund_due",
        /// The order does not exist.
        UnknownOrder => "unknown_order",
        Unconfirmed => "unconfirmed",
        Ignored => "ignored",
        Unreadable => "unreadable",
    }
}

string_enum! {
    DisputeStage {
        Opened => "opened",
        Won => "won",
        Lost => "lost",
    }
}

#[cfg(test)]
mod tests {
    use PaymentStatus::{Captured, Declined, RefundDue, Refunded};

    use super::*;

    fn money(units: i64) -> Money {
        Money::from_minor(units, crate::Currency::parse("EUR").unwrap()).unwrap()
    }

    fn event(event_id: &str, kind: PaymentEventKind) -> PaymentEvent {
        PaymentEvent {
            provider: WebhookProvider::Stripe,
            event_id: event_id.to_owned(),
            order_id: None,
            transaction_id: None,
            payment_id: None,
            kind,
        }
    }

    fn refund(event_id: &str, refund_id: Option<&str>, units: i64) -> PaymentEvent {
        event(
            event_id,
            PaymentEventKind::Refunded {
                amount: money(units),
                refund_id: refund_id.map(str::to_owned),
            },
        )
    }

    fn failure(event_id: &str, refund_id: &str, units: i64) -> PaymentEvent {
        let (reason, refund_id) = ("refund_failed".to_owned(), Some(refund_id.to_owned()));
        event(
            event_id,
            PaymentEventKind::RefundFailed {
                reason,
                amount: Some(money(units)),
                refund_id,
            },
        )
    }

    /// Returns the status, which is the same for the events in reverse order.
    fn status_after(status: PaymentStatus, mut events: Vec<PaymentEvent>) -> PaymentStatus {
        let forward = status_after_events(status, money(1_000), false, &events);
        events.reverse();
        assert_eq!(
            status_after_events(status, money(1_000), false, &events),
            forward
        );
        forward
    }

    #[test]
    fn refunds_of_full_amount_make_payment_refunded() {
        let halves = || {
            vec![
                refund("1", Some("re_1"), 500),
                refund("2", Some("re_2"), 500),
            ]
        };
        assert_eq!(status_after(Captured, halves()), Refunded);
        assert_eq!(status_after(Captured, halves()[..1].to_vec()), Captured);
        assert_eq!(
            status_after(Captured, vec![refund("1", None, 1_000)]),
            Refunded
        );
        // Three reports of the same half.
        let reports = vec![
            refund("1", Some("re_1"), 500),
            refund("2", Some("re_1"), 500),
            refund("3", None, 500),
        ];
        assert_eq!(status_after(Captured, reports), Captured);
    }

    #[test]
    fn failed_refund_makes_refund_due() {
        let failed = || {
            vec![
                refund("1", Some("re_1"), 1_000),
                failure("2", "re_1", 1_000),
            ]
        };
        assert_eq!(status_after(Refunded, failed()), RefundDue);
        assert_eq!(status_after(Captured, failed()), Captured);
        let by_hand = [failed(), vec![refund("3", Some("re_2"), 1_000)]].concat();
        assert_eq!(status_after(RefundDue, by_hand), Refunded);
        assert_eq!(
            status_after(
                Refunded,
                vec![refund("1", None, 1_000), failure("2", "re_1", 1_000)]
            ),
            RefundDue
        );
        assert_eq!(
            status_after_events(Refunded, money(1_000), true, &failed()),
            Captured
        );
    }

    #[test]
    fn failed_capture_is_declined_not_refunded() {
        let failed = vec![event(
            "1",
            PaymentEventKind::Failed {
                reason: "capture_failed".to_owned(),
            },
        )];
        assert_eq!(status_after(Captured, failed.clone()), Declined);
        assert_eq!(status_after(Refunded, failed), Refunded);
    }

    #[test]
    fn refund_in_another_currency_is_ignored() {
        let dollars = Money::from_minor(1_000, crate::Currency::parse("USD").unwrap()).unwrap();
        let other = event(
            "1",
            PaymentEventKind::Refunded {
                amount: dollars,
                refund_id: None,
            },
        );
        assert_eq!(status_after(Captured, vec![other]), Captured);
    }
}
