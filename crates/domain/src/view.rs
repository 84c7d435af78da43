//! What callers read of an order, the same whichever source it comes from.

use crate::{
    Address, Currency, Customer, Decimal, Failure, OrderId, OrderStatus, PaymentInfo, ReviewDecision, ShipmentInfo,
    Step, status::named,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

named! {
    /// Where an answer comes from.
    Source { Workflow => "workflow", Database => "database", Temporal => "temporal" }
}

/// The full state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    pub order_id: OrderId,
    pub workflow_id: String,
    pub customer_id: Option<String>,
    pub customer: Customer,
    pub items: Vec<serde_json::Value>,
    pub shipping_address: Option<Address>,
    pub currency: Option<Currency>,
    pub total_amount: Option<Decimal>,
    pub status: OrderStatus,
    pub step: Step,
    pub is_running: bool,
    /// What a reviewer decided, if one did.
    #[serde(default)]
    pub review: Option<ReviewDecision>,
    pub payment_info: Option<PaymentInfo>,
    pub shipment_info: Option<ShipmentInfo>,
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub cancellation_reason: Option<String>,
    pub failure: Option<Failure>,
    pub retries: BTreeMap<Step, u32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The last entry of the audit trail that this state includes; the `ETag`.
    pub seq: u32,
    pub source: Source,
}

/// The short state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    pub order_id: OrderId,
    pub workflow_id: String,
    pub status: OrderStatus,
    pub step: Step,
    pub is_running: bool,
    pub updated_at: DateTime<Utc>,
    pub seq: u32,
    pub source: Source,
}

impl OrderView {
    pub fn status_view(&self) -> StatusView {
        StatusView {
            order_id: self.order_id.clone(),
            workflow_id: self.workflow_id.clone(),
            status: self.status,
            step: self.step,
            is_running: self.is_running,
            updated_at: self.updated_at,
            seq: self.seq,
            source: self.source,
        }
    }
}
