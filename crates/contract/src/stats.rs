//! Statistics of orders, for operators.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use domain::{Currency, Decimal, OrderStatus, Step};

/// The statistics of the orders that were created in a range of time, and of the work that waits
/// now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The range, without its end.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// The number of orders with each status, without statuses that no order has.
    pub statuses: Vec<StatusCount>,
    /// The number of orders of each hour, without hours that have no order.
    pub hours: Vec<HourCount>,
    /// The time that each step took.
    pub steps: Vec<StepTime>,
    pub failures: Vec<FailureCount>,
    /// The number of open orders that wait for a review now.
    pub in_review: u32,
    /// The number of open orders that are held now.
    pub held: u32,
    /// The number of open orders that are stalled now.
    pub stalled: u32,
    /// The money that must be paid back or assigned now.
    pub money: Vec<MoneyDue>,
}

impl Stats {
    /// Returns the statistics of a range without orders.
    pub const fn empty(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self {
            from,
            to,
            statuses: Vec::new(),
            hours: Vec::new(),
            steps: Vec::new(),
            failures: Vec::new(),
            in_review: 0,
            held: 0,
            stalled: 0,
            money: Vec::new(),
        }
    }
}

/// The number of orders with a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCount {
    pub status: OrderStatus,
    pub orders: u32,
}

/// The number of orders of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourCount {
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    pub orders: u32,
}

/// The time that a step took, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    pub step: Step,
    /// The number of orders that completed the step.
    pub orders: u32,
    pub p50_seconds: f64,
    pub p95_seconds: f64,
}

/// The number of failed orders with a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    pub code: String,
    pub orders: u32,
}

/// The money of one currency that waits for an operator or a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoneyDue {
    pub currency: Currency,
    /// The money that must be paid back.
    pub due: Decimal,
    /// The money that belongs to no order.
    pub unmatched: Decimal,
}
