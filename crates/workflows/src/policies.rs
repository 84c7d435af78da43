//! All time-outs and retry policies, each with the reason for its number.
//!
//! There are two kinds of retry. A negative or late *response* of an external system is a value
//! that the workflow counts: after three calls the step fails. A *lost* activity attempt (a killed
//! worker, an unavailable database) is retried by Temporal without limit and is not counted. So a
//! killed worker never uses up one of the three calls.

use std::time::Duration;

use temporalio_common::RetryPolicy;
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, LocalActivityOptions, WorkflowCancellationToken,
};

/// Calls to an external system before the step fails. Three, as in the systems that
/// docs/compatibility.md describes.
pub(crate) const MAX_CALLS: u32 = 3;

/// Attempts to ship, each a child workflow with up to [`MAX_CALLS`] calls to the carrier. Three, as
/// in "System D" of docs/compatibility.md.
pub(crate) const MAX_SHIPPING_ATTEMPTS: u32 = 3;

/// The pause between two look-ups of an order that a payment event names and that does not exist
/// yet. One minute is a tenth of the default grace period (`SETTLEMENT_GRACE`, 10 min), so a
/// settlement makes few look-ups.
pub(crate) const ORDER_LOOKUP_INTERVAL: Duration = Duration::from_secs(60);

/// The time for which a recorder waits for the next event of its provider, so that events that arrive
/// one by one need no workflow each.
pub(crate) const RECORDER_LINGER: Duration = Duration::from_secs(60);

/// The time limit for the outcome of an update, such as the carrier's response to a recall. The
/// HTTP function waits 17 s for the update; the two seconds between the limits are for transport.
pub(crate) const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

/// An activity that uses only the database runs one short transaction, normally in milliseconds.
/// Three seconds without completion mean that the database has a problem.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(3);

/// `PreparePackage` stands for a step in the warehouse. Its limit of five seconds is the one of
/// "System E" in docs/compatibility.md.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(5);

/// The worker limits a call to the payment provider to 3 s. One more second covers the activity's
/// own database writes.
const PAYMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The worker limits a call to the carrier to 4 s. One more second covers the activity's own work.
const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);

/// Temporal returns the short history of a shipping attempt in milliseconds. Four seconds without it
/// mean that Temporal has a problem.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(4);

/// Returns the pause after call `number` (from 1) to an external system: 1 s, doubled after each
/// call, at most 30 s. These are the pauses of "System D" in docs/compatibility.md.
pub(crate) fn backoff(number: u32) -> Duration {
    Duration::from_secs(
        1_u64
            .checked_shl(number.saturating_sub(1))
            .unwrap_or(30)
            .clamp(1, 30),
    )
}

/// Returns the pause before a refund asks for the result that its provider reports later: one minute,
/// doubled each time, at most an hour. Banks need days.
pub(crate) fn refund_result_pause(number: u32) -> Duration {
    doubled(Duration::from_secs(60), number, Duration::from_secs(3_600))
}

/// Returns the pause before a refund looks for its event in the order's audit log: 100 ms, in which an
/// order writes, doubled each time. At most ten minutes, so that a year of waiting stays within the
/// limits of a history by continue-as-new.
pub(crate) fn refund_notice_pause(number: u32) -> Duration {
    doubled(Duration::from_millis(100), number, Duration::from_secs(600))
}

/// Returns `first`, doubled for each number after 1, at most `longest`.
fn doubled(first: Duration, number: u32, longest: Duration) -> Duration {
    let factor = 1_u32
        .checked_shl(number.saturating_sub(1))
        .unwrap_or(u32::MAX);
    first.saturating_mul(factor.max(1)).min(longest)
}

/// Retries lost attempts without limit, because the decision is made and must be executed. The
/// interval of at most 20 s bounds the delay after the database is available again.
fn unlimited_retries() -> RetryPolicy {
    lost_attempt_retries(0)
}

/// `attempts` of 0 means without limit.
fn lost_attempt_retries(attempts: u32) -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(Duration::from_secs(1))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_secs(20))
        .maximum_attempts(attempts)
        .build()
}

/// The attempts of a local activity, after which a regular activity goes on. Each attempt adds six
/// events to the history, which may have 51,200. Five attempts take 15 s, longer than the failover of
/// a database with a standby normally takes.
const MAX_LOCAL_ATTEMPTS: u32 = 5;

/// The limit on a local activity including all retries: ten years, in practice none. Without an
/// explicit value the SDK gives up 100 s after the first schedule, and each replay would find the
/// activity failed.
const NO_TIME_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Returns the options of an activity that uses only our database. Temporal's cancel request does
/// not reach the activity, because the decision that it writes is already made.
pub(crate) fn local_options() -> LocalActivityOptions {
    local_activity_options(DATABASE_TIMEOUT)
}

