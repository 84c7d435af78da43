//! Shipping: child workflows until one has handed the parcel over, and the races against it.
//!
//! While a child runs, nothing that contradicts dispatch is decided here alone. It becomes a recall:
//! the child is asked to stop, and its result, or the carrier's, is the one word on who won.

use futures::FutureExt;
use serde_json::json;
use temporalio_workflow::{
    ChildWorkflowOptions, SignalWorkflowOptions, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, select,
};

use super::{
    OrderStopped, OrderWorkflow, Progress, Recall, Shipping, StopReason, current_time, persistence,
    waiting,
};
use crate::{
    ShippingInput, ShippingOutcome, ShippingWorkflow,
    activity::{CancelShipmentOutcome, OrderSteps, ShipmentRequest, ShippingSteps},
    policies,
};
use contract::shipping_workflow_id;
use domain::{AuditEventType, CompleteOn, FailureCode, OrderStatus, ShipmentInfo, Span, Step};

type Context = WorkflowContext<OrderWorkflow>;

/// Who has the parcel, and what it may be recalled for.
struct Parcel {
    /// Counts the parcels that the carrier was asked to forget; names the next one.
    number: u32,
    /// The carrier was asked for this parcel and did not answer clearly.
    uncertain: bool,
}

/// What goes on counting when an order is shipped again after its payment was cancelled: a child's id and a parcel's
/// name are used once.
pub(super) struct AttemptCounter {
    attempt: u32,
    parcel: Parcel,
}

impl Default for AttemptCounter {
    fn default() -> Self {
        Self {
            attempt: 0,
            parcel: Parcel {
                number: 1,
                uncertain: false,
            },
        }
    }
}

struct Dispatch {
    tracking_number: String,
    provider: String,
}

/// How shipping ended where the order was not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShippingPhaseResult {
    Dispatched,
    /// The parcel is in our hands and waits for another payment.
    PaymentCancelled,
}

/// Ships the order. After it the order is `shipped`, or not paid any more, or stopped with the parcel in our hands.
pub(super) async fn ship_order(
    ctx: &Context,
    tally: &mut AttemptCounter,
) -> Progress<ShippingPhaseResult> {
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| {
        order.advance_to(OrderStatus::Preparing, Step::Prepare)?;
        order.shipping = Some(Shipping::default());
        Ok(())
    })?;
    persistence::publish_search_attributes(ctx);
    let shipped = attempts(ctx, tally).await;
    // Whoever still waits for a verdict gets it now; by then the status tells which.
    ctx.state_mut(OrderWorkflow::decide_recall);
    let Some(dispatch) = shipped? else {
        return Ok(ShippingPhaseResult::PaymentCancelled);
    };
    record_dispatch(ctx, dispatch).await;
    Ok(ShippingPhaseResult::Dispatched)
}

/// Nothing when the payment was cancelled before any attempt had dispatched.
async fn attempts(ctx: &Context, tally: &mut AttemptCounter) -> Progress<Option<Dispatch>> {
    let AttemptCounter { attempt, parcel } = tally;
    let mut failures = 0;
    let mut why = String::new();
    let mut delay = ctx.state(|order| order.policy.shipping_delay);
    loop {
        *attempt += 1;
        match run_attempt(ctx, *attempt, parcel, delay).await {
            ShippingOutcome::Dispatched {
                tracking_number,
                provider,
            } => {
                return Ok(Some(Dispatch {
                    tracking_number,
                    provider,
                }));
            }
            ShippingOutcome::Stopped { uncertain } => {
                parcel.uncertain |= uncertain;
                delay = Span::ZERO;
            }
            ShippingOutcome::Failed { reason } => {
                parcel.uncertain = true;
                failures += 1;
                delay = Span::from_secs(policies::backoff(failures).as_secs());
                why = reason;
            }
        }
        let given_up = failures >= policies::MAX_SHIPPING_ATTEMPTS;
        if (given_up || ctx.state(OrderWorkflow::is_recalled))
            && let Some(dispatch) = void(ctx, parcel).await
        {
            return Ok(Some(dispatch));
        }
        // Also what was wanted while the carrier was asked.
        if ctx.state(OrderWorkflow::is_recalled) {
            grant_recall(ctx, given_up)?;
        }
        if given_up {
            let now = current_time(ctx);
            let detail = format!("{failures} attempts to dispatch failed: {why}");
            ctx.state_mut(|order| {
                order.transition_to_failed(FailureCode::DispatchFailed, detail, now)
            });
            return Err(OrderStopped);
        }
        if ctx.state(|order| order.shipping.is_none()) {
            return Ok(None);
        }
    }
}

