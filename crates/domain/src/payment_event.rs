//! What a payment provider tells of a payment, whichever provider it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    AuditEventType, Money, OrderId, PaymentId, PaymentStatus, TransactionId, status::named,
};

named! {
    /// Who sends webhooks; the name in their path and in `payments.provider`.
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

/// One event of a provider. It names ids and amounts, nobody's name, card or address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentEvent {
    pub provider: WebhookProvider,
    /// The provider's own id of the event: the same event again has the same.
    pub event_id: String,
    #[serde(default)]
    pub order_id: Option<OrderId>,
    /// The provider's id of the payment.
    #[serde(default)]
    pub transaction_id: Option<TransactionId>,
    /// Ours, where we gave it to the provider with a charge of our own.
    #[serde(default)]
    pub payment_id: Option<PaymentId>,
    #[serde(flatten)]
    pub kind: PaymentEventKind,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PaymentEventKind {
    /// The money was captured.
    Paid {
        amount: Money,
        #[serde(default)]
        payment_method: Option<String>,
    },
    /// One attempt to pay failed; another may follow.
    AttemptFailed { reason: String },
    /// The payment will never be captured.
    Failed { reason: String },
    /// Nothing is decided yet.
    Processing,
    /// Money went back at the provider, all of it or a part.
    Refunded {
        amount: Money,
        /// The provider's id of this one refund; without, `amount` is all that went back until now.
        #[serde(default)]
        refund_id: Option<String>,
    },
    /// A refund that was begun did not reach the customer.
    RefundFailed {
        reason: String,
        #[serde(default)]
        amount: Option<Money>,
        #[serde(default)]
        refund_id: Option<String>,
    },
    /// The customer disputes the payment, or the dispute was decided.
    Disputed { stage: DisputeStage },
    /// Verified, but it does not say order, amount and currency: never taken as paid by itself.
    Unconfirmed { event_type: String },
    /// Of no concern for orders.
    Ignored { event_type: String },
    /// Signed, and still not to be understood.
    Unreadable { reason: String },
}

impl PaymentEvent {
    /// Whether an order must hear of it. The others are only recorded.
    pub fn concerns_order(&self) -> bool {
        match self.kind {
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Failed { .. }
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Disputed { .. } => {
                self.order_id.is_some() || self.transaction_id.is_some()
            }
            // They move no money: an order that they do not name need not be looked for.
            PaymentEventKind::AttemptFailed { .. } | PaymentEventKind::Processing => {
                self.order_id.is_some()
            }
            PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => false,
        }
    }

    /// The entry of its order's audit trail by which it is told; nothing of money, which is judged first, and of what is
    /// no order's concern.
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

    /// What the audit trail says of whose event it is.
    pub fn audit_source(&self) -> Value {
        json!({"provider": self.provider, "event_id": self.event_id, "transaction_id": self.transaction_id})
    }
}

/// How a payment stands by all that its provider has told of it, in whatever order that came. Of an order that is
/// `fulfilled` the money may be kept.
pub fn status_after_events(
    status: PaymentStatus,
    paid: Money,
    fulfilled: bool,
    events: &[PaymentEvent],
) -> PaymentStatus {
    let failed_for_good = events
        .iter()
        .any(|event| matches!(event.kind, PaymentEventKind::Failed { .. }));
    let (given_back, failed) = given_back(paid, events);
    match status {
        PaymentStatus::Captured | PaymentStatus::Refunding if failed_for_good => {
            PaymentStatus::Declined
        }
        PaymentStatus::Captured | PaymentStatus::Refunding | PaymentStatus::RefundDue
            if given_back >= paid.minor() =>
        {
            PaymentStatus::Refunded
        }
        // It was given back, and did not arrive: the money is with us again.
        PaymentStatus::Refunded if failed > 0 && given_back < paid.minor() => {
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

/// What went back, and what of it failed, in minor units. A refund may be told twice, by its own event and by one that
/// counts all refunds of the payment: it counts once.
fn given_back(paid: Money, events: &[PaymentEvent]) -> (i64, i64) {
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
    let told_singly: i64 = refunds.values().sum();
    (told_singly.max(at_least - failed), failed)
}

named! {
    /// What became of an event; the column `webhook_deliveries.outcome`.
    WebhookOutcome {
        /// On its way to an order or a settlement.
        Pending => "pending",
        /// It took effect on its order.
        Applied => "applied",
        /// It tells what was known: the same payment once more, or the provider's word on a charge of ours.
        Known => "known",
        /// The order or its trail has it; no money moves.
        Recorded => "recorded",
        /// The order's state forbids it, and there is nothing to give back.
        Refused => "refused",
        /// Money that no order waits for went back.
        Refunded => "refunded",
        /// Money that no order waits for must be given back by a person.
        RefundDue => "refund_due",
        /// There is no such order.
        UnknownOrder => "unknown_order",
        Unconfirmed => "unconfirmed",
        Ignored => "ignored",
        Unreadable => "unreadable",
    }
}

named! {
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

    /// In the order given, and in the opposite one.
    fn stands(status: PaymentStatus, mut events: Vec<PaymentEvent>) -> PaymentStatus {
        let there = status_after_events(status, money(1_000), false, &events);
        events.reverse();
        assert_eq!(
            status_after_events(status, money(1_000), false, &events),
            there
        );
        there
    }

    #[test]
    fn a_payment_has_gone_back_when_its_refunds_add_up_however_they_are_told() {
        let halves = || {
            vec![
                refund("1", Some("re_1"), 500),
                refund("2", Some("re_2"), 500),
            ]
        };
        assert_eq!(stands(Captured, halves()), Refunded);
        assert_eq!(stands(Captured, halves()[..1].to_vec()), Captured);
        assert_eq!(stands(Captured, vec![refund("1", None, 1_000)]), Refunded);
        // The same half, told three times.
        let told = vec![
            refund("1", Some("re_1"), 500),
            refund("2", Some("re_1"), 500),
            refund("3", None, 500),
        ];
        assert_eq!(stands(Captured, told), Captured);
    }

    #[test]
    fn a_refund_that_failed_leaves_the_money_to_be_given_back() {
        let failed = || {
            vec![
                refund("1", Some("re_1"), 1_000),
                failure("2", "re_1", 1_000),
            ]
        };
        assert_eq!(stands(Refunded, failed()), RefundDue);
        assert_eq!(stands(Captured, failed()), Captured);
        let by_hand = [failed(), vec![refund("3", Some("re_2"), 1_000)]].concat();
        assert_eq!(stands(RefundDue, by_hand), Refunded);
        assert_eq!(
            stands(
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
    fn what_was_never_captured_is_not_given_back() {
        let failed = vec![event(
            "1",
            PaymentEventKind::Failed {
                reason: "capture_failed".to_owned(),
            },
        )];
        assert_eq!(stands(Captured, failed.clone()), Declined);
        assert_eq!(stands(Refunded, failed), Refunded);
    }

    #[test]
    fn another_currency_counts_for_nothing() {
        let dollars = Money::from_minor(1_000, crate::Currency::parse("USD").unwrap()).unwrap();
        let other = event(
            "1",
            PaymentEventKind::Refunded {
                amount: dollars,
                refund_id: None,
            },
        );
        assert_eq!(stands(Captured, vec![other]), Captured);
    }
}