/// Returns the options of `PreparePackage`, which also runs locally but has its own time-out.
pub(crate) fn prepare_options() -> LocalActivityOptions {
    local_activity_options(PREPARE_TIMEOUT)
}

fn local_activity_options(start_to_close: Duration) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .start_to_close_timeout(start_to_close)
        .schedule_to_close_timeout(NO_TIME_LIMIT)
        .retry_policy(lost_attempt_retries(MAX_LOCAL_ATTEMPTS))
        // Each retry waits on a workflow timer. Waiting inside the workflow task would block
        // queries and updates.
        .timer_backoff_threshold(Duration::ZERO)
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}

fn external_options(start_to_close: Duration, task_queue: Option<String>) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(start_to_close))
        .retry_policy(unlimited_retries())
        // Temporal's cancel request does not reach a running call: the workflow must learn its
        // result.
        .cancellation_token(WorkflowCancellationToken::new())
        .maybe_task_queue(task_queue)
        .build()
}

/// Returns the options of a regular activity that goes on for a local one. `limit` is the time limit
/// of one attempt.
pub(crate) fn database_options(limit: Option<Duration>) -> ActivityOptions {
    external_options(limit.unwrap_or(DATABASE_TIMEOUT), None)
}

pub(crate) fn payment_options() -> ActivityOptions {
    external_options(PAYMENT_TIMEOUT, None)
}

/// Returns the options of `DiscardShipment`, which uses only our database. It is not a local
/// activity, because its decision must be in the history first.
pub(crate) fn discard_options() -> ActivityOptions {
    external_options(DATABASE_TIMEOUT, None)
}

/// Returns the options of `CheckStoppedAttempt`.
pub(crate) fn history_options() -> ActivityOptions {
    external_options(HISTORY_TIMEOUT, None)
}

/// A comparison reads a provider's payments of a day, page by page.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Returns the options of a comparison. The next comparison replaces one that failed, so it is
/// retried a few times only.
pub(crate) fn reconcile_options() -> ActivityOptions {
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_secs(5))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_secs(60))
        .maximum_attempts(3)
        .build();
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(RECONCILE_TIMEOUT))
        .retry_policy(retries)
        .build()
}

/// A page of open orders takes a few seconds, because Temporal describes each workflow.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the options of the activities of a search for lost workflows. The next search replaces one
/// that failed.
pub(crate) fn recovery_options() -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(RECOVERY_TIMEOUT))
        .retry_policy(lost_attempt_retries(5))
        .build()
}

/// Returns the options of a call to the carrier. `task_queue` is the shipping queue when the
/// order's own workflow makes the call.
pub(crate) fn carrier_options(task_queue: Option<String>) -> ActivityOptions {
    external_options(CARRIER_TIMEOUT, task_queue)
}

/// The time for which an order asks the carrier about a parcel. The order then goes on without an answer, as
/// it does when no worker serves the queue. One minute has several tries.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// Returns the options of `CheckShipment`. The order cancels the token when it needs no answer.
pub(crate) fn question_options(
    task_queue: String,
    token: WorkflowCancellationToken,
) -> ActivityOptions {
    let limits = ActivityCloseTimeouts::ScheduleAndStartToClose {
        schedule_to_close: QUESTION_LIMIT,
        start_to_close: CARRIER_TIMEOUT,
    };
    ActivityOptions::with_close_timeouts(limits)
        .retry_policy(unlimited_retries())
        .cancellation_token(token)
        .maybe_task_queue(Some(task_queue))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in ARCHITECTURE.md has the same numbers.
    #[test]
    fn time_limits_match_the_architecture_page() {
        let local = |options: LocalActivityOptions| {
            options.start_to_close_timeout.map(|time| time.as_secs())
        };
        assert_eq!(
            (local(local_options()), local(prepare_options())),
            (Some(3), Some(5))
        );
        assert_eq!(
            (PAYMENT_TIMEOUT.as_secs(), CARRIER_TIMEOUT.as_secs()),
            (4, 5)
        );
        assert_eq!(
            (DATABASE_TIMEOUT.as_secs(), HISTORY_TIMEOUT.as_secs()),
            (3, 4)
        );
        assert_eq!(QUESTION_LIMIT.as_secs(), 60);
        let pauses: Vec<u64> = (1..=7).map(|number| backoff(number).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        let pauses: Vec<u64> = [1, 2, 6, 7, 33, 90]
            .map(|number| refund_result_pause(number).as_secs())
            .to_vec();
        assert_eq!(pauses, [60, 120, 1_920, 3_600, 3_600, 3_600]);
    }
}