/// The parcel is ours: what was wanted happens. Stops the order, or lets it ship again somewhere else, or ends its
/// shipping until it is paid again.
fn grant_recall(ctx: &Context, given_up: bool) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let recall = order.decide_recall().unwrap_or_default();
        order.append_audit_event(AuditEventType::ShipmentStopped, json!({}), now);
        match recall.stop {
            Some(StopReason::Cancel { reason, by }) => {
                order.transition_to_cancelled(reason, by, now);
                return Err(OrderStopped);
            }
            Some(StopReason::Deadline) => {
                order.append_audit_event(
                    AuditEventType::DeadlinePassed,
                    json!({"deadline": order.policy.deadline}),
                    now,
                );
                order.transition_to_failed(
                    FailureCode::DeadlinePassed,
                    "the order was not on its way in time".to_owned(),
                    now,
                );
                return Err(OrderStopped);
            }
            None => {}
        }
        if let Some(address) = recall.address {
            order.change_address(address, now);
        }
        // An order that is given up is stopped, and its money goes back with the rest.
        if recall.payment && !given_up {
            order.shipping = None;
            order.apply_payment_cancel(now)?;
        }
        Ok(())
    })
}

/// Makes sure the carrier does not have the parcel and will not take it, where it might; else what it says.
async fn void(ctx: &Context, parcel: &mut Parcel) -> Option<Dispatch> {
    if !parcel.uncertain {
        return None;
    }
    let (order_id, queue) = ctx.state(|order| {
        (
            order.state.order_id.clone(),
            order.shipping_task_queue.clone(),
        )
    });
    let shipment = ShipmentRequest {
        shipment_id: shipment_id(ctx, parcel),
        order_id,
    };
    let options = policies::carrier_options(Some(queue));
    let cancelled = match ctx
        .execute_activity(ShippingSteps::cancel_shipment, shipment, options)
        .await
    {
        Ok(cancelled) => cancelled,
        Err(error) => persistence::park_for_fix(ctx, error).await,
    };
    match cancelled {
        CancelShipmentOutcome::Cancelled => {
            parcel.number += 1;
            parcel.uncertain = false;
            None
        }
        CancelShipmentOutcome::AlreadyDispatched {
            tracking_number,
            provider,
        } => Some(Dispatch {
            tracking_number,
            provider,
        }),
    }
}

/// Runs one child to its end, and passes a recall on to it as soon as there is one.
async fn run_attempt(ctx: &Context, attempt: u32, parcel: &Parcel, delay: Span) -> ShippingOutcome {
    let input = shipping_input(ctx, attempt, parcel, delay);
    let (workflow_id, queue, started) = ctx.state(|order| {
        let workflow_id = shipping_workflow_id(&order.state.order_id, attempt);
        (
            workflow_id,
            order.shipping_task_queue.clone(),
            input.shipment_id.clone(),
        )
    });
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.append_audit_event(
            AuditEventType::ShipmentStarted,
            json!({"attempt": attempt, "shipment_id": started}),
            now,
        );
    });
    persistence::write_pending(ctx).await;
    let options = ChildWorkflowOptions::builder()
        .workflow_id(workflow_id.clone())
        .task_queue(queue)
        .cancellation_token(WorkflowCancellationToken::new())
        .build();
    let child = match ctx
        .start_child_workflow(ShippingWorkflow::run, input, options)
        .await
    {
        Ok(child) => child,
        // Only a bug or somebody else's workflow of that id can do this.
        Err(error) => return persistence::park_for_fix(ctx, error).await,
    };
    let timers = WorkflowCancellationToken::new();
    let outcome = {
        let mut result = std::pin::pin!(child.result());
        let mut deadline = std::pin::pin!(deadline(ctx, timers.clone()).fuse());
        let mut told = false;
        loop {
            let wake = move |order: &OrderWorkflow| {
                (order.is_recalled() && !told) || !order.unsaved_events.is_empty()
            };
            let mut changed =
                std::pin::pin!(ctx.wait_condition_with_options(wake, waiting::detached_wait()));
            let mut cancelled = std::pin::pin!(cancel_request(ctx, told).fuse());
            select! {
                outcome = result => break outcome,
                _ = changed => {}
                reason = cancelled => want(ctx, StopReason::Cancel { reason, by: "temporal" }),
                _ = deadline => want(ctx, StopReason::Deadline),
            }
            if ctx.state(OrderWorkflow::is_recalled) && !told {
                let child = ctx.external_workflow(workflow_id.clone(), None);
                // A child that has just ended can't be told; its result is on its way.
                let _ = child.signal(ShippingWorkflow::stop, (), detached()).await;
                told = true;
            }
            persistence::write_pending(ctx).await;
        }
    };
    timers.cancel();
    match outcome {
        Ok(outcome) => outcome,
        // The child never fails by itself; terminated by hand, the carrier may or may not have the parcel.
        Err(error) => ShippingOutcome::Failed {
            reason: error.to_string(),
        },
    }
}

