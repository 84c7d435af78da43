//! The activities: each may run twice, and may die at any line.
//!
//! What is retried without limit is an error here (the database is away, an undo did not hold); what the
//! outside world answers is a value, which the workflow counts (see `workflows::policies`).

mod order;
mod settlement;
mod shipping;

pub use order::OrderActivities;
pub use settlement::SettlementActivities;
pub use shipping::ShippingActivities;
use std::time::Duration;

use temporalio_sdk::activities::{ActivityContext, ActivityError};

use store::orders::{FINAL_DECISION_TIME, OrderProjection};
use workflows::activity::PendingWrite;

/// How long we wait for a payment provider: within the activity's own 4 s, so that silence is an answer.
const PAYMENT_ANSWER: Duration = Duration::from_secs(3);
/// How long we wait for a carrier: within the activity's own 5 s.
const CARRIER_ANSWER: Duration = Duration::from_secs(4);

fn image<'a>(context: &ActivityContext, write: &'a PendingWrite) -> OrderProjection<'a> {
    let info = context.info();
    // A local activity may belong to a task that is lost; another one waits for its result, and is in the history.
    let decided_at = match info.scheduled_time {
        Some(scheduled) if info.is_local => scheduled.into(),
        _ => FINAL_DECISION_TIME,
    };
    OrderProjection {
        state: &write.record,
        version: write.version,
        decided_at,
        events: &write.events,
    }
}

/// Logs why a try failed, once, and has Temporal try again. Temporal's history gets no more than what failed.
fn again(context: &ActivityContext, error: &(dyn std::error::Error + 'static)) -> ActivityError {
    let info = context.info();
    tracing::warn!(
        activity = info.activity_type,
        workflow.id = info.workflow_id.as_deref(),
        attempt = info.attempt,
        "trying again: {}",
        telemetry::format_error_chain(error)
    );
    ActivityError::from(std::io::Error::other(error.to_string()))
}
