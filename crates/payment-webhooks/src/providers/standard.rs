//! Standard Webhooks: your own sender, with decimal amounts as in the HTTP API.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, as_event_id, as_word, word},
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
        event_id: verified.signed_id.and_then(as_event_id),
        order_id: json::order_id(body, "/data/order_id"),
        transaction_id: json::transaction_id(body, "/data/transaction_id"),
        payment_id: None,
        kind: read_kind(body, verified),
    }
}

fn read_kind(body: &Value, verified: &Verified<'_>) -> Result<Kind, Why> {
    let bytes = verified.body();
    let event_type = json::text(body, "/type").ok_or("the event has no type")?;
    Ok(match event_type {
        "payment.succeeded" => Kind::Paid {
            amount: read_money(body, bytes)?,
            payment_method: word(body, "/data/payment_method"),
        },
        "payment.failed" => Kind::AttemptFailed {
            reason: word(body, "/data/reason").unwrap_or_else(|| "payment_failed".to_owned()),
        },
        // Each event reports one refund and has its own id.
        "payment.refunded" => Kind::Refunded {
            amount: read_money(body, bytes)?,
            refund_id: Some(
                verified
                    .signed_id
                    .and_then(as_event_id)
                    .ok_or("the refund has no id")?,
            ),
        },
        "payment.disputed" => Kind::Disputed {
            stage: DisputeStage::Opened,
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
