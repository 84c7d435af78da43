//! Getting what the workflow decided into the database.

use serde_json::json;
use temporalio_common::ActivityDefinition;
use temporalio_workflow::{ActivityExecutionError, WorkflowContext};

use super::{OrderWorkflow, current_time};
use crate::{
    activity::{OrderSteps, PendingWrite},
    policies, search_attributes,
};
use domain::AuditEventType;

type Context = WorkflowContext<OrderWorkflow>;

/// Runs a step that touches only our database, and with it writes what is not written yet.
pub(super) async fn run_local<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl FnOnce(PendingWrite) -> A::Input,
) -> A::Output {
    let write = ctx.state_mut(|order| order.prepare_write(ctx.history_length()));
    let result = ctx
        .execute_local_activity(activity, input(write.clone()), policies::local_options())
        .await;
    settle(ctx, &write, result).await
}

/// Runs a step that leaves the house, or whose decision must be in the history before it takes hold: a local one
/// takes hold before, and a task that is lost may be decided otherwise. Its first transaction writes what is not
/// written yet.
pub(super) async fn run_durable<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl FnOnce(PendingWrite) -> A::Input,
) -> A::Output {
    let write = ctx.state_mut(|order| order.prepare_write(ctx.history_length()));
    let result = ctx
        .execute_activity(activity, input(write.clone()), policies::payment_options())
        .await;
    settle(ctx, &write, result).await
}

/// Runs a step that writes nothing: what is not written yet stays so.
pub(super) async fn run_readonly<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: A::Input,
) -> A::Output {
    match ctx
        .execute_local_activity(activity, input, policies::local_options())
        .await
    {
        Ok(output) => output,
        Err(error) => park_for_fix(ctx, error).await,
    }
}

/// Writes what is not written yet, if there is something.
pub(super) async fn write_pending(ctx: &Context) {
    if ctx.state(|order| !order.unsaved_events.is_empty()) {
        run_local(ctx, OrderSteps::record_order, |write| write).await;
    }
}

/// The last write of an order that was not delivered by [`super::delivery`].
pub(super) async fn write_final(ctx: &Context) {
    let compensated = ctx.state_mut(|order| {
        let running = order.state.is_running();
        order.state.finish();
        running && order.is_stopped()
    });
    if compensated {
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            order.append_audit_event(AuditEventType::CompensationFinished, json!({}), now)
        });
    }
    publish_search_attributes(ctx);
    write_pending(ctx).await;
}

/// Tells Temporal's search where the order stands, when that has changed. It rides with the next command, and
/// is an event of the history: so for what lasts, not for each step.
pub(super) fn publish_search_attributes(ctx: &Context) {
    let standing = ctx.state(|order| (order.state.status(), order.state.step()));
    if ctx.state(|order| order.published != Some(standing)) {
        ctx.state_mut(|order| order.published = Some(standing));
        ctx.upsert_search_attributes(
            ctx.state(|order| search_attributes::updates_from_state(&order.state)),
        );
    }
}

async fn settle<T>(
    ctx: &Context,
    write: &PendingWrite,
    result: Result<T, ActivityExecutionError>,
) -> T {
    match result {
        Ok(output) => {
            let acknowledged = write.record.last_seq();
            ctx.state_mut(|order| {
                order
                    .unsaved_events
                    .retain(|event| event.seq > acknowledged)
            });
            output
        }
        Err(error) => park_for_fix(ctx, error).await,
    }
}

/// Fails the workflow task, for what an activity's error can only be: retries have no limit and cancellation does not
/// reach them, so it is a bug, such as a result that can't be read or an activity nobody has. That holds the order, visibly, until a worker without the bug takes over;
/// failing the order would lose it.
pub(super) async fn park_for_fix<T>(
    ctx: &Context,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> T {
    ctx.force_task_fail(error);
    std::future::pending().await
}
