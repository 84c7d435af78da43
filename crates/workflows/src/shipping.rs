//! [`ShippingWorkflow`]: one attempt to hand an order's parcel to the carrier.
//!
//! It does not write to the order's tables. Its result, and the signal `dispatch_failed` before it,
//! inform the order.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, SyncWorkflowContext, TimerOptions, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, select,
};

use crate::{
    Message, OrderWorkflow, ShippingInput, ShippingOutcome,
    activity::{DispatchCarrierInput, DispatchOutcome, PreparePackageInput, ShippingActivities},
    database_step, policies,
};
use contract::DispatchFailure;

/// The signal that asks a shipping attempt to stop.
pub const STOP_SIGNAL: &str = "stop";

/// The result of the query `get_shipment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentState {
    pub shipment_id: String,
    pub attempt: u32,
    /// The number of failed calls to the carrier.
    pub failures: u32,
    pub stopping: bool,
    pub tracking_number: Option<String>,
}

#[workflow]
pub struct ShippingWorkflow {
    input: ShippingInput,
    stopping: bool,
    failures: u32,
    tracking_number: Option<String>,
}

#[workflow_methods]
impl ShippingWorkflow {
    #[init]
    fn new(_: &WorkflowContextView, input: ShippingInput) -> Self {
        Self {
            input,
            stopping: false,
            failures: 0,
            tracking_number: None,
        }
    }

    #[run(name = "ShippingWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ShippingOutcome> {
        let input = ctx.state(|state| state.input.clone());
        wait_unless_stopped(ctx, input.delay.duration()).await;
        if ctx.state(|state| state.stopping) {
            return Ok(ShippingOutcome::Stopped { uncertain: false });
        }
        if !input.recorded_by_order {
            prepare_package(ctx, &input).await?;
        }
        let outcome = dispatch_parcel(ctx, &input).await?;
        if let ShippingOutcome::Failed { reason } = &outcome {
            let failure = DispatchFailure {
                reason: Some(reason.clone()),
            };
            let order = ctx.external_workflow(input.parent.clone(), None);
            let sent = order.signal(
                OrderWorkflow::dispatch_failed,
                Message::Valid(failure),
                SignalWorkflowOptions::default(),
            );
            // The signal fails when the order has ended. The result contains the same reason.
            let _ = sent.await;
        }
        Ok(outcome)
    }

    /// Asks this attempt not to dispatch. The carrier may already have the parcel; the result
    /// contains the outcome.
    #[signal(name = "stop")]
    pub fn stop(&mut self, _: &mut SyncWorkflowContext<Self>) {
        self.stopping = true;
    }

    #[query(name = "get_shipment")]
    pub fn get_shipment(&self, _: &WorkflowContextView) -> ShipmentState {
        ShipmentState {
            shipment_id: self.input.shipment_id.clone(),
            attempt: self.input.attempt,
            failures: self.failures,
            stopping: self.stopping,
            tracking_number: self.tracking_number.clone(),
        }
    }
}

async fn prepare_package(
    ctx: &WorkflowContext<ShippingWorkflow>,
    input: &ShippingInput,
) -> WorkflowResult<()> {
    let package = PreparePackageInput {
        order_id: input.order_id.clone(),
        shipment_id: input.shipment_id.clone(),
        address: input.address.clone(),
        lines: input.lines.clone(),
        attempt: input.attempt,
    };
    let step = &ShippingActivities::prepare_package;
    database_step::run(ctx, step, || package.clone(), policies::prepare_options()).await?;
    Ok(())
}

async fn dispatch_parcel(
    ctx: &WorkflowContext<ShippingWorkflow>,
    input: &ShippingInput,
) -> WorkflowResult<ShippingOutcome> {
    let parcel = DispatchCarrierInput {
        order_id: input.order_id.clone(),
        shipment_id: input.shipment_id.clone(),
        address: input.address.clone(),
        lines: input.lines.clone(),
        recorded_by_order: input.recorded_by_order,
    };
    let mut number = 0;
    loop {
        number += 1;
        // The order relies on this check: an attempt that receives `stop` before its first call
        // never asks the carrier (`CheckStoppedAttempt`).
        if ctx.state(|state| state.stopping) {
            return Ok(ShippingOutcome::Stopped {
                uncertain: number > 1,
            });
        }
        let dispatched = ctx.execute_activity(
            ShippingActivities::dispatch_carrier,
            parcel.clone(),
            policies::carrier_options(None),
        );
        match dispatched.await? {
            DispatchOutcome::Dispatched {
                tracking_number,
                provider,
            } => {
                ctx.state_mut(|state| state.tracking_number = Some(tracking_number.clone()));
                return Ok(ShippingOutcome::Dispatched {
                    tracking_number,
                    provider,
                });
            }
            DispatchOutcome::Failed { reason } => {
                ctx.state_mut(|state| state.failures = number);
                if number == policies::MAX_CALLS {
                    return Ok(ShippingOutcome::Failed { reason });
                }
            }
        }
        wait_unless_stopped(ctx, policies::backoff(number)).await;
    }
}

/// Waits for `length`. Ends early when the order asks to stop.
async fn wait_unless_stopped(ctx: &WorkflowContext<ShippingWorkflow>, length: Duration) {
    if length.is_zero() || ctx.state(|state| state.stopping) {
        return;
    }
    let token = WorkflowCancellationToken::new();
    let mut timer = ctx.timer(
        TimerOptions::builder(length)
            .cancellation_token(token.clone())
            .build(),
    );
    let options = WaitConditionOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let mut stopping = ctx.wait_condition_with_options(|state| state.stopping, options);
    select! {
        _ = timer => {}
        _ = stopping => token.cancel(),
    }
}
