//! GoCardless: up to 250 events in one message, each with an id.

use serde_json::Value;

use crate::{
    draft::{Draft, unconfirmed},
    json::{as_word, event_id, order_id, text, transaction_id},
    verify::LARGEST_BATCH,
};

pub(crate) fn read_events(body: &Value) -> Vec<Draft> {
    match body.get("events").and_then(Value::as_array) {
        None => vec![Draft::unreadable("there are no events in it")],
        Some(events) if events.is_empty() => vec![Draft::unreadable("there are no events in it")],
        Some(events) if events.len() > LARGEST_BATCH => {
            vec![Draft::unreadable("there are too many events in it")]
        }
        Some(events) => events.iter().map(draft).collect(),
    }
}

fn draft(event: &Value) -> Draft {
    let resource = text(event, "/resource_type").unwrap_or_default();
    let action = text(event, "/action").unwrap_or_default();
    // Such as `payments.confirmed`, `payments.failed` or `payments.charged_back`.
    let kind = unconfirmed(as_word(&format!("{resource}.{action}")));
    Draft {
        order_id: order_id(event, "/resource_metadata/order_id")
            .or_else(|| order_id(event, "/metadata/order_id")),
        transaction_id: transaction_id(event, "/links/payment"),
        ..Draft::new(event_id(event, "/id"), Ok(kind))
    }
}
