//! Payment events, the neutral form of the webhook events of all payment providers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{AuditEventType, Money, OrderId, PaymentId, TransactionId, status::string_enum};

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
    #[serde(deserialize_with = "checked::id")]
    pub event_id: String,
    #[serde(default)]
    pub order_id: Option<OrderId>,
    /// The provider's id of the payment.
    #[serde(default)]
    pub transaction_id: Option<TransactionId>,
    /// Other ids of the same payment, such as the checkout session or the invoice of an intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<TransactionId>,
    /// The provider's id of the customer, if the event has it. The events of two customers are never
    /// about one payment.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "checked::optional_id"
    )]
    pub customer: Option<String>,
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
    /// Money was captured.
    Paid {
        amount: Money,
        #[serde(default, deserialize_with = "checked::optional_text")]
        payment_method: Option<String>,
        /// The provider's id of this capture. If absent, `amount` is the sum of all captures so
        /// far.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "checked::optional_id"
        )]
        capture_id: Option<String>,
        /// The sum of all refunds so far, if the event reports it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refunded: Option<Money>,
    },
    /// The provider reserved the money.
    Authorised {
        amount: Money,
        #[serde(default, deserialize_with = "checked::optional_text")]
        payment_method: Option<String>,
        /// Whether the provider captures the money without a request.
        #[serde(default)]
        captured: bool,
    },
    /// One attempt to pay failed. Another attempt may follow.
    AttemptFailed {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
    },
    /// The attempt or the authorisation has ended: the provider never captures what it has not
    /// captured yet.
    #[serde(rename = "failed")]
    Voided {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
    },
    /// A capture failed, or the request for it was refused.
    CaptureFailed {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
        #[serde(default)]
        amount: Option<Money>,
        #[serde(default, deserialize_with = "checked::optional_id")]
        capture_id: Option<String>,
        /// Whether the provider refused the request, so that an operator can repeat it.
        #[serde(default)]
        refused: bool,
    },
    /// The provider has not decided yet.
    Processing,
    /// The provider refunded the payment, completely or in part.
    Refunded {
        amount: Money,
        /// The provider's id of this refund. If absent, `amount` is the sum of all refunds so far.
        #[serde(default, deserialize_with = "checked::optional_id")]
        refund_id: Option<String>,
    },
    /// A refund failed and did not reach the customer. Without `refund_id`, the amount is
    /// subtracted from the sum of the refunds.
    RefundFailed {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
        #[serde(default)]
        amount: Option<Money>,
        #[serde(default, deserialize_with = "checked::optional_id")]
        refund_id: Option<String>,
    },
    /// A bank returned money that was captured.
    Returned {
        #[serde(default)]
        amount: Option<Money>,
        #[serde(default, deserialize_with = "checked::optional_id")]
        return_id: Option<String>,
    },
    /// The customer disputes the payment, or the dispute was decided.
    Disputed {
        stage: DisputeStage,
        /// The provider's id of the dispute. A suffix such as `#1` numbers the rounds after the
        /// first decision, of which the last counts. Reports without an id are about one dispute.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "checked::optional_id"
        )]
        dispute_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
        /// The dispute is lost only because it was not defended. A win that was reported before or
        /// is reported later takes precedence.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        undefended: bool,
    },
    /// The provider warns of fraud, or reviews the payment.
    Warning {
        warning: PaymentWarning,
        #[serde(default, deserialize_with = "checked::optional_id")]
        warning_id: Option<String>,
    },
    /// The customer completed a checkout that took no money.
    CompletedUnpaid {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
        #[serde(default)]
        amount: Option<Money>,
    },
    /// A verified event without order, amount and currency, which never confirms a payment.
    Unconfirmed {
        #[serde(deserialize_with = "checked::text")]
        event_type: String,
    },
    /// An event that does not concern orders, or not the orders of this deployment.
    Ignored {
        #[serde(deserialize_with = "checked::text")]
        event_type: String,
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "checked::optional_text"
        )]
        reason: Option<String>,
    },
    /// An event with a valid signature whose content could not be read.
    Unreadable {
        #[serde(deserialize_with = "checked::text")]
        reason: String,
    },
    /// A caller confirmed a payment by API, and the order refused the confirmation. The provider is
    /// unknown, and no provider has reported the money.
    ReportRefused {
        /// The code of the refusal.
        #[serde(deserialize_with = "checked::text")]
        code: String,
        /// The confirmed amount; `None` if it is not a valid amount of its currency.
        #[serde(default)]
        amount: Option<Money>,
        /// The amount of the transaction in the ledger, if the ledger has it with another amount.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recorded: Option<Money>,
    },
    /// An operator has closed an entry of the work list.
    Resolved {
        #[serde(deserialize_with = "checked::text")]
        concern: String,
        #[serde(deserialize_with = "checked::text")]
        note: String,
        /// The name of the operator, which only the caller has claimed.
        #[serde(
            default,
            deserialize_with = "checked::optional_text",
            skip_serializing_if = "Option::is_none"
        )]
        operator: Option<String>,
    },
}

