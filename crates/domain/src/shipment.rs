//! The shipment of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::status::string_enum;

string_enum! {
    /// The kind of a report of a carrier about a parcel.
    TrackingKind {
        InTransit => "in_transit",
        Delivered => "delivered",
        /// The parcel needs attention, such as a wrong address.
        Exception => "exception",
        /// The parcel is on its way back, or is back.
        Returned => "returned",
    }
}

/// A report of the carrier about a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingEvent {
    /// The id of the message, which can arrive more than once.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: TrackingKind,
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// The shipment of an order, as in responses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentInfo {
    pub tracking_number: String,
    pub provider: String,
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub shipped_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// The reports of the carrier, by their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TrackingEvent>,
}

impl ShipmentInfo {
    /// The number of reports that are kept.
    pub const MAX_EVENTS: usize = 50;

    /// Adds a report at its place in time. Returns whether it is new and is kept: with many reports, the
    /// oldest ones are not.
    pub fn add_event(&mut self, event: TrackingEvent) -> bool {
        if self.events.iter().any(|known| known.id == event.id) {
            return false;
        }
        let id = event.id.clone();
        let place = self.events.partition_point(|known| known.at <= event.at);
        self.events.insert(place, event);
        if self.events.len() > Self::MAX_EVENTS {
            return self.events.remove(0).id != id;
        }
        true
    }

    /// Returns the time of a delivery that the carrier reports at `now`: its clock can be wrong, so the
    /// time lies between the dispatch and `now`.
    pub fn delivery_time(&self, reported: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let earliest = self.shipped_at.unwrap_or(reported);
        reported.max(earliest).min(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u32, second: i64) -> TrackingEvent {
        TrackingEvent {
            id: id.to_string(),
            kind: TrackingKind::InTransit,
            at: DateTime::from_timestamp(second, 0).unwrap(),
            description: None,
            location: None,
        }
    }

    #[test]
    fn events_are_kept_once_and_by_time() {
        let mut shipment = ShipmentInfo {
            tracking_number: "TN-1".to_owned(),
            provider: "dhl".to_owned(),
            estimated_delivery: None,
            shipped_at: None,
            delivered_at: None,
            events: Vec::new(),
        };
        assert!(shipment.add_event(event(1, 20)) && shipment.add_event(event(2, 10)));
        assert!(!shipment.add_event(event(1, 20)));
        let ids = |shipment: &ShipmentInfo| {
            shipment
                .events
                .iter()
                .map(|event| event.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&shipment), ["2", "1"]);
        for id in 3..=50 {
            assert!(shipment.add_event(event(id, 100)));
        }
        // The oldest report makes place, unless the new one is older.
        assert!(shipment.add_event(event(51, 100)));
        assert!(!shipment.add_event(event(52, 1)));
        assert_eq!((shipment.events.len(), &*ids(&shipment)[0]), (50, "1"));
    }
}
