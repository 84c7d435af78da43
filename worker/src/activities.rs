//! The activities. Each can run twice, and the worker can die at any line.
//!
//! An error means that Temporal retries without a limit, for example when the database is
//! unavailable or a compensation failed. A response from outside is a value, which the workflow
//! counts (see `workflows::policies`).

mod closed_order;
mod order;
mod provider_calls;
mod recall;
mod reconcile;
mod recovery;
mod refund;
mod refunds;
mod returns;
mod settlement;
mod shipping;

pub use closed_order::ClosedOrderActivities;
pub use order::OrderActivities;
pub use provider_calls::LimitedProviders;
pub use recall::RecallActivities;
pub use recovery::RecoveryActivities;
pub use refunds::RefundActivities;
pub use returns::ReturnActivities;
pub use settlement::SettlementActivities;
pub use shipping::ShippingActivities;
use std::time::Duration;

use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use store::order_write::{Fence, OrderWrite, UNKNOWN_TASK_TIME};
use workflows::activity::{MISSING_EVENTS, PendingWrite};

/// The time limit of a call to a carrier; less than the activity's 5 s.
const CARRIER_ANSWER: Duration = Duration::from_secs(4);

/// Returns the write with its place in the order's history.
fn order_write<'a>(context: &'a ActivityContext, write: &'a PendingWrite) -> OrderWrite<'a> {
    OrderWrite {
        state: &write.record,
        fence: Fence {
            chain_id: write.chain_id.as_deref(),
            run_id: context
                .info()
                .workflow_run_id
                .as_deref()
                .unwrap_or_default(),
            version: write.version,
            task_time: write.task_time.unwrap_or(UNKNOWN_TASK_TIME),
        },
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
    if let Some(have) = missing_events_of(error) {
        tracing::warn!(
            activity = info.activity_type,
            workflow.id = info.workflow_id.as_deref(),
            have,
            "the database lacks audit events of this order, which sends them again; was the database restored?"
        );
        return ActivityError::Application(Box::new(
            ApplicationFailure::builder(std::io::Error::other(error.to_string()))
                .type_name(MISSING_EVENTS.to_owned())
                .non_retryable(true)
                .details(have)
                .build(),
        ));
    }
    tracing::warn!(
        activity = info.activity_type,
        workflow.id = info.workflow_id.as_deref(),
        attempt = info.attempt,
        "trying again: {}",
        telemetry::format_error_chain(error)
    );
    ActivityError::from(std::io::Error::other(error.to_string()))
}

/// Returns the number of the last audit event that the database has, if it lacks later ones.
fn missing_events_of(error: &(dyn std::error::Error + 'static)) -> Option<u32> {
    let store = error.downcast_ref().or_else(|| match error.downcast_ref() {
        Some(provider_calls::StepError::Store(error)) => Some(error),
        _ => None,
    });
    match store {
        Some(store::Error::MissingEvents { have }) => Some(*have),
        _ => None,
    }
}
