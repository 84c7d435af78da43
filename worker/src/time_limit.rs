//! Ends an activity when its time limit is over.
//!
//! Temporal gives up the activity then and retries it. Without this limit, the old try would
//! continue, and keep its slot and its connection. A few activities that hang permanently would use
//! all slots, and no order would progress.

use std::time::{Duration, SystemTime};

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
        let limit = time_limit(info.started_time, info.deadline);
        let (activity, workflow_id) = (info.activity_type.clone(), info.workflow_id.clone());
        let limited = tokio::time::timeout(limit, next.run(input));
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

/// Returns the duration between two times of Temporal's clock. This machine's clock only measures the
/// duration, so it may be minutes off.
fn time_limit(started: Option<SystemTime>, deadline: Option<SystemTime>) -> Duration {
    started.zip(deadline).map_or(UNTOLD, |(started, deadline)| {
        deadline.duration_since(started).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_does_not_depend_on_the_machines_clock() {
        let far = SystemTime::now() - Duration::from_secs(3_600);
        let limit = Duration::from_secs(4);
        assert_eq!(time_limit(Some(far), Some(far + limit)), limit);
        assert_eq!(time_limit(None, None), UNTOLD);
    }
}