/// The beginning of the event id of a refutation.
const REFUTED: &str = "refuted:";

/// The beginnings of the ids of events that we make.
const OWN_IDS: [&str; 4] = [REFUTED, "lookup:", "reconcile:", "refused:"];

/// Checks of the texts of an event when it is decoded. A Temporal client can send any text, and the
/// database rejects some texts, so that an unchecked event would be retried without end.
mod checked {
    use serde::{Deserialize, Deserializer, de::Error};

    /// The longest id in bytes.
    pub(super) const LONGEST_ID: usize = 200;
    /// The longest other text in bytes.
    const LONGEST_TEXT: usize = 2_000;

    pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        check_id(String::deserialize(deserializer)?)
    }

    pub(super) fn optional_id<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        Option::deserialize(deserializer)?.map(check_id).transpose()
    }

    pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        check_text(String::deserialize(deserializer)?)
    }

    pub(super) fn optional_text<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        Option::deserialize(deserializer)?
            .map(check_text)
            .transpose()
    }

    fn check_id<E: Error>(id: String) -> Result<String, E> {
        let is_id =
            (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if is_id {
            Ok(id)
        } else {
            Err(E::custom(
                "an id must have 1 to 200 visible ASCII characters without spaces",
            ))
        }
    }

    fn check_text<E: Error>(text: String) -> Result<String, E> {
        if text.len() <= LONGEST_TEXT && !text.contains('\0') {
            Ok(text)
        } else {
            Err(E::custom(
                "a text must have at most 2,000 bytes and no NUL character",
            ))
        }
    }
}

string_enum! {
    /// A provider's warning about a payment.
    PaymentWarning {
        Fraud => "fraud",
        ReviewOpened => "review_opened",
        ReviewClosed => "review_closed",
    }
}

impl PaymentEvent {
    /// Returns the event of a confirmation that the order refused. A repeated confirmation of the
    /// same transaction has the same event id.
    pub fn of_refused_report(
        order_id: &OrderId,
        transaction_id: &TransactionId,
        code: &str,
        amount: Option<Money>,
    ) -> Self {
        // Ids are ASCII, so each byte is a character.
        let mut event_id = format!("refused:{transaction_id}:{order_id}");
        event_id.truncate(checked::LONGEST_ID);
        Self {
            // The sender of these events is a caller of our API, as with `Standard`.
            provider: WebhookProvider::Standard,
            event_id,
            order_id: Some(order_id.clone()),
            transaction_id: Some(transaction_id.clone()),
            aliases: Vec::new(),
            customer: None,
            payment_id: None,
            kind: PaymentEventKind::ReportRefused {
                code: code.to_owned(),
                amount,
                recorded: None,
            },
        }
    }

    /// Adds the amount of the transaction in the ledger to the event of a refused confirmation.
    #[must_use]
    pub fn of_recorded(self, money: Option<Money>) -> Self {
        let mut event = self;
        if let PaymentEventKind::ReportRefused { recorded, .. } = &mut event.kind {
            *recorded = money;
        }
        event
    }

    /// Returns the event that refutes the claim of a caller: the money of `payment_id` is another
    /// payment, which an event of the provider reports. It is handled like a refused capture.
    pub fn of_refuted_claim(
        provider: WebhookProvider,
        payment_id: &PaymentId,
        order_id: Option<OrderId>,
        transaction_id: Option<TransactionId>,
    ) -> Self {
        Self {
            provider,
            event_id: Self::refutation_id(payment_id),
            order_id,
            transaction_id,
            aliases: Vec::new(),
            customer: None,
            payment_id: Some(payment_id.clone()),
            kind: PaymentEventKind::CaptureFailed {
                reason: "claimed_by_caller".to_owned(),
                amount: None,
                capture_id: None,
                refused: true,
            },
        }
    }

    /// Returns the id of the event that refutes the claim of this payment.
    pub fn refutation_id(payment_id: &PaymentId) -> String {
        // Ids are ASCII, so each byte is a character.
        let mut event_id = format!("{REFUTED}{payment_id}");
        event_id.truncate(checked::LONGEST_ID);
        event_id
    }

    /// Returns the payment of an event that is about one payment whatever its ids are: an operator's
    /// resolution, or the refutation of a claim.
    pub fn named_payment(&self) -> Option<&PaymentId> {
        let is_named = matches!(self.kind, PaymentEventKind::Resolved { .. })
            || self.event_id.starts_with(REFUTED);
        self.payment_id.as_ref().filter(|_| is_named)
    }