/// Reaches the child also after Temporal's own cancel request.
fn detached() -> SignalWorkflowOptions {
    SignalWorkflowOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}

/// Ends when the order's deadline passes; never for an order that has none.
async fn deadline(ctx: &Context, timers: WorkflowCancellationToken) {
    match waiting::deadline_left(ctx) {
        Some(left) => {
            ctx.timer(
                TimerOptions::builder(left)
                    .cancellation_token(timers)
                    .build(),
            )
            .await;
        }
        None => std::future::pending().await,
    }
}

/// Ends with Temporal's own cancel request; never when the child knows already.
async fn cancel_request(ctx: &Context, told: bool) -> Option<String> {
    if told {
        std::future::pending().await
    } else {
        ctx.cancelled().await
    }
}

/// What is wanted already is decided first: the order looks at its end again when that is done.
fn want(ctx: &Context, stop: StopReason) {
    ctx.state_mut(|order| {
        if let Some(shipping) = &mut order.shipping {
            shipping.recall.get_or_insert_with(|| Recall {
                stop: Some(stop),
                ..Recall::default()
            });
        }
    });
}

fn shipment_id(ctx: &Context, parcel: &Parcel) -> String {
    ctx.state(|order| format!("{}-PKG-{:03}", order.state.order_id, parcel.number))
}

fn shipping_input(ctx: &Context, attempt: u32, parcel: &Parcel, delay: Span) -> ShippingInput {
    let shipment_id = shipment_id(ctx, parcel);
    ctx.state(|order| {
        let valid = order.state.order.as_ref();
        ShippingInput {
            order_id: order.state.order_id.clone(),
            attempt,
            shipment_id,
            address: valid.and_then(|valid| valid.shipping_address.clone()),
            lines: valid.map(|valid| valid.lines.clone()).unwrap_or_default(),
            delay,
            parent: ctx.workflow_id().to_owned(),
        }
    })
}

async fn record_dispatch(ctx: &Context, dispatch: Dispatch) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.shipping = None;
        // What was held is shipped now; there is nothing left to undo.
        order.compensations.clear();
        let estimate = now + order.policy.delivery_estimate.duration();
        order.state.estimated_delivery = Some(estimate);
        let shipment = ShipmentInfo {
            tracking_number: dispatch.tracking_number,
            provider: dispatch.provider,
            estimated_delivery: Some(estimate),
            shipped_at: Some(now),
            delivered_at: None,
        };
        order.state.shipment = Some(shipment.clone());
        // From `preparing` this is always a step of the state machine.
        let _ = order.advance_to(OrderStatus::Shipped, Step::Deliver);
        order.append_audit_event(AuditEventType::OrderShipped, json!(shipment), now);
        if order.policy.complete_on == CompleteOn::Dispatched {
            order.state.finish();
        }
    });
    persistence::publish_search_attributes(ctx);
    persistence::run_local(ctx, OrderSteps::commit_inventory, |write| write).await;
}

impl OrderWorkflow {
    fn is_recalled(&self) -> bool {
        self.shipping
            .as_ref()
            .is_some_and(|shipping| shipping.recall.is_some())
    }

    /// Who waits for the word on a recall gets it.
    fn decide_recall(&mut self) -> Option<Recall> {
        self.recalls_decided += 1;
        self.shipping
            .as_mut()
            .and_then(|shipping| shipping.recall.take())
    }
}
