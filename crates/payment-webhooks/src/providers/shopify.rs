//! Shopify: the type and the id of the event are in headers that are not signed.

use serde_json::Value;

use crate::{
    draft::{Draft, unconfirmed},
    json::{as_event_id, as_word, order_id},
    verify::Verified,
};
use domain::TransactionId;

pub(crate) fn read_event(body: &Value, verified: &Verified<'_>) -> Draft {
    let id = |name| as_event_id(verified.unsigned_header(name)?);
    let topic = verified.unsigned_header("x-shopify-topic");
    Draft {
        event_id: id("x-shopify-webhook-id").or_else(|| id("x-shopify-event-id")),
        order_id: order_id(body, "/name"),
        transaction_id: body
            .get("id")
            .and_then(Value::as_u64)
            .and_then(|id| TransactionId::parse(&id.to_string()).ok()),
        payment_id: None,
        kind: Ok(unconfirmed(topic.and_then(as_word))),
    }
}
