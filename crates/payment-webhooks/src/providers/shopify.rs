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
    // A refund, a transaction and a dispute name their order, which groups all events. The amounts
    // are not used: an order of the shop can be paid in several ways, also with other providers.
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let order = number("order_id").or_else(|| number("id"));
    Draft {
        order_id: order_id(body, "/name"),
        transaction_id: order.and_then(|id| TransactionId::parse(&id.to_string()).ok()),
        ..Draft::new(
            id("x-shopify-webhook-id").or_else(|| id("x-shopify-event-id")),
            Ok(unconfirmed(topic.and_then(as_word))),
        )
    }
}
