//! The manual review: a reviewer's decision or a time-out.

use serde_json::json;
use temporalio_workflow::WorkflowContext;
use waiting::WaitOutcome;

use super::{
    OrderWorkflow, Progress, Review, continuation::WaitingPlace, current_time, persistence,
    transitions::Reasons, waiting,
};
use domain::{AuditEventType, OnTimeout, ReviewMode, ReviewPolicy, Step, WaitReason, WaitingFor};

/// Waits for the review. The order continues or is cancelled. A decision that arrived earlier
/// counts.
pub(super) async fn await_review(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    let (mode, policy) = ctx.state(|order| {
        let mode = order
            .state
            .order
            .as_ref()
            .map_or(ReviewMode::None, |valid| {
                order.policy.review_mode_for(valid)
            });
        (mode, order.policy.review.clone())
    });
    if mode == ReviewMode::None || ctx.state(OrderWorkflow::is_dispatched) {
        ctx.state_mut(|order| order.review = Review::Over);
        return Ok(());
    }
    let left = if ctx.state_mut(|order| order.takes_up(WaitingPlace::Review)) {
        waiting::time_left(ctx).unwrap_or_default()
    } else {
        begin_review(ctx, mode, &policy).await;
        policy.timeout.duration()
    };
    let decided = |order: &OrderWorkflow| order.review != Review::Open;
    let waited = waiting::wait_at(ctx, WaitingPlace::Review, decided, left).await?;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.waiting_for = None;
        if waited == WaitOutcome::TimedOut {
            order.review = Review::Over;
            let proceeds = mode == ReviewMode::Timer || policy.on_timeout == OnTimeout::Proceed;
            order.append_audit_event(
                AuditEventType::ReviewTimedOut,
                json!({"proceeds": proceeds}),
                now,
            );
            if !proceeds {
                order.transition_to_cancelled(
                    Reasons::internal(Some("the review was not completed in time".to_owned())),
                    "review_timeout",
                    now,
                );
            }
        }
    });
    waiting::ensure_not_stopped(ctx)
}

async fn begin_review(
    ctx: &WorkflowContext<OrderWorkflow>,
    mode: ReviewMode,
    policy: &ReviewPolicy,
) {
    let started = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.enter_step(Step::ManualReview);
        order.state.waiting_for =
            Some(WaitingFor::new(WaitReason::Review, started, policy.timeout));
        order.append_audit_event(
            AuditEventType::ReviewStarted,
            json!({"mode": mode, "timeout": policy.timeout}),
            started,
        );
    });
    persistence::publish_search_attributes(ctx);
    persistence::write_pending(ctx).await;
}
