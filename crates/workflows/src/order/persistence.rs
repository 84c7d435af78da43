//! Writes of the workflow's decisions to the database.

use futures::FutureExt;
use serde_json::json;
use temporalio_common::ActivityDefinition;
use temporalio_workflow::{
    ActivityExecutionError, TimerOptions, WorkflowCancellationToken, WorkflowContext, select,
};

use super::{OrderWorkflow, current_time, waiting};
use crate::{
    activity::{OrderActivities, ParcelRecord, PendingWrite, missing_events},
    database_step, policies, search_attribute_updates,
};
use domain::AuditEventType;

type Context = WorkflowContext<OrderWorkflow>;

/// More new audit events or payment events than this mean that the order receives a flood.
pub(super) const FLOOD: usize = 10;

/// Runs an activity that uses only our database, together with all pending writes. The future is
/// boxed for the reason in [`database_step::run`].
pub(super) fn run_local<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl Fn(PendingWrite) -> A::Input,
) -> impl Future<Output = A::Output> {
    Box::pin(async move {
        loop {
            let write = prepare_write(ctx);
            let step = || input(write.clone());
            let result = database_step::run(ctx, &activity, step, policies::local_options()).await;
            if let Some(output) = acknowledge_write(ctx, &write, result).await {
                return output;
            }
        }
    })
}

/// Runs a regular activity, together with all pending writes in its first transaction.
///
/// It is for external calls and for decisions that must be in the history before they take effect.
/// A local activity takes effect before its task is in the history, and the replacement of a lost
/// task may decide differently. The future is boxed for the reason in [`database_step::run`].
pub(super) fn run_durable<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: impl Fn(PendingWrite) -> A::Input,
) -> impl Future<Output = A::Output> {
    Box::pin(async move {
        loop {
            let write = prepare_write(ctx);
            let call = ctx.execute_activity(
                database_step::Definition(&activity),
                input(write.clone()),
                policies::payment_options(),
            );
            let result = write_during(ctx, call, write.record.last_seq()).await;
            if let Some(output) = acknowledge_write(ctx, &write, result).await {
                return output;
            }
        }
    })
}

/// Waits for an activity that has the audit events up to number `written`, and in the meantime writes
/// later ones. The activity can be retried for days.
pub(super) async fn write_during<T>(
    ctx: &Context,
    call: impl Future<Output = T>,
    written: u32,
) -> T {
    let mut call = std::pin::pin!(call.fuse());
    loop {
        let is_new = |order: &OrderWorkflow| {
            order.is_bounded() && order.state.last_seq() > written && order.has_unsaved_events()
        };
        let mut changed = ctx.wait_condition_with_options(is_new, waiting::detached_wait());
        select! {
            result = call => return result,
            _ = changed => {}
        }
        let mut write = std::pin::pin!(write_pending(ctx).fuse());
        select! {
            // The write goes on: its events must be in the history.
            result = call => {
                write.await;
                return result;
            }
            () = write => {}
        }
    }
}

/// Runs an activity without pending writes, which stay pending.
pub(super) async fn run_readonly<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: A::Input,
) -> A::Output
where
    A::Input: Clone,
{
    let result =
        database_step::run(ctx, &activity, || input.clone(), policies::local_options()).await;
    match result {
        Ok(output) => output,
        Err(error) => park_for_fix(ctx, error).await,
    }
}

/// Runs an activity like [`run_readonly`], but as a regular activity. The workflow task then ends
/// before the activity, so that the signals of a flood do not gather behind it: the server fails a
/// task behind which 100 signals wait.
pub(super) async fn run_readonly_apart<A: ActivityDefinition>(
    ctx: &Context,
    activity: A,
    input: A::Input,
) -> A::Output {
    let options = policies::database_options(None);
    match ctx.execute_activity(activity, input, options).await {
        Ok(output) => output,
        Err(error) => park_for_fix(ctx, error).await,
    }
}

