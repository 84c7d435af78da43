//! The work list: money that a person must act on.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use domain::{Concern, Currency, Decimal, OrderStatus};

/// An entry of the work list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttentionEntry {
    /// `{payment_id}:{concern}`, or `{provider}:{event_id}:{concern}` for a webhook event without a
    /// payment.
    pub id: String,
    pub concern: Concern,
    /// `None` if the webhook event has no amount.
    pub amount: Option<Decimal>,
    pub currency: Option<Currency>,
    /// The provider's id of the payment.
    pub transaction_id: Option<String>,
    /// The name of the provider, or `external` for a payment that a caller confirmed.
    pub provider: String,
    pub payment_id: Option<String>,
    pub order_id: Option<String>,
    pub order_status: Option<OrderStatus>,
    /// The time of the newest report that caused the entry.
    pub since: DateTime<Utc>,
    /// The operator's next step in plain English.
    pub next_step: String,
}
