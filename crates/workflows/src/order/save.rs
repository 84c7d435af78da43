//! Getting what the workflow decided into the database.

use serde_json::json;
use temporalio_common::ActivityDefinition;
use temporalio_workflow::{ActivityExecutionError, WorkflowContext};

use super::{OrderWorkflow, now};
use crate::{
    activity::{OrderSteps, Write},
    policies, search_attributes,
};
use domain::EventType;

type Context = WorkflowContext<OrderWorkflow>;

/// Runs a step that touches only our database, and with it writes what is not written yet.
pub(super) async fn local<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl FnOnce(Write) -> A::Input,
) -> A::Output {
    let write = ctx.state_mut(|order| order.snapshot(ctx.history_length()));
    let result = ctx
        .execute_local_activity(activity, input(write.clone()), policies::local())
        .await;
    settle(ctx, &write, result).await
}

/// Runs a step that leaves the house, or whose decision must be in the history before it takes hold: a local one
/// takes hold before, and a task that is lost may be decided otherwise. Its first transaction writes what is not
/// written yet.
pub(super) async fn outside<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl FnOnce(Write) -> A::Input,
) -> A::Output {
    let write = ctx.state_mut(|order| order.snapshot(ctx.history_length()));
    let result = ctx
        .execute_activity(activity, input(write.clone()), policies::payment())
        .await;
    settle(ctx, &write, result).await
}

/// Runs a step that writes nothing: what is not written yet stays so.
pub(super) async fn nothing<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: A::Input,
) -> A::Output {
    match ctx
        .execute_local_activity(activity, input, policies::local())
        .await
    {
        Ok(output) => output,
        Err(error) => held(ctx, error).await,
    }
}

/// Writes what is not written yet, if there is something.
pub(super) async fn flush(ctx: &Context) {
    if ctx.state(|order| !order.unsaved.is_empty()) {
        local(ctx, OrderSteps::record_order, |write| write).await;
    }
}

/// The last write of an order that was not delivered by [`super::delivery`].
pub(super) async fn last(ctx: &Context) {
    let compensated = ctx.state_mut(|order| {
        let running = order.record.is_running();
        order.record.finish();
        running && order.is_stopped()
    });
    if compensated {
        let now = now(ctx);
        ctx.state_mut(|order| order.audit(EventType::CompensationFinished, json!({}), now));
    }
    publish(ctx);
    flush(ctx).await;
}

/// Tells Temporal's search where the order stands, when that has changed. It rides with the next command, and
/// is an event of the history: so for what lasts, not for each step.
pub(super) fn publish(ctx: &Context) {
    let standing = ctx.state(|order| (order.record.status(), order.record.step()));
    if ctx.state(|order| order.published != Some(standing)) {
        ctx.state_mut(|order| order.published = Some(standing));
        ctx.upsert_search_attributes(ctx.state(|order| search_attributes::of(&order.record)));
    }
}

async fn settle<T>(ctx: &Context, write: &Write, result: Result<T, ActivityExecutionError>) -> T {
    match result {
        Ok(output) => {
            let acknowledged = write.record.last_seq();
            ctx.state_mut(|order| order.unsaved.retain(|event| event.seq > acknowledged));
            output
        }
        Err(error) => held(ctx, error).await,
    }
}

/// Fails the workflow task, for what an activity's error can only be: retries have no limit and cancellation does not
/// reach them, so it is a bug, such as a result that can't be read or an activity nobody has. That holds the order, visibly, until a worker without the bug takes over;
/// failing the order would lose it.
pub(super) async fn held<T>(
    ctx: &Context,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> T {
    ctx.force_task_fail(error);
    std::future::pending().await
}
