//! Ends an activity when its time limit is over.
//!
//! Temporal gives up the activity then and retries it. Without this limit, the old try would
//! continue, and keep its slot and its connection. A few activities that hang permanently would use
//! all slots, and no order would progress.

use std::time::Duration;

use futures::FutureExt;
use temporalio_sdk::{
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
};

/// Longer than any activity may take; for an activity without a time limit.
const UNTOLD: Duration = Duration::from_secs(10);

pub(crate) struct TimeLimit;

impl ActivityInboundInterceptor for TimeLimit {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let info = input.activity_info();
        // Both times are by Temporal's clock. This machine's clock measures only the duration between
        // them, so it may be wrong.
        let limit = info
            .deadline
            .zip(info.started_time)
            .map(|(deadline, started)| deadline.duration_since(started).unwrap_or_default());
        let (activity, workflow_id) = (info.activity_type.clone(), info.workflow_id.clone());
        let limited = tokio::time::timeout(limit.unwrap_or(UNTOLD), next.run(input));
        let ended = limited.map(move |ended| {
            ended.unwrap_or_else(|elapsed| {
                tracing::warn!(
                    activity,
                    workflow.id = workflow_id,
                    "stopped: the time limit is over"
                );
                Err(ActivityError::from(elapsed))
            })
        });
        ended.boxed()
    }
}
