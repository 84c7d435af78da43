//! Continue-as-new: an order whose history is long goes on in a new run, with an empty history.
//!
//! An order continues only where it waits, when no handler is in progress. The next run gets the
//! whole state, with the payment events and the audit events that are not written yet, and resumes
//! the wait with the same end.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use temporalio_workflow::{
    ContinueAsNewOptions, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use super::{OrderWorkflow, earlier_runs::EarlierRuns, persistence, waiting};
use crate::{Message, OrderInput};

type Context = WorkflowContext<OrderWorkflow>;

/// The number of history events from which an order continues as new, if the server has not
/// suggested it before. It is the server's own default, a twelfth of its limit.
const LONG_HISTORY: u32 = 4_096;

/// The number of requests in one run from which an order continues as new. The server accepts 2,000.
const MANY_REQUESTS: u32 = 100;

/// The version of the carried state. A worker does not read a later one.
const STATE_VERSION: u32 = 1;

/// The carried audit events, in bytes of JSON. The input of a run is limited to 2 MB.
const CARRIED_EVENTS: usize = 512 * 1024;

/// The place at which an order waits and can continue as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WaitingPlace {
    Review,
    PaymentDelay,
    Payment,
    Hold,
    /// An operator holds the order before its payment.
    HeldPayment,
    /// An operator holds the order before its dispatch.
    HeldShipping,
    /// Between two shipping attempts.
    Shipping,
    Delivery,
}

/// The state of an order between two runs.
#[derive(Deserialize)]
struct Carried {
    version: u32,
    order: Value,
}

/// Returns the state that an earlier run carried over.
///
/// # Errors
///
/// Fails if an older worker reads the state of a newer one.
pub(super) fn restore(carried: Value, view: &WorkflowContextView) -> Result<OrderWorkflow, String> {
    let carried: Carried = serde_json::from_value(carried)
        .map_err(|error| format!("state of the run before: {error}"))?;
    if carried.version > STATE_VERSION {
        let version = carried.version;
        return Err(format!(
            "state of the run before: version {version} is newer than {STATE_VERSION}; start a newer worker"
        ));
    }
    let mut order: OrderWorkflow = serde_json::from_value(carried.order)
        .map_err(|error| format!("state of the run before: {error}"))?;
    order.earlier_runs = EarlierRuns::at_start(view, order.earlier_runs);
    order.resumes_at = order.continues_at.take();
    // Versions count the history events of one run.
    order.version = 0;
    Ok(order)
}

/// Fails the workflow task if the worker cannot read the carried state, until another worker can.
pub(super) async fn require_readable(ctx: &Context) {
    if let Some(reason) = ctx.state_mut(|order| order.unreadable.take()) {
        persistence::park_for_fix::<()>(ctx, reason).await;
    }
}

/// Returns whether the order should continue as new, and can: nothing is in progress.
pub(super) fn is_due(ctx: &Context, order: &OrderWorkflow) -> bool {
    is_history_long(ctx, order) && is_quiet(ctx, order)
}

/// Returns whether the next run must process the payment events, because this one is about to end.
pub(super) fn leaves_events(ctx: &Context, order: &OrderWorkflow) -> bool {
    order.is_waiting && is_history_long(ctx, order) && order.payment_events.can_be_carried()
}

/// Returns whether the order should continue as new as soon as it can.
pub(super) fn is_history_long(ctx: &Context, order: &OrderWorkflow) -> bool {
    order.is_bounded()
        && !ctx.cancellation_token().is_cancelled()
        && (ctx.continue_as_new_suggested()
            || ctx.history_length() >= LONG_HISTORY
            || order.answers.in_run() >= MANY_REQUESTS)
}

fn is_quiet(ctx: &Context, order: &OrderWorkflow) -> bool {
    let events = &order.payment_events;
    let is_working = events.is_working() || !order.deferred.is_empty();
    ctx.all_handlers_finished() && !is_working && events.can_be_carried()
}

/// Continues as new if it is due. It does not return then: the run ends.
pub(super) async fn continue_if_due(ctx: &Context, place: WaitingPlace) {
    if ctx.state(|order| is_due(ctx, order)) {
        ctx.state_mut(|order| order.continues_at = Some(place));
        std::future::pending().await
    }
}

/// Continues as new before the next step if the history is long. It waits for handlers, which end
/// soon, because nothing else is in progress.
pub(super) async fn continue_if_long(ctx: &Context, place: WaitingPlace) {
    // A recall is decided first, because its callers wait for the decision.
    while ctx.state(|order| is_history_long(ctx, order) && !order.is_recalled()) {
        ctx.state_mut(|order| order.is_waiting = true);
        continue_if_due(ctx, place).await;
        let quiet = |order: &OrderWorkflow| is_quiet(ctx, order) || order.is_recalled();
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(quiet, waiting::detached_wait())
            .await;
    }
    ctx.state_mut(|order| order.is_waiting = false);
}

/// Completes when the order must continue as new.
pub(super) async fn requested(ctx: &Context) {
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(
            |order| order.continues_at.is_some(),
            waiting::detached_wait(),
        )
        .await;
}

/// Ends this run; the next one has the state.
pub(super) fn continue_as_new<T>(ctx: &Context) -> WorkflowResult<T> {
    let carried = ctx.state_mut(|order| {
        order.drop_oldest_events(CARRIED_EVENTS);
        json!({"version": STATE_VERSION, "order": order})
    });
    let input = OrderInput {
        continued: Some(carried),
        ..OrderInput::default()
    };
    let next = ctx.continue_as_new(Message::Valid(input), ContinueAsNewOptions::default());
    match next {
        Ok(never) => match never {},
        Err(termination) => Err::<T, WorkflowTermination>(termination),
    }
}

impl OrderWorkflow {
    /// Returns whether this run resumes the wait at this place. Later waits at the place are new ones.
    pub(super) fn takes_up(&mut self, place: WaitingPlace) -> bool {
        self.resumes_at.take_if(|at| *at == place).is_some()
    }

    /// Drops the oldest audit events above `limit` bytes. The database has them.
    fn drop_oldest_events(&mut self, limit: usize) {
        let mut size = 0;
        let kept = self.events.iter().rev().take_while(|event| {
            size += serde_json::to_vec(event).map_or(0, |text| text.len());
            size <= limit || event.seq > self.saved_seq
        });
        let kept = kept.count();
        self.events.drain(..self.events.len() - kept);
    }
}
