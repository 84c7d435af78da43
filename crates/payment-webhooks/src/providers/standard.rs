//! Standard Webhooks: your own sender, with decimal amounts as in the HTTP API.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, as_event_id, as_word, event_id, word},
    verify::Verified,
};
use domain::{Currency, Decimal, DisputeStage, Money, PaymentEventKind as Kind};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Amount<'a> {
    /// The number as it was written, because a float would not be exact.
    #[serde(borrow, default)]
    amount: Option<&'a RawValue>,
}

pub(crate) fn read_event(body: &Value, verified: &Verified<'_>) -> Draft {
    Draft {
        order_id: json::order_id(body, "/data/order_id"),
        transaction_id: json::transaction_id(body, "/data/transaction_id"),
        ..Draft::new(
            verified.signed_id.and_then(as_event_id),
            read_kind(body, verified.body()),
        )
    }
}

/// A sender can repeat a report under a new message id. So without an id of the capture, the refund
/// or the return, the amount is the sum so far, and a repeated report changes nothing.
fn read_kind(body: &Value, bytes: &[u8]) -> Result<Kind, Why> {
    let event_type = json::text(body, "/type").ok_or("the event has no type")?;
    let amount = || read_money(body, bytes);
    let some_amount = || amount().ok().filter(|amount| !amount.is_zero());
    let payment_method = || word(body, "/data/payment_method");
    let id = |name: &str| event_id(body, &format!("/data/{name}"));
    let reason = |default: &str| word(body, "/data/reason").unwrap_or_else(|| default.to_owned());
    Ok(match event_type {
        "payment.succeeded" | "payment.captured" => Kind::Paid {
            amount: amount()?,
            payment_method: payment_method(),
            capture_id: id("capture_id"),
            refunded: None,
        },
        "payment.authorized" | "payment.authorised" => Kind::Authorised {
            amount: amount()?,
            payment_method: payment_method(),
            captured: false,
        },
        "payment.processing" | "payment.pending" => Kind::Processing,
        "payment.failed" => Kind::AttemptFailed {
            reason: reason("payment_failed"),
        },
        "payment.canceled" | "payment.cancelled" | "payment.voided" => Kind::Voided {
            reason: reason("canceled"),
        },
        "payment.expired" => Kind::Voided {
            reason: reason("expired"),
        },
        "payment.capture_failed" => Kind::CaptureFailed {
            reason: reason("capture_failed"),
            amount: some_amount(),
            capture_id: id("capture_id").or_else(|| id("transaction_id")),
            refused: false,
        },
        "payment.refunded" => Kind::Refunded {
            amount: amount()?,
            refund_id: id("refund_id"),
        },
        "payment.refund_failed" => Kind::RefundFailed {
            reason: reason("refund_failed"),
            amount: some_amount(),
            refund_id: Some(id("refund_id").ok_or("the refund has no id")?),
        },
        "payment.returned" => Kind::Returned {
            amount: some_amount(),
            return_id: id("return_id").or_else(|| id("transaction_id")),
        },
        "payment.disputed" => Kind::Disputed {
            stage: match body.pointer("/data/stage") {
                None | Some(Value::Null) => DisputeStage::Opened,
                Some(stage) => stage
                    .as_str()
                    .and_then(DisputeStage::parse)
                    .ok_or("the stage is none of opened, won, lost and closed")?,
            },
            dispute_id: id("dispute_id"),
            amount: some_amount(),
            undefended: false,
        },
        other => ignored(as_word(other)),
    })
}

fn read_money(body: &Value, bytes: &[u8]) -> Result<Money, Why> {
    const MISSING: Why = "the amount is missing or no decimal number";
    let data = serde_json::from_slice::<Body<'_>>(bytes)
        .ok()
        .and_then(|body| body.data)
        .ok_or(MISSING)?;
    let amount = serde_json::from_str::<Amount<'_>>(data.get())
        .ok()
        .and_then(|data| data.amount)
        .ok_or(MISSING)?;
    let text = match amount.get().strip_prefix('"') {
        Some(text) => text.strip_suffix('"').unwrap_or_default(),
        None => amount.get(),
    };
    let amount: Decimal = text.parse().map_err(|_| MISSING)?;
    let code = json::text(body, "/data/currency").ok_or("the currency is missing")?;
    let currency = Currency::parse(code).map_err(|_| "the currency is not one we know")?;
    Money::from_decimal(amount, currency)
        .map_err(|_| "the amount can't be written exactly in its currency")
}
