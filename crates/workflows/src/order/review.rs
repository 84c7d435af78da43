//! The manual review: a person looks at the order, or time passes.

use serde_json::json;
use temporalio_workflow::WorkflowContext;
use wait::Waited;

use super::{OrderWorkflow, Progress, Review, now, save, wait};
use domain::{EventType, OnTimeout, ReviewMode, Step};

/// Lets the order through, or cancels it. A decision that came early counts.
pub(super) async fn review(ctx: &WorkflowContext<OrderWorkflow>) -> Progress {
    wait::check(ctx)?;
    let (mode, policy) = ctx.state(|order| {
        let mode = order
            .record
            .order
            .as_ref()
            .map_or(ReviewMode::None, |valid| order.policy.review_of(valid));
        (mode, order.policy.review.clone())
    });
    if mode == ReviewMode::None {
        ctx.state_mut(|order| order.review = Review::Over);
        return Ok(());
    }
    let started = now(ctx);
    ctx.state_mut(|order| {
        order.record.enter(Step::ManualReview);
        order.audit(
            EventType::ReviewStarted,
            json!({"mode": mode, "timeout": policy.timeout}),
            started,
        );
    });
    save::publish(ctx);
    save::flush(ctx).await;
    let decided = |order: &OrderWorkflow| order.review != Review::Open;
    let waited = wait::wait(ctx, decided, policy.timeout.duration()).await?;
    let now = now(ctx);
    ctx.state_mut(|order| {
        if waited == Waited::TimedOut {
            order.review = Review::Over;
            let proceeds = mode == ReviewMode::Timer || policy.on_timeout == OnTimeout::Proceed;
            order.audit(
                EventType::ReviewTimedOut,
                json!({"proceeds": proceeds}),
                now,
            );
            if !proceeds {
                order.cancel(
                    Some("the review was not done in time".to_owned()),
                    "review_timeout",
                    now,
                );
            }
        }
    });
    wait::check(ctx)
}