    /// Returns whether an order or a settlement must receive the event. Other events are only
    /// recorded.
    pub fn concerns_order(&self) -> bool {
        match self.kind {
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Authorised { .. }
            | PaymentEventKind::Voided { .. }
            | PaymentEventKind::CaptureFailed { .. }
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Returned { .. }
            | PaymentEventKind::Disputed { .. }
            | PaymentEventKind::Warning { .. }
            | PaymentEventKind::ReportRefused { .. }
            | PaymentEventKind::Resolved { .. } => {
                self.order_id.is_some() || self.transaction_id.is_some()
            }
            // These events do not move money, so no order is searched by the transaction.
            PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::CompletedUnpaid { .. } => self.order_id.is_some(),
            PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. } => false,
        }
    }

    /// Returns all ids of the payment that the event is about.
    pub fn ids(&self) -> impl Iterator<Item = &TransactionId> {
        self.transaction_id.iter().chain(&self.aliases)
    }

    /// Returns whether a webhook of the provider reported the event. Our own look-ups, refused
    /// confirmations and resolutions make events too.
    pub fn is_webhook_event(&self) -> bool {
        let has_own_id = OWN_IDS.iter().any(|own| self.event_id.starts_with(own));
        !self.is_resolution() && !has_own_id
    }

    /// Returns whether an operator has closed an entry of the work list.
    pub fn is_resolution(&self) -> bool {
        matches!(self.kind, PaymentEventKind::Resolved { .. })
    }

    /// Returns whether the event has no effect except its row.
    pub fn is_only_recorded(&self) -> bool {
        !self.concerns_order() && self.offered_money().is_none()
    }

    /// Returns the amount and the method of a payment that an order can accept: captured money, or
    /// money that the provider reserved.
    pub fn offered_money(&self) -> Option<(Money, Option<&str>)> {
        match &self.kind {
            PaymentEventKind::Paid {
                amount,
                payment_method,
                ..
            }
            | PaymentEventKind::Authorised {
                amount,
                payment_method,
                ..
            } => Some((*amount, payment_method.as_deref())),
            PaymentEventKind::AttemptFailed { .. }
            | PaymentEventKind::Voided { .. }
            | PaymentEventKind::CaptureFailed { .. }
            | PaymentEventKind::Processing
            | PaymentEventKind::Refunded { .. }
            | PaymentEventKind::RefundFailed { .. }
            | PaymentEventKind::Returned { .. }
            | PaymentEventKind::Disputed { .. }
            | PaymentEventKind::Warning { .. }
            | PaymentEventKind::CompletedUnpaid { .. }
            | PaymentEventKind::Unconfirmed { .. }
            | PaymentEventKind::Ignored { .. }
            | PaymentEventKind::Unreadable { .. }
            | PaymentEventKind::ReportRefused { .. }
            | PaymentEventKind::Resolved { .. } => None,
        }
    }

    /// Returns the type and payload of the audit event that records this event. Offered payments
    /// return `None`, because the order decides about them first. So do events that do not concern
    /// orders.
    pub fn audit_entry(&self) -> Option<(AuditEventType, Value)> {
        let decimal = |amount: &Option<Money>| amount.map(Money::decimal);
        let (kind, more) = match &self.kind {
            PaymentEventKind::AttemptFailed { reason } | PaymentEventKind::Voided { reason } => (
                AuditEventType::PaymentAttemptFailed,
                json!({"reason": reason}),
            ),
            PaymentEventKind::CaptureFailed { reason, amount, .. } => (
                AuditEventType::PaymentCaptureFailed,
                json!({"reason": reason, "amount": decimal(amount)}),
            ),
            PaymentEventKind::Processing => (AuditEventType::PaymentProcessing, json!({})),
            PaymentEventKind::Refunded { amount, .. } => (
                AuditEventType::PaymentRefundReported,
                json!({"amount": amount.decimal()}),
            ),
            PaymentEventKind::RefundFailed { reason, amount, .. } => (
                AuditEventType::PaymentRefundFailed,
                json!({"reason": reason, "amount": decimal(amount)}),
            ),
            PaymentEventKind::Returned { amount, .. } => (
                AuditEventType::PaymentReturned,
                json!({"amount": decimal(amount)}),
            ),
            PaymentEventKind::Disputed {
                stage,
                dispute_id,
                amount,
                ..
            } => (
                AuditEventType::PaymentDisputed,
                json!({"stage": stage, "dispute_id": dispute_id, "amount": decimal(amount)}),
            ),
            PaymentEventKind::Warning { warning, .. } => {
                (AuditEventType::PaymentWarning, json!({"warning": warning}))
            }
            PaymentEventKind::CompletedUnpaid { reason, amount } => (
                AuditEventType::CheckoutCompletedUnpaid,
                json!({"reason": reason, "amount": decimal(amount)}),
            ),
            PaymentEventKind::ReportRefused {
                code,
                amount,
                recorded,
            } => {
                let mut payload = json!({
                    "request": "confirm_payment",
                    "code": code,
                    "transaction_id": self.transaction_id,
                    "amount": decimal(amount),
                    "event_id": self.event_id,
                });
                if let Some(recorded) = recorded {
                    payload["recorded_amount"] = json!(recorded.decimal());
                }
                return Some((AuditEventType::RequestRefused, payload));
            }
            PaymentEventKind::Resolved {
                concern,
                note,
                operator,
            } => {
                let mut payload = json!({"concern": concern, "note": note});
                if let Some(operator) = operator {
                    payload["claims"] = json!({"operator": operator});
                }
                (AuditEventType::PaymentConcernResolved, payload)
            }
            PaymentEventKind::Paid { .. }
            | PaymentEventKind::Authorised { .. }
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

    /// Returns whether the event reports one capture by its id. Others of the transaction can follow.
    pub fn is_part(&self) -> bool {
        let part = |id: &Option<String>| id.is_some();
        matches!(&self.kind, PaymentEventKind::Paid { capture_id, .. } if part(capture_id))
    }

    /// Returns the type and payload of the audit event that records a capture of a payment that its
    /// order has already.
    pub fn capture_entry(&self) -> Option<(AuditEventType, Value)> {
        let PaymentEventKind::Paid { amount, .. } = &self.kind else {
            return None;
        };
        let mut payload = self.audit_source();
        payload["amount"] = json!(amount.decimal());
        Some((AuditEventType::PaymentCaptured, payload))
    }

    /// Returns the fields of an audit event that identify this event.
    pub fn audit_source(&self) -> Value {
        json!({"provider": self.provider, "event_id": self.event_id, "transaction_id": self.transaction_id})
    }
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
        /// The dispute ended without a decision, for example because the payment was refunded.
        Closed => "closed",
        Won => "won",
        Lost => "lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(change: &Value) -> Result<PaymentEvent, serde_json::Error> {
        let mut event = json!({
            "provider": "stripe", "event_id": "evt_1", "order_id": "ORD-1", "kind": "paid",
            "transaction_id": "pi_1", "amount": {"minor": 5, "currency": "USD"},
        });
        for (name, value) in change.as_object().unwrap() {
            event[name] = value.clone();
        }
        serde_json::from_value(event)
    }

    #[test]
    fn decoded_events_are_checked() {
        let event = decode(&json!({"capture_id": "act_1", "payment_method": "card"})).unwrap();
        let again = serde_json::to_value(&event).unwrap();
        assert_eq!(
            serde_json::from_value::<PaymentEvent>(again).unwrap(),
            event
        );
        for bad in [
            json!({"amount": {"minor": -5, "currency": "USD"}}),
            json!({"amount": {"minor": 5, "currency": "XAU"}}),
            json!({"refunded": {"minor": -5, "currency": "USD"}}),
            json!({"event_id": ""}),
            json!({"event_id": "a b"}),
            json!({"event_id": "e".repeat(201)}),
            json!({"capture_id": "a\0b"}),
            json!({"payment_method": "a\0b"}),
            json!({"transaction_id": "a\0b"}),
            json!({"kind": "attempt_failed", "reason": "a\0b"}),
            json!({"kind": "refunded", "refund_id": ""}),
        ] {
            assert!(decode(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_kind_round_trips() {
        let money = Money::from_minor(5, crate::Currency::DEFAULT).unwrap();
        let text = || "text".to_owned();
        for kind in [
            PaymentEventKind::Voided { reason: text() },
            PaymentEventKind::CaptureFailed {
                reason: text(),
                amount: None,
                capture_id: None,
                refused: true,
            },
            PaymentEventKind::Returned {
                amount: Some(money),
                return_id: None,
            },
            PaymentEventKind::Disputed {
                stage: DisputeStage::Lost,
                dispute_id: Some(text()),
                amount: None,
                undefended: true,
            },
            PaymentEventKind::Warning {
                warning: PaymentWarning::Fraud,
                warning_id: None,
            },
            PaymentEventKind::Ignored {
                event_type: text(),
                reason: None,
            },
        ] {
            let event = PaymentEvent {
                kind,
                ..decode(&json!({})).unwrap()
            };
            let encoded = serde_json::to_value(&event).unwrap();
            assert_eq!(
                serde_json::from_value::<PaymentEvent>(encoded).unwrap(),
                event
            );
        }
    }
}
