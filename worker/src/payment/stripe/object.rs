//! The fields of Stripe's objects that are used.

use std::collections::BTreeMap;

use serde::Deserialize;

use domain::{OrderId, PaymentId};

pub(super) type Metadata = BTreeMap<String, String>;

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    RequiresCapture,
    Processing,
    Succeeded,
    Canceled,
    /// A status that Stripe has added later.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: IntentStatus,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) last_payment_error: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    /// Some kinds of payment have none.
    #[serde(default)]
    pub(super) status: Option<RefundStatus>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// Returns whether the metadata belong to this payment. Another deployment that shares the account
/// can have a payment with the same id.
pub(super) fn is_of(
    metadata: Option<&Metadata>,
    order_id: &OrderId,
    payment_id: &PaymentId,
) -> bool {
    let names = |field, value| {
        metadata
            .and_then(|metadata| metadata.get(field))
            .is_some_and(|named| named == value)
    };
    names("order_id", order_id.as_str()) && names("payment_id", payment_id.as_str())
}

/// The error of a refusal. Stripe's `message` is left out, because it can contain card data or parts of
/// keys.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Refusal {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    /// The intent that a declined charge left behind.
    #[serde(default)]
    pub(super) payment_intent: Option<Box<Intent>>,
}

impl Refusal {
    /// Returns the most specific of Stripe's codes.
    pub(super) fn code(&self) -> &str {
        let codes = [&self.decline_code, &self.code, &self.kind];
        let is_code = |code: &&str| {
            code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        codes
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(is_code)
            .unwrap_or("refused")
    }

    /// Returns Stripe's code, also if only the status indicates it, as with localstripe.
    pub(super) fn of_what_is_not_there(self) -> Self {
        Self {
            code: self.code.or_else(|| Some("resource_missing".to_owned())),
            ..self
        }
    }

    /// Returns whether the request differs from the first one with the same key.
    pub(super) fn is_of_the_key(&self) -> bool {
        self.kind.as_deref() == Some("idempotency_error")
    }

    pub(super) fn is_of_the_card(&self) -> bool {
        self.kind.as_deref() == Some("card_error") || self.has_code("card_declined")
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_code_and_never_in_stripes_words() {
        let refusal: Refusal = serde_json::from_str(
            r#"{"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
                "message": "No such card: 4242", "payment_intent": {"id": "pi_1", "status": "requires_payment_method"}}"#,
        )
        .unwrap();
        assert_eq!(refusal.code(), "insufficient_funds");
        let odd: Refusal =
            serde_json::from_str(r#"{"type": "card_error", "code": "rk_live 42"}"#).unwrap();
        assert_eq!(odd.code(), "card_error");
        assert_eq!(Refusal::default().code(), "refused");
    }

    #[test]
    fn what_stripe_adds_one_day_can_still_be_read() {
        let intent: Intent =
            serde_json::from_str(r#"{"id": "pi_1", "status": "requires_patience"}"#).unwrap();
        assert_eq!(intent.status, IntentStatus::Unknown);
    }
}
