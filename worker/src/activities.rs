//! The activities. Each can run twice, and the worker can die at any line.
//!
//! An error means that Temporal retries without a limit, for example when the database is
//! unavailable or a compensation failed. A response from outside is a value, which the workflow
//! counts (see `workflows::policies`).

mod order;
mod recall;
mod reconcile;
mod refund;
mod settlement;
mod shipping;

pub use order::OrderActivities;
pub use recall::RecallActivities;
pub use settlement::SettlementActivities;
pub use shipping::ShippingActivities;
use std::time::Duration;

use temporalio_sdk::activities::{ActivityContext, ActivityError};

use store::orders::{FINAL_DECISION_TIME, OrderProjection};
use workflows::activity::PendingWrite;

/// The time limit of a call to a payment provider. Less than the activity's 4 s, so that a provider that
/// does not respond is a value and not a time-out of the activity.
const PAYMENT_ANSWER: Duration = Duration::from_secs(3);
/// The time limit of a call to a carrier; less than the activity's 5 s.
const CARRIER_ANSWER: Duration = Duration::from_secs(4);

fn projection_of<'a>(context: &ActivityContext, write: &'a PendingWrite) -> OrderProjection<'a> {
    let info = context.info();
    // A local activity can belong to a lost task. An ordinary activity cannot, because it is in the
    // history.
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

/// Logs the reason of a failed try once, and returns an error that Temporal retries. The history
/// only contains the name of the failed operation.
fn retryable(
    context: &ActivityContext,
    error: &(dyn std::error::Error + 'static),
) -> ActivityError {
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