/// Writes the pending audit events, if any. Many of them mean a flood, and a regular activity writes
/// them (see [`run_readonly_apart`]).
pub(super) async fn write_pending(ctx: &Context) {
    let (unsaved, is_bounded) = ctx.state(|order| (order.unsaved_events(), order.is_bounded()));
    if is_bounded && unsaved > FLOOD && Box::pin(write_flood(ctx)).await.is_some() {
        return;
    }
    if unsaved > 0 {
        run_local(ctx, OrderActivities::record_order, |write| write).await;
    }
}

async fn write_flood(ctx: &Context) -> Option<()> {
    let write = prepare_write(ctx);
    let options = policies::database_options(None);
    let written = ctx.execute_activity(OrderActivities::record_order, write.clone(), options);
    let result = written.await;
    acknowledge_write(ctx, &write, result).await
}

/// Writes the pending audit events and a parcel.
pub(super) async fn write_with_parcel<A>(ctx: &Context, activity: A, parcel: ParcelRecord)
where
    A: ActivityDefinition<Input = PendingWrite, Output = ()>,
{
    let input = |write| PendingWrite {
        parcel: Some(Box::new(parcel.clone())),
        ..write
    };
    run_local(ctx, activity, input).await;
}

/// Makes the last write of an order that was not completed by [`super::delivery`].
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

/// Updates the search attributes if the order's status or step has changed. Each update is an event
/// in the history, so only lasting steps call this function.
pub(super) fn publish_search_attributes(ctx: &Context) {
    let current = ctx.state(|order| (order.state.status(), order.state.step()));
    if ctx.state(|order| order.published != Some(current)) {
        ctx.state_mut(|order| order.published = Some(current));
        ctx.upsert_search_attributes(ctx.state(|order| {
            search_attribute_updates(
                order.state.status(),
                order.state.step(),
                order.state.order.as_ref(),
            )
        }));
    }
}

fn prepare_write(ctx: &Context) -> PendingWrite {
    let now = current_time(ctx);
    ctx.state_mut(|order| order.prepare_write(ctx.history_length(), now))
}

/// Returns the output of a successful write. Returns `None` after the database got the events that
/// it lacked, so that the activity runs again.
async fn acknowledge_write<T>(
    ctx: &Context,
    write: &PendingWrite,
    result: Result<T, ActivityExecutionError>,
) -> Option<T> {
    match result {
        Ok(output) => {
            ctx.state_mut(|order| order.note_saved(write.record.last_seq()));
            Some(output)
        }
        Err(error) => match missing_events(&error) {
            Some(have) => {
                restore_lost_rows(ctx, have).await;
                None
            }
            None => park_for_fix(ctx, error).await,
        },
    }
}

/// Sends everything again that the database has lost after the event number `have`, as after its
/// restore from a backup.
async fn restore_lost_rows(ctx: &Context, mut have: u32) {
    loop {
        let write = {
            ctx.state_mut(|order| order.note_lost(have));
            let write = prepare_write(ctx);
            let lost = ctx.state(OrderWorkflow::restorable_rows);
            PendingWrite {
                lost: Some(Box::new(lost)),
                ..write
            }
        };
        let step = || write.clone();
        let record = OrderActivities::record_order;
        match database_step::run(ctx, &record, step, policies::local_options()).await {
            Ok(()) => {
                return ctx.state_mut(|order| order.note_saved(write.record.last_seq()));
            }
            Err(error) => match missing_events(&error) {
                Some(still) => have = still,
                None => park_for_fix(ctx, error).await,
            },
        }
        // A write of a later workflow task is newer than any write that the database has.
        let pause = TimerOptions::builder(policies::backoff(1))
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        ctx.timer(pause).await;
    }
}

/// Fails the workflow task after an error that only a bug can cause.
///
/// Activities are retried without limit and are detached from cancellation. So the error is a bug,
/// such as an unreadable result or an unknown activity. The order stays visible and stuck until a
/// worker without the bug takes over; failing the order would lose it.
pub(super) async fn park_for_fix<T>(
    ctx: &Context,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> T {
    ctx.force_task_fail(error);
    std::future::pending().await
}
