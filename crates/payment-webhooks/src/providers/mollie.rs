//! Mollie: an event only reports that a payment has changed, without status and amount.

use serde_json::Value;

use crate::{
    draft::{Draft, unconfirmed},
    json::{as_event_id, order_id, text, transaction_id, word},
};

pub(crate) fn read_event(body: &Value) -> Draft {
    let event_type = word(body, "/type").or_else(|| word(body, "/event_type"));
    // If `entityId` names the payment, `id` names the event. Otherwise `id` names the payment,
    // which has many events.
    let entity = transaction_id(body, "/entityId").or_else(|| transaction_id(body, "/entity_id"));
    let id = text(body, "/id").unwrap_or_default();
    let event_id = match (&entity, &event_type) {
        (None, Some(event_type)) => as_event_id(&format!("{event_type}:{id}")),
        _ => as_event_id(id),
    };
    Draft {
        order_id: order_id(body, "/_embedded/entity/metadata/order_id"),
        transaction_id: entity.or_else(|| transaction_id(body, "/id")),
        ..Draft::new(event_id, Ok(unconfirmed(event_type)))
    }
}
