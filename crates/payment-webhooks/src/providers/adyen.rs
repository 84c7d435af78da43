//! Adyen. Standard notifications have a signature per item, over some of its fields. Other
//! notifications have one signature over the whole body.
//!
//! The fields `paymentMethod`, `reason`, `eventDate`, `live` and all of `additionalData` are not
//! signed. They are not used, except that `live` must match the deployment.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    environment::Environment,
    json::{Why, as_event_id, as_word, money_of, word},
    verify::Rejection,
};
use domain::{
    DisputeStage, Money, OrderId, PaymentEventKind as Kind, TransactionId, WebhookProvider,
};

pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
}

/// The signed fields of one item as the texts that were signed, and its signature.
pub(crate) struct Item {
    psp_reference: String,
    original_reference: String,
    merchant_account: String,
    merchant_reference: String,
    value: String,
    currency: String,
    event_code: String,
    success: String,
    pub(crate) signature: Option<String>,
}

/// Returns the items of a standard notification: `None` for a body of another kind, an error for a
/// body that cannot be read.
pub(crate) fn batch(body: &[u8]) -> Option<Result<Batch, Rejection>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let items = body.get("notificationItems")?;
    let read = |items: &Value| {
        items
            .as_array()?
            .iter()
            .map(Item::read)
            .collect::<Option<Vec<_>>>()
    };
    Some(
        read(items)
            .map(|items| Batch { items })
            .ok_or(Rejection::Header),
    )
}

impl Item {
    fn read(item: &Value) -> Option<Self> {
        let item = item.get("NotificationRequestItem")?.as_object()?;
        let field = |name: &str| scalar(item.get(name));
        let amount = |name: &str| scalar(item.get("amount").and_then(|amount| amount.get(name)));
        let signature = item
            .get("additionalData")
            .and_then(|data| data.get("hmacSignature"));
        Some(Self {
            psp_reference: field("pspReference")?,
            original_reference: field("originalReference")?,
            merchant_account: field("merchantAccountCode")?,
            merchant_reference: field("merchantReference")?,
            value: amount("value")?,
            currency: amount("currency")?,
            event_code: field("eventCode")?,
            success: field("success")?,
            signature: signature
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        })
    }

    /// Returns the text that Adyen signs. Adyen does not escape its fields.
    pub(crate) fn signed(&self) -> String {
        [
            &self.psp_reference,
            &self.original_reference,
            &self.merchant_account,
            &self.merchant_reference,
            &self.value,
            &self.currency,
            &self.event_code,
            &self.success,
        ]
        .map(String::as_str)
        .join(":")
    }

    /// Rejects items with colons in several fields. Fields are not escaped, so a colon could be
    /// moved from one field to the next under the same signature. With colons in at most one field,
    /// the text is unambiguous.
    fn is_unambiguous(&self) -> bool {
        let plain = [
            &self.psp_reference,
            &self.original_reference,
            &self.merchant_account,
            &self.value,
            &self.currency,
            &self.event_code,
            &self.success,
        ];
        !plain.iter().any(|field| field.contains(':'))
    }

    fn draft(&self) -> Draft {
        if !self.is_unambiguous() {
            return Draft::unreadable("a colon where it could be moved to another field");
        }
        let modification = !self.original_reference.is_empty();
        let payment = if modification {
            &self.original_reference
        } else {
            &self.psp_reference
        };
        Draft {
            event_id: as_event_id(&format!(
                "{}:{}:{}",
                self.event_code, self.psp_reference, self.success
            )),
            order_id: OrderId::parse(&self.merchant_reference).ok(),
            transaction_id: TransactionId::parse(payment).ok(),
            payment_id: None,
            kind: self.read_kind(),
        }
    }

