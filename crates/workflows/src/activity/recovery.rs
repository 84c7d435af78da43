//! Activities of the search for lost workflows, and their inputs and outputs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use domain::{OrderId, Span, string_enum};

string_enum! {
    /// The reason why a running order has no running workflow.
    LossCause {
        Terminated => "terminated",
        TimedOut => "timed_out",
        Failed => "failed",
        /// Temporal has no workflow of the order.
        Missing => "missing",
        /// The workflow completed the order, and the database has lost the end.
        Completed => "completed",
    }
}

/// A running order without a running workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOrder {
    pub order_id: OrderId,
    pub cause: LossCause,
}

/// The last order of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningOrderCursor {
    pub due: DateTime<Utc>,
    pub order_id: OrderId,
}

/// The input of `FindLostOrders`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindLostOrdersInput {
    /// The time for which the row has not changed and the workflow has not run.
    pub idle_for: Span,
    #[serde(default)]
    pub after: Option<RunningOrderCursor>,
}

/// One page of running orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostOrdersPage {
    pub checked: u32,
    pub lost: Vec<LostOrder>,
    /// The last order of the page; `None` for the last page.
    pub next: Option<RunningOrderCursor>,
}

/// The input of `RecoverOrders`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoverOrdersInput {
    pub idle_for: Span,
    pub lost: Vec<LostOrder>,
}

/// The input of `CheckOrderRow`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckOrderRowInput {
    pub order_id: OrderId,
    /// The last audit event of the row from which this run started.
    pub last_seq: u32,
}

/// The input of a search for lost workflows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryInput {
    pub idle_for: Span,
    /// Whether orders are recovered although many workflows are missing.
    #[serde(default)]
    pub all: bool,
}

/// The report of a search for lost workflows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecoveryReport {
    pub checked: u64,
    /// The orders whose workflows were started again.
    pub recovered: Vec<LostOrder>,
    /// The orders that need an operator.
    pub withheld: Vec<LostOrder>,
}

/// Activities of the search for lost workflows, on the orders' task queue.
pub struct RecoveryActivities;

#[activity_definitions]
impl RecoveryActivities {
    /// Compares one page of running orders with their workflows.
    #[activity(name = "FindLostOrders")]
    pub fn find_lost_orders(find: FindLostOrdersInput) -> LostOrdersPage {
        unimplemented!()
    }

    /// Starts the workflows of lost orders from their rows. Skips an order that is no longer lost.
    #[activity(name = "RecoverOrders")]
    pub fn recover_orders(recover: RecoverOrdersInput) {
        unimplemented!()
    }

    /// Returns whether the order's row is the one from which this run started, or a later write of
    /// this run.
    #[activity(name = "CheckOrderRow")]
    pub fn check_order_row(check: CheckOrderRowInput) -> bool {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use recovery_activities::{CheckOrderRow, FindLostOrders, RecoverOrders};
