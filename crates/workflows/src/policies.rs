//! Every time-out and retry policy, each with the reason for its number.
//!
//! Two kinds of retry, kept apart. What the outside world *answers* (no, or not in time) is a value
//! that the workflow counts: three tries forward, then the step has failed. What *dies* (a worker
//! killed, a database away) is retried by Temporal without limit and counts for nothing: so a killed
//! attempt never uses up one of the three.

use std::time::Duration;

use temporalio_common::RetryPolicy;
use temporalio_workflow::{
    ActivityCloseTimeouts, ActivityOptions, LocalActivityOptions, WorkflowCancellationToken,
};

/// Tries of an outside call going forward, before its step has failed.
pub(crate) const MAX_CALLS: u32 = 3;

/// Attempts to ship, each a child workflow of its own with [`TRIES`] calls to the carrier.
pub(crate) const MAX_SHIPPING_ATTEMPTS: u32 = 3;

/// How often an order that a payment names, and that is not there, is looked for again.
pub(crate) const ORDER_LOOKUP_INTERVAL: Duration = Duration::from_secs(60);

/// How long a caller waits for the carrier's word on who won, cancel or dispatch. The HTTP function
/// gives the answer 17 s; two are left for the way.
pub(crate) const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

/// Our own steps are one short transaction: three seconds is a database in trouble.
const DATABASE: Duration = Duration::from_secs(3);

/// Packing is a step of the warehouse's, written with the parcel's contents: five seconds, as the contract has it.
const PREPARE: Duration = Duration::from_secs(5);

/// A payment provider answers within 3 s (the worker's own limit on the call) or counts as silent.
const PAYMENT: Duration = Duration::from_secs(4);

/// A carrier answers within 4 s (the worker's own limit on the call) or counts as silent.
const CARRIER: Duration = Duration::from_secs(5);

/// The delay before try `number` (from 1) of an outside call: 1 s, doubled each time, at most 30 s.
pub(crate) fn backoff(number: u32) -> Duration {
    Duration::from_secs(
        1_u64
            .checked_shl(number.saturating_sub(1))
            .unwrap_or(30)
            .clamp(1, 30),
    )
}

/// No limit on attempts: only what died is retried this way. The cap keeps a database that comes back
/// from being waited for longer than it was away.
fn until_it_holds() -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(Duration::from_secs(1))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_secs(20))
        .maximum_attempts(0)
        .build()
}

/// Our own database is waited for as long as it takes. Said aloud: left unsaid, the SDK gives up on a local activity
/// 100 s after it was first scheduled, retries and all, and each replay would find it given up.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A step that touches only our database. Detached from cancellation: what was decided is written.
pub(crate) fn local_options() -> LocalActivityOptions {
    in_house(DATABASE)
}

/// `PreparePackage`: in house as well, with a time of its own.
pub(crate) fn prepare_options() -> LocalActivityOptions {
    in_house(PREPARE)
}

fn in_house(start_to_close: Duration) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .start_to_close_timeout(start_to_close)
        .schedule_to_close_timeout(AS_LONG_AS_IT_TAKES)
        .retry_policy(until_it_holds())
        // Each retry waits on a timer. Waiting inside the workflow task would hold queries and updates with it.
        .timer_backoff_threshold(Duration::ZERO)
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}

fn outside(start_to_close: Duration, task_queue: Option<String>) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(start_to_close))
        .retry_policy(until_it_holds())
        // Never cancelled half-way: money and parcels are asked about, not guessed at.
        .cancellation_token(WorkflowCancellationToken::new())
        .maybe_task_queue(task_queue)
        .build()
}

pub(crate) fn payment_options() -> ActivityOptions {
    outside(PAYMENT, None)
}

/// On the shipping queue, named where the order's own workflow asks.
pub(crate) fn carrier_options(task_queue: Option<String>) -> ActivityOptions {
    outside(CARRIER, task_queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the table in ARCHITECTURE.md has it.
    #[test]
    fn each_step_has_its_time() {
        let local = |options: LocalActivityOptions| {
            options.start_to_close_timeout.map(|time| time.as_secs())
        };
        assert_eq!(
            (local(local_options()), local(prepare_options())),
            (Some(3), Some(5))
        );
        assert_eq!((PAYMENT.as_secs(), CARRIER.as_secs()), (4, 5));
        let pauses: Vec<u64> = (1..=7).map(|number| backoff(number).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    }
}
