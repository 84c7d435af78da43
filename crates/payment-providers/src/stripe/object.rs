//! The fields of Stripe's objects that are used.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::http::is_code;
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

/// A PaymentIntent. Amounts are in Stripe's units.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: IntentStatus,
    #[serde(default)]
    pub(super) amount: i64,
    /// The sum of all captures.
    #[serde(default)]
    pub(super) amount_received: Option<i64>,
    #[serde(default)]
    pub(super) currency: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub(super) created: i64,
    #[serde(default)]
    pub(super) latest_charge: Option<LatestCharge>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) last_payment_error: Option<Refusal>,
}

/// A charge, or only its id where the request did not ask for more.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum LatestCharge {
    Id(String),
    Charge(Box<Charge>),
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Charge {
    id: String,
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    amount_captured: Option<i64>,
    #[serde(default)]
    amount_refunded: i64,
}

impl Intent {
    /// Returns the sum of all captures.
    pub(super) fn captured_units(&self) -> i64 {
        let received = self.amount_received;
        match self.status {
            IntentStatus::Succeeded => received.unwrap_or(self.amount),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture
            | IntentStatus::Processing
            | IntentStatus::Canceled
            | IntentStatus::Unknown => received.unwrap_or(0),
        }
    }

    /// Returns the sum of all refunds, or `None` if the response has no charge.
    ///
    /// Stripe counts the part of an authorisation that was never captured as refunded, also in
    /// `amount_refunded`. That part is not included here.
    pub(super) fn refunded_units(&self) -> Option<i64> {
        let captured = self.captured_units();
        match &self.latest_charge {
            Some(LatestCharge::Charge(charge)) => {
                let released = charge
                    .amount_captured
                    .map_or(0, |captured| charge.amount - captured);
                Some((charge.amount_refunded - released).clamp(0, captured))
            }
            None | Some(LatestCharge::Id(_)) if captured == 0 => Some(0),
            None | Some(LatestCharge::Id(_)) => None,
        }
    }

    pub(super) fn charge_id(&self) -> Option<&str> {
        self.latest_charge.as_ref().map(|charge| match charge {
            LatestCharge::Id(id) => id.as_str(),
            LatestCharge::Charge(charge) => charge.id.as_str(),
        })
    }

    pub(super) fn metadata_field(&self, field: &str) -> Option<&str> {
        let metadata = self.metadata.as_ref()?;
        metadata.get(field).map(String::as_str)
    }
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

/// A refund. The amount is in Stripe's units.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    #[serde(default)]
    pub(super) amount: i64,
    /// Some kinds of payment have none.
    #[serde(default)]
    pub(super) status: Option<RefundStatus>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

impl Refund {
    /// Returns whether this is the refund with this idempotency key. The previous release refunded
    /// only whole payments, and wrote no key.
    pub(super) fn has_key(&self, key: &str, whole: bool) -> bool {
        let metadata = self.metadata.as_ref();
        match metadata.and_then(|metadata| metadata.get("refund_key")) {
            Some(written) => written == key,
            None => whole,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    /// Whether there is another page.
    #[serde(default)]
    pub(super) has_more: bool,
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
        codes
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|code| is_code(code))
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
    fn refusal_has_only_stripes_codes() {
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
    fn new_status_is_unknown() {
        let intent: Intent =
            serde_json::from_str(r#"{"id": "pi_1", "status": "requires_patience"}"#).unwrap();
        assert_eq!(intent.status, IntentStatus::Unknown);
    }

    #[test]
    fn released_authorisation_is_not_a_refund() {
        let intent = |charge: &str| -> Intent {
            let text = format!(
                r#"{{"id": "pi_1", "status": "succeeded", "amount": 20675, "amount_received": 20300,
                    "currency": "usd", "latest_charge": {charge}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let charge =
            r#"{"id": "ch_1", "amount": 20675, "amount_captured": 20300, "amount_refunded": 375}"#;
        assert_eq!(intent(charge).refunded_units(), Some(0));
        let charge =
            r#"{"id": "ch_1", "amount": 20675, "amount_captured": 20300, "amount_refunded": 1375}"#;
        assert_eq!(intent(charge).refunded_units(), Some(1_000));
        assert_eq!(intent(r#""ch_1""#).refunded_units(), None);
        assert_eq!(intent(r#""ch_1""#).captured_units(), 20_300);
    }
}
