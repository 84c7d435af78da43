//! Reports of a carrier about a parcel, as a bridge sends them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use domain::{
    OrderId, TrackingEvent, TrackingKind, has_visible_character, without_direction_overrides,
};

/// The longest description and location, in characters.
const MAX_TEXT_LENGTH: usize = 200;

/// The longest id of a message.
const MAX_ID_LENGTH: usize = 200;

/// A report about a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingReport {
    pub order_id: OrderId,
    pub shipment_id: String,
    pub event: TrackingEvent,
}

/// The reason why a message is not a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    #[error("the body is not valid: {0}")]
    Body(String),
    #[error("`data.shipment_id` is not the id of a shipment, such as order-123-PKG-001")]
    ShipmentId,
}

#[derive(Deserialize)]
struct Body {
    r#type: String,
    timestamp: DateTime<Utc>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    shipment_id: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    location: Option<String>,
}

impl TrackingReport {
    /// Reads the body of a verified message. Returns `None` for a type of message that is not a report.
    ///
    /// # Errors
    ///
    /// The body has no such form, or names no shipment of orderflow.
    pub fn parse(message_id: &str, body: &[u8]) -> Result<Option<Self>, TrackingError> {
        let body: Body =
            serde_json::from_slice(body).map_err(|error| TrackingError::Body(error.to_string()))?;
        let kind = body
            .r#type
            .strip_prefix("shipment.")
            .and_then(TrackingKind::parse);
        let Some(kind) = kind else { return Ok(None) };
        let order_id = order_of(&body.data.shipment_id).ok_or(TrackingError::ShipmentId)?;
        Ok(Some(Self {
            order_id,
            shipment_id: body.data.shipment_id,
            event: TrackingEvent {
                id: shortened(message_id, MAX_ID_LENGTH),
                kind,
                at: body.timestamp,
                description: body.data.description.and_then(cleaned),
                location: body.data.location.and_then(cleaned),
            },
        }))
    }
}

/// Returns the order of a shipment with the id `{order}-PKG-{number}`.
fn order_of(shipment_id: &str) -> Option<OrderId> {
    let (order_id, number) = shipment_id.rsplit_once("-PKG-")?;
    let is_number =
        (3..=9).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| OrderId::parse(order_id).ok()).flatten()
}

/// Returns a text of the carrier in one line, in its own direction, and shortened.
fn cleaned(text: String) -> Option<String> {
    let line = without_direction_overrides(&text).replace(char::is_control, " ");
    has_visible_character(&line).then(|| shortened(line.trim(), MAX_TEXT_LENGTH))
}

fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(kind: &str, shipment_id: &str) -> Result<Option<TrackingReport>, TrackingError> {
        let body = json!({
            "type": kind, "timestamp": "2026-11-24T10:15:00Z",
            "data": {"shipment_id": shipment_id, "description": "left\n\u{202e}the depot", "location": " \u{202d}"},
        });
        TrackingReport::parse("msg-1", body.to_string().as_bytes())
    }

    #[test]
    fn report_names_its_order() {
        let report = parse("shipment.in_transit", "a-PKG-1-PKG-001")
            .unwrap()
            .unwrap();
        assert_eq!(report.order_id.as_str(), "a-PKG-1");
        assert_eq!(report.event.description.as_deref(), Some("left the depot"));
        assert_eq!(report.event.location, None);
    }

    #[test]
    fn other_messages_are_no_reports() {
        assert_eq!(parse("invoice.created", "a-PKG-001"), Ok(None));
        for shipment_id in ["a", "a-PKG-", "a-PKG-x01", "-PKG-001", "a b-PKG-001"] {
            assert_eq!(
                parse("shipment.delivered", shipment_id),
                Err(TrackingError::ShipmentId),
                "{shipment_id}"
            );
        }
        assert!(matches!(
            TrackingReport::parse("m", b"{}"),
            Err(TrackingError::Body(_))
        ));
    }
}
