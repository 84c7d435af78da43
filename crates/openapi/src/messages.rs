//! Describes the messages that other systems receive about orders.

use serde_json::{Map, Value, json};

use crate::types::{SchemaRegistry, reference};
use contract::OrderView;
use domain::MessageType;

/// The name of the schema of a message.
const MESSAGE: &str = "OrderMessage";

/// Returns the requests that endpoints receive, by the type of the message.
pub(crate) fn webhooks(types: &mut SchemaRegistry) -> Value {
    let (kind, order) = (
        types.schema_of::<MessageType>(),
        types.schema_of::<OrderView>(),
    );
    types.define(
        MESSAGE.to_owned(),
        json!({
            "description": "A message about an order to an endpoint (Standard Webhooks).",
            "type": "object",
            "properties": {
                "type": kind,
                "timestamp": {"description": "The time of the event.", "type": "string", "format": "date-time"},
                "data": {"description": "The order after the event.", "allOf": [order]},
            },
            "required": ["type", "timestamp", "data"],
        }),
    );
    let requests = MessageType::ALL
        .iter()
        .map(|kind| (kind.as_str().to_owned(), json!({"post": request(*kind)})));
    Value::Object(requests.collect::<Map<_, _>>())
}

fn request(kind: MessageType) -> Value {
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    let schema =
        json!({"allOf": [reference(MESSAGE), {"properties": {"type": {"const": kind.as_str()}}}]});
    json!({
        "summary": summary(kind),
        "description": "The receiver responds with a 2xx status code within 15 seconds. Otherwise the message is sent again.",
        "parameters": [
            header("webhook-id", "The id of the message, which is the same in each attempt."),
            header("webhook-timestamp", "The time of the attempt, in seconds since 1970."),
            header("webhook-signature", "One signature for each valid secret, separated by spaces."),
        ],
        "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}},
        "responses": {"2XX": {"description": "The receiver has accepted the message."}},
    })
}

const fn summary(kind: MessageType) -> &'static str {
    match kind {
        MessageType::OrderCreated => "An order was created",
        MessageType::OrderPaid => "A payment was captured or confirmed",
        MessageType::OrderShipped => "An order has shipped",
        MessageType::OrderDelivered => "An order was delivered",
        MessageType::OrderCancelled => "An order was cancelled",
        MessageType::OrderFailed => "An order has failed",
        MessageType::OrderHeld => "An operator holds an order",
        MessageType::OrderReleased => "A held order goes on",
        MessageType::OrderRefunded => "Money was refunded",
        MessageType::OrderUpdated => "Another part of an order has changed",
    }
}
