//! The shipment of an order.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The shipment of an order, as in responses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentInfo {
    pub tracking_number: String,
    pub provider: String,
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub shipped_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
}
