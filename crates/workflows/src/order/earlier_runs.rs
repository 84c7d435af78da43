//! The effects of an order's earlier runs, after an operator reset its workflow.
//!
//! A reset repeats decisions, not effects: money may be captured and a parcel may be at the carrier.
//! The run that follows learns both before its next decision.

use serde::{Deserialize, Serialize};
use temporalio_workflow::{WorkflowContext, WorkflowContextView};

use super::{
    Compensation, OrderWorkflow, current_time, payment_record, persistence, shipment, waiting,
};
use crate::activity::{EarlierParcel, OrderActivities, ParcelState};
use domain::Transaction;

type Context = WorkflowContext<OrderWorkflow>;

/// The state of the search for earlier effects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EarlierRuns {
    /// This run is the order's first.
    #[default]
    None,
    Unknown,
    Loading,
    Known {
        /// The number of the parcel that the carrier has.
        dispatched: Option<u32>,
        /// The number of the next parcel, if the carrier has none.
        next_parcel: u32,
    },
}

impl EarlierRuns {
    /// Returns the state at the start of a run. `known` is the state at the end of the run before.
    ///
    /// A reset changes the id of the run. It keeps the id of the first run, and the id with which the
    /// run that was reset began.
    pub(super) fn at_start(view: &WorkflowContextView, known: Self) -> Self {
        let run_id = view.run_id();
        let is_first = run_id == view.first_execution_run_id();
        let is_original = run_id == view.raw().original_execution_run_id;
        if is_first || (view.continued_from_run_id().is_some() && is_original) {
            known
        } else {
            Self::Unknown
        }
    }
}

impl OrderWorkflow {
    /// Returns whether the carrier has the parcel, in this run or since an earlier one.
    pub(super) fn is_dispatched(&self) -> bool {
        let earlier = self.earlier_runs;
        self.state.status().is_dispatched()
            || matches!(
                earlier,
                EarlierRuns::Known {
                    dispatched: Some(_),
                    ..
                }
            )
    }
}

/// Learns the effects of earlier runs, once. `place` is unique for each caller, because a patch that
/// the replay of an earlier run skipped stays skipped.
pub(super) async fn learn_effects(ctx: &Context, place: &'static str) {
    match ctx.state(|order| order.earlier_runs) {
        EarlierRuns::None | EarlierRuns::Known { .. } => return,
        EarlierRuns::Unknown => {}
        EarlierRuns::Loading => {
            let known = |order: &OrderWorkflow| order.earlier_runs != EarlierRuns::Loading;
            // A wait that is detached from cancellation cannot fail.
            let _ = ctx
                .wait_condition_with_options(known, waiting::detached_wait())
                .await;
            return;
        }
    }
    if !ctx.patched(&format!("learn-earlier-effects-{place}")) {
        return;
    }
    ctx.state_mut(|order| order.earlier_runs = EarlierRuns::Loading);
    let order_id = ctx.state(|order| order.state.order_id.clone());
    let effects =
        persistence::run_readonly(ctx, OrderActivities::find_earlier_effects, order_id).await;
    note_payments(ctx, effects.transactions);
    let known = resolve_parcels(ctx, &effects.parcels).await;
    ctx.state_mut(|order| {
        order.earlier_runs = known;
        if order.shipping.is_none() {
            order.attempts.skip_parcels(known);
        }
    });
}

fn note_payments(ctx: &Context, transactions: Vec<Transaction>) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        for transaction in transactions {
            order.note_transaction(transaction, now);
            payment_record::add_refund_compensation(order);
        }
        let release = Compensation::ReleaseInventory;
        if !order.compensations.contains(&release) {
            order.compensations.insert(0, release);
        }
    });
}

/// Cancels the parcels that earlier runs prepared or may still prepare, because the child workflow of
/// an earlier run goes on. The carrier may have one of them already.
async fn resolve_parcels(ctx: &Context, parcels: &[EarlierParcel]) -> EarlierRuns {
    let mut dispatched = None;
    let mut next_parcel = 1;
    for parcel in parcels {
        let number = parcel.number;
        next_parcel = next_parcel.max(number + 1);
        let is_dispatched = match parcel.state {
            ParcelState::Dispatched => true,
            ParcelState::Cancelled => false,
            ParcelState::Prepared => shipment::cancel_parcel(ctx, number).await.is_some(),
        };
        if is_dispatched {
            dispatched = Some(number);
        }
    }
    if dispatched.is_none() {
        let is_dispatched = shipment::cancel_parcel(ctx, next_parcel).await.is_some();
        dispatched = is_dispatched.then_some(next_parcel);
        next_parcel += 1;
    }
    EarlierRuns::Known {
        dispatched,
        next_parcel,
    }
}
