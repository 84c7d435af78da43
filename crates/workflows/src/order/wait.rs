//! The one place where an order waits.

use std::time::Duration;

use futures::FutureExt;
use serde_json::json;
use temporalio_workflow::{
    TimerOptions, TimerResult, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    select,
};

use super::{OrderWorkflow, Progress, Stopped, now, save};
use crate::versions;
use domain::FailureCode;

type Context = WorkflowContext<OrderWorkflow>;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Happened,
    TimedOut,
}

/// Waits for `happened`, at most `limit`. What requests write into the trail meanwhile reaches the
/// database at once. Ends early when the order is stopped: by a request, by Temporal's own cancel,
/// by the order's deadline.
pub(super) async fn wait(
    ctx: &Context,
    happened: fn(&OrderWorkflow) -> bool,
    limit: Duration,
) -> Progress<Waited> {
    check(ctx)?;
    let timers = WorkflowCancellationToken::new();
    let (length, is_deadline) = match deadline_left(ctx) {
        Some(left) if left < limit => (left, true),
        _ => (limit, false),
    };
    if ctx.state(happened) {
        return Ok(Waited::Happened);
    }
    if length.is_zero() {
        return Ok(Waited::TimedOut);
    }
    let mut timer = ctx.timer(
        TimerOptions::builder(length)
            .cancellation_token(timers.clone())
            .build(),
    );
    loop {
        save::flush(ctx).await;
        let wake = |order: &OrderWorkflow| {
            happened(order) || order.is_stopped() || !order.unsaved.is_empty()
        };
        let mut changed = ctx.wait_condition_with_options(wake, detached());
        let mut cancelled = std::pin::pin!(ctx.cancelled());
        let fired = select! {
            result = timer => result == TimerResult::Fired,
            _ = changed => false,
            _ = cancelled => false,
        };
        if !fired && check(ctx).is_ok() && !ctx.state(happened) {
            continue;
        }
        if !fired {
            timers.cancel();
        }
        check(ctx)?;
        if ctx.state(happened) {
            return Ok(Waited::Happened);
        }
        if is_deadline {
            pass_deadline(ctx);
            return Err(Stopped);
        }
        return Ok(Waited::TimedOut);
    }
}

/// Waits for a fixed time, unless the order is stopped.
pub(super) async fn pause(ctx: &Context, length: Duration) -> Progress {
    if !length.is_zero() {
        wait(ctx, |_| false, length).await?;
    }
    check(ctx)
}

/// Whether the order may go on. Looked at before each step, and never between the carrier's word and its writing.
pub(super) fn check(ctx: &Context) -> Progress {
    if ctx.state(OrderWorkflow::is_stopped) {
        return Err(Stopped);
    }
    let token = ctx.cancellation_token();
    if token.is_cancelled() {
        let now = now(ctx);
        ctx.state_mut(|order| order.cancel(token.reason(), "temporal", now));
        return Err(Stopped);
    }
    if deadline_left(ctx).is_some_and(|left| left.is_zero()) {
        pass_deadline(ctx);
        return Err(Stopped);
    }
    Ok(())
}

/// Runs the order under its deadline: a step may be tried again for longer than that, and nobody would look. What was
/// begun is finished and undone. While the order ships, the carrier has a word in it: that is looked after there.
pub(super) async fn with_deadline(ctx: &Context, order: impl Future<Output = ()>) {
    let Some(left) = deadline_left(ctx).filter(|_| ctx.patched(versions::DEADLINE_WATCHED)) else {
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
        let is_shipping = order.shipping.is_some() || order.record.status().is_dispatched();
        !order.is_stopped() && !is_shipping && order.record.is_running()
    });
    if is_late {
        pass_deadline(ctx);
    }
    order.await;
}

/// What is left until the order's deadline, if it has one.
pub(super) fn deadline_left(ctx: &Context) -> Option<Duration> {
    let now = now(ctx);
    ctx.state(|order| {
        let end = order.record.created_at() + order.policy.deadline?.duration();
        Some((end - now).to_std().unwrap_or(Duration::ZERO))
    })
}

pub(super) fn pass_deadline(ctx: &Context) {
    let now = now(ctx);
    ctx.state_mut(|order| {
        let deadline = order.policy.deadline;
        order.audit(
            domain::EventType::DeadlinePassed,
            json!({"deadline": deadline}),
            now,
        );
        order.fail(
            FailureCode::DeadlinePassed,
            "the order was not on its way in time".to_owned(),
            now,
        );
    });
}

/// A wait on a condition that Temporal's cancel request does not break; it is looked at beside it.
pub(super) fn detached() -> WaitConditionOptions {
    WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}
