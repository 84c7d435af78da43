//! The activity that changes an order which has ended, with its input.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use contract::{ClosedOrderOutcome, RequestOrigin, TrackingReport};
use domain::{NotesChange, OrderId};

/// A change of an order that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedOrderChange {
    pub order_id: OrderId,
    #[serde(flatten)]
    pub change: ClosedChange,
    /// Changes by earlier releases have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RequestOrigin>,
}

/// The change itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedChange {
    Notes(NotesChange),
    /// A report of the carrier.
    Tracking(TrackingReport),
}

/// Activities for orders that have ended, on the orders' task queue.
pub struct ClosedOrderActivities;

#[activity_definitions]
impl ClosedOrderActivities {
    /// Changes an order that has ended, with an audit event.
    #[activity(name = "ChangeClosedOrder")]
    pub fn change_closed_order(change: ClosedOrderChange) -> ClosedOrderOutcome {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use closed_order_activities::ChangeClosedOrder;