    fn read_kind(&self) -> Result<Kind, Why> {
        let success = match self.success.as_str() {
            "true" => true,
            "false" => false,
            _ => return Err("success is neither true nor false"),
        };
        let failed = |reason: &str| Kind::Failed {
            reason: reason.to_owned(),
        };
        let attempt_failed = |reason: &str| Kind::AttemptFailed {
            reason: reason.to_owned(),
        };
        let disputed = |stage| Kind::Disputed { stage };
        Ok(match (self.event_code.as_str(), success) {
            // The event is about a check of a card, not about money.
            ("AUTHORISATION", true) if self.value == "0" => self.ignored(),
            ("AUTHORISATION" | "CAPTURE", true) => Kind::Paid {
                amount: self.read_money()?,
                payment_method: None,
            },
            ("AUTHORISATION", false) => attempt_failed("refused"),
            ("CAPTURE", false) => attempt_failed("capture_refused"),
            ("CAPTURE_FAILED", true) => failed("capture_failed"),
            ("CANCELLATION", true) => failed("cancelled"),
            // Only unsigned fields would tell the two apart. With an amount, it can be a refund.
            ("CANCEL_OR_REFUND", true) if self.value.is_empty() || self.value == "0" => {
                failed("cancelled_or_refunded")
            }
            ("CANCEL_OR_REFUND" | "REFUND", true) => {
                let refund_id = Some(self.refund_id().ok_or("the refund has no id")?);
                Kind::Refunded {
                    amount: self.read_money()?,
                    refund_id,
                }
            }
            ("REFUND", false) => self.refund_failed("refund_refused"),
            ("REFUND_FAILED", true) => self.refund_failed("refund_failed"),
            ("REFUNDED_REVERSED", true) => self.refund_failed("refund_reversed"),
            ("NOTIFICATION_OF_CHARGEBACK" | "CHARGEBACK", true) => disputed(DisputeStage::Opened),
            ("CHARGEBACK_REVERSED" | "PREARBITRATION_WON", true) => disputed(DisputeStage::Won),
            ("SECOND_CHARGEBACK" | "PREARBITRATION_LOST", true) => disputed(DisputeStage::Lost),
            _ => self.ignored(),
        })
    }

    fn read_money(&self) -> Result<Money, Why> {
        let units = self
            .value
            .parse()
            .map_err(|_| "the amount is missing or no whole number")?;
        money_of(WebhookProvider::Adyen, units, &self.currency)
    }

    fn refund_failed(&self, reason: &str) -> Kind {
        Kind::RefundFailed {
            reason: reason.to_owned(),
            amount: self.read_money().ok(),
            refund_id: self.refund_id(),
        }
    }

    fn refund_id(&self) -> Option<String> {
        as_event_id(&self.psp_reference)
    }

    fn ignored(&self) -> Kind {
        ignored(as_word(&self.event_code))
    }
}

pub(crate) fn read_events(bytes: &[u8], body: &Value, environment: Environment) -> Vec<Draft> {
    let Some(Ok(batch)) = batch(bytes) else {
        return vec![other(body)];
    };
    let is_ours = match environment {
        Environment::Live => "true",
        Environment::Test => "false",
    };
    let drafts = batch.items.iter().map(Item::draft);
    if scalar(body.get("live")).is_some_and(|live| live == is_ours) {
        return drafts.collect();
    }
    let other_system =
        "it comes from Adyen's other system: `live` does not agree with the deployment";
    drafts
        .map(|draft| Draft {
            kind: Err(other_system),
            ..draft
        })
        .collect()
}

/// Reads a notification about an account, a transfer or a dispute. The whole body is signed, and it
/// never pays an order.
fn other(body: &Value) -> Draft {
    let event_type = word(body, "/type");
    Draft {
        event_id: None,
        order_id: None,
        transaction_id: None,
        payment_id: None,
        kind: Ok(ignored(event_type)),
    }
}

/// Returns the text of a field for the signature: empty for a missing field, `None` for a field
/// that is not a scalar.
fn scalar(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => None,
    }
}
