//! The waits of an order.

use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use temporalio_workflow::{
    TimerOptions, TimerResult, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    select,
};

use super::{
    OrderStopped, OrderWorkflow, Progress,
    continuation::{self, WaitingPlace},
    current_time, persistence,
    transitions::Reasons,
};
use crate::patches;
use domain::FailureCode;

type Context = WorkflowContext<OrderWorkflow>;

/// The reason why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitOutcome {
    Happened,
    TimedOut,
}

/// Waits for `happened`, at most `limit`, and meanwhile writes new audit events immediately. Ends
/// early when a request, Temporal's own cancel or the deadline stops the order. Ends the run, which
/// continues as new at `place`, when its history is long.
pub(super) async fn wait_at(
    ctx: &Context,
    place: WaitingPlace,
    happened: fn(&OrderWorkflow) -> bool,
    limit: Duration,
) -> Progress<WaitOutcome> {
    ctx.state_mut(|order| order.is_waiting = true);
    let waited = wait(ctx, Some(place), happened, limit).await;
    ctx.state_mut(|order| order.is_waiting = false);
    waited
}

async fn wait(
    ctx: &Context,
    place: Option<WaitingPlace>,
    happened: fn(&OrderWorkflow) -> bool,
    limit: Duration,
) -> Progress<WaitOutcome> {
    ensure_not_stopped(ctx)?;
    let timers = WorkflowCancellationToken::new();
    let (length, is_deadline) = match deadline_left(ctx) {
        Some(left) if left < limit => (left, true),
        _ => (limit, false),
    };
    if ctx.state(happened) {
        return Ok(WaitOutcome::Happened);
    }
    if length.is_zero() {
        return Ok(WaitOutcome::TimedOut);
    }
    let mut timer = ctx.timer(
        TimerOptions::builder(length)
            .cancellation_token(timers.clone())
            .build(),
    );
    loop {
        if let Some(place) = place {
            continuation::continue_if_due(ctx, place).await;
        }
        persistence::write_pending(ctx).await;
        let wake = |order: &OrderWorkflow| {
            let is_due = place.is_some() && continuation::is_due(ctx, order);
            happened(order) || order.is_stopped() || order.has_unsaved_events() || is_due
        };
        let mut changed = ctx.wait_condition_with_options(wake, detached_wait());
        let mut cancelled = std::pin::pin!(ctx.cancelled());
        let fired = select! {
            result = timer => result == TimerResult::Fired,
            _ = changed => false,
            _ = cancelled => false,
        };
        if !fired && ensure_not_stopped(ctx).is_ok() && !ctx.state(happened) {
            continue;
        }
        if !fired {
            timers.cancel();
        }
        ensure_not_stopped(ctx)?;
        if ctx.state(happened) {
            return Ok(WaitOutcome::Happened);
        }
        if is_deadline {
            fail_at_deadline(ctx);
            return Err(OrderStopped);
        }
        return Ok(WaitOutcome::TimedOut);
    }
}

/// Waits for a fixed time. Ends early when the order is stopped.
pub(super) async fn wait_for(ctx: &Context, length: Duration) -> Progress {
    if !length.is_zero() {
        wait(ctx, None, |_| false, length).await?;
    }
    ensure_not_stopped(ctx)
}

/// Returns an error if the order is stopped. Each step calls it first. It must not run between the
/// carrier's response and the write of that response.
pub(super) fn ensure_not_stopped(ctx: &Context) -> Progress {
    if ctx.state(OrderWorkflow::is_stopped) {
        return Err(OrderStopped);
    }
    let token = ctx.cancellation_token();
    if token.is_cancelled() {
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            let reasons = Reasons::internal(token.reason());
            order.transition_to_cancelled(reasons, "temporal", now);
        });
        return Err(OrderStopped);
    }
    let is_late = deadline_left(ctx).is_some_and(|left| left.is_zero());
    if is_late && !ctx.state(OrderWorkflow::is_dispatched) {
        fail_at_deadline(ctx);
        return Err(OrderStopped);
    }
    Ok(())
}

/// Runs the order under its deadline, which applies even while a step is retried.
///
/// The current call completes and is then compensated. During shipping the carrier's response
/// decides, so `shipment` handles the deadline itself.
pub(super) async fn run_with_deadline(ctx: &Context, order: impl Future<Output = ()>) {
    let Some(left) = deadline_left(ctx).filter(|_| ctx.patched(patches::DEADLINE_WATCHED)) else {
        return order.await;
    };
    let watch = WorkflowCancellationToken::new();
    let mut timer = ctx.timer(
        TimerOptions::builder(left)
            .cancellation_token(watch.clone())
            .build(),
    );
    let mut order = std::pin::pin!(order.fuse());
    select! {
        () = order => return watch.cancel(),
        _ = timer => {}
    }
    let is_late = ctx.state(|order| {
        let is_shipping = order.shipping.is_some() || order.is_dispatched();
        !order.is_stopped() && !is_shipping && order.state.is_running()
    });
    if is_late {
        fail_at_deadline(ctx);
    }
    order.await;
}

/// Returns the time until the end of the current wait, which the order shows to callers.
pub(super) fn time_left(ctx: &Context) -> Option<Duration> {
    let now = current_time(ctx);
    ctx.state(|order| {
        let until = order.state.waiting_for.as_ref()?.until?;
        (until - now).to_std().ok()
    })
}

/// Returns the time until the order's deadline, if the policy has one.
pub(super) fn deadline_left(ctx: &Context) -> Option<Duration> {
    let now = current_time(ctx);
    ctx.state(|order| {
        let end = order.state.created_at() + order.policy.deadline?.duration();
        Some((end - now).to_std().unwrap_or(Duration::ZERO))
    })
}

pub(super) fn fail_at_deadline(ctx: &Context) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let deadline = order.policy.deadline;
        order.append_audit_event(
            domain::AuditEventType::DeadlinePassed,
            json!({"deadline": deadline}),
            now,
        );
        order.transition_to_failed(
            FailureCode::DeadlinePassed,
            "the order was not dispatched before its deadline".to_owned(),
            now,
        );
    });
}

/// Returns options for a wait that Temporal's cancel request does not end. The callers handle the
/// cancel request separately.
pub(super) fn detached_wait() -> WaitConditionOptions {
    WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}
