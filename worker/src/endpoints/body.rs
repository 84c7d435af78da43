//! The content of a message (Standard Webhooks).

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use store::endpoint_outbox::ClaimedMessage;

/// The body of a message.
#[derive(Serialize)]
struct Body<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: DateTime<Utc>,
    data: T,
}

/// Returns the body. Each attempt to send a message has the same body.
pub(super) fn build_body(message: &ClaimedMessage) -> Result<String, store::Error> {
    let (kind, timestamp) = (message.kind.as_str(), message.occurred_at);
    let encoded = match message.order()? {
        Some(order) => serde_json::to_string(&Body {
            kind,
            timestamp,
            data: order.as_of(timestamp),
        }),
        None => serde_json::to_string(&Body {
            kind,
            timestamp,
            data: json!({"endpoint_id": message.endpoint_id}),
        }),
    };
    encoded.map_err(|source| store::Error::InvalidColumn {
        table: "endpoint_messages",
        key: message.message_id.clone(),
        column: "order_json",
        source,
    })
}
