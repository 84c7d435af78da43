//! Metrics of the worker: each execution of an activity, and each order at its end.
//!
//! An interceptor measures every activity, also future ones, and does not change their behaviour.

use std::time::{Duration, Instant};

use temporalio_sdk::{
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
};
use tracing::Instrument;

use crate::traces;
use domain::{AuditEvent, OrderState};
use store::PgPool;
use telemetry::metrics;
use workflows::activity::PendingWrite;

/// No order has so many audit events; a longer audit log is measured up to this number.
const LONGEST_TRAIL: u32 = 1_000;

pub(crate) struct Measured {
    pool: PgPool,
}

impl Measured {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

impl ActivityInboundInterceptor for Measured {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        Box::pin(async move {
            let info = input.activity_info();
            let (activity, attempt) = (info.activity_type.clone(), info.attempt);
            // The last write of an order is the one that marks it as finished.
            let write = input
                .args_ref::<PendingWrite>()
                .filter(|write| !write.record.is_running());
            let ended = write.map(|write| write.record.clone());
            let began = Instant::now();
            let trace = traces::activity_span(&input);
            let span = tracing::info_span!("activity", name = activity);
            let result = traces::trace_call(trace, next.run(input).instrument(span)).await;
            let outcome = match &result {
                Ok(_) => "ok",
                Err(ActivityError::Cancelled { .. }) => "cancelled",
                Err(_) => "failed",
            };
            metrics::observe_activity(&activity, outcome, attempt, began.elapsed());
            if let (Some(record), Ok(_)) = (ended, &result) {
                // The order does not wait for this.
                drop(tokio::spawn(observe_finished_order(
                    self.pool.clone(),
                    record,
                )));
            }
            result
        })
    }
}

/// Runs twice if the last write of an order ran twice, which requires a crash at that moment.
async fn observe_finished_order(pool: PgPool, record: OrderState) {
    let whole = record.updated_at() - record.created_at();
    metrics::observe_order(record.status().as_str(), whole.to_std().unwrap_or_default());
    if let Some(failure) = &record.failure {
        metrics::count_order_failure(failure.code.as_str());
    }
    for (step, count) in &record.retries {
        metrics::count_order_step_errors(step.as_str(), *count);
    }
    // Without its audit log the order is still counted.
    let Ok(Some(trail)) =
        store::audit_events::list(&pool, &record.order_id, 0, LONGEST_TRAIL).await
    else {
        return;
    };
    for (step, took) in step_durations(&trail) {
        metrics::observe_order_step(step, took);
    }
}

/// Returns the time from each audit event to the next, labelled by the type of the next one.
fn step_durations(trail: &[AuditEvent]) -> impl Iterator<Item = (&'static str, Duration)> {
    let step = |pair: &[AuditEvent]| {
        let [before, after] = pair else { return None };
        Some((
            after.kind.as_str(),
            (after.ts - before.ts).to_std().unwrap_or_default(),
        ))
    };
    trail.windows(2).filter_map(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::AuditEventType;

    #[test]
    fn a_step_is_named_by_the_entry_that_ends_it() {
        let entry = |seq, kind, ts: &str| AuditEvent {
            seq,
            kind,
            payload: serde_json::Value::Null,
            ts: ts.parse().unwrap_or_default(),
        };
        let trail = [
            entry(1, AuditEventType::OrderReceived, "2026-11-21T00:00:00Z"),
            entry(2, AuditEventType::OrderValidated, "2026-11-21T00:00:01Z"),
            entry(3, AuditEventType::ReviewStarted, "2026-11-21T00:00:01Z"),
            entry(4, AuditEventType::ReviewApproved, "2026-11-21T01:00:01Z"),
        ];
        let steps: Vec<_> = step_durations(&trail)
            .map(|(step, took)| (step, took.as_secs()))
            .collect();
        assert_eq!(
            steps,
            [
                ("order_validated", 1),
                ("review_started", 0),
                ("review_approved", 3_600)
            ]
        );
    }
}
