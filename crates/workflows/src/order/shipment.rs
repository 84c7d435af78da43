//! Shipping: child workflows until one of them dispatches the parcel, and requests that conflict
//! with it.
//!
//! While a child workflow runs, this module makes no decision that conflicts with dispatch. Such a
//! request becomes a *recall*: the child is asked to stop. The child's result, or the carrier's
//! response, decides the recall. If the child cannot run, its history may prove that it never asks the
//! carrier.

use futures::{FutureExt, future::Fuse};
use serde::{Deserialize, Serialize};
use serde_json::json;
use temporalio_workflow::{
    ChildWorkflowOptions, SignalWorkflowOptions, TimerOptions, WorkflowCancellationToken,
    WorkflowContext, select,
};

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress,
    continuation::{self, WaitingPlace},
    current_time,
    earlier_runs::EarlierRuns,
    items,
    payments::PaymentPhase,
    persistence,
    recall::{Shipping, StopReason},
    transitions::Reasons,
    waiting,
};
use crate::{
    ShippingInput, ShippingOutcome, ShippingWorkflow,
    activity::{
        CancelShipmentOutcome, OrderActivities, ParcelRecord, RecallActivities, ShipmentRequest,
        ShippingActivities, StoppedAttempt,
    },
    patches, policies,
};
use contract::shipping_workflow_id;
use domain::{
    AuditEventType, CaptureMode, CompleteOn, FailureCode, OrderId, OrderStatus, ShipmentInfo, Span,
    Step, WaitReason, WaitingFor,
};

type Context = WorkflowContext<OrderWorkflow>;

/// The parcel that the carrier was asked to take.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Parcel {
    /// Starts at 1 and increases with each parcel that the carrier cancelled. It names the next
    /// parcel.
    number: u32,
    /// A call for this parcel got no clear response from the carrier.
    uncertain: bool,
}

/// Counters that continue when an order ships again after a cancelled payment. The id of a child
/// workflow and the name of a parcel must be unique.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AttemptCounter {
    attempt: u32,
    parcel: Parcel,
    /// The failed attempts since the order began to ship.
    failures: u32,
    last_reason: String,
    /// The wait of the next attempt before its first step.
    delay: Span,
}

impl Default for AttemptCounter {
    fn default() -> Self {
        Self {
            attempt: 0,
            parcel: Parcel {
                number: 1,
                uncertain: false,
            },
            failures: 0,
            last_reason: String::new(),
            delay: Span::ZERO,
        }
    }
}

impl AttemptCounter {
    /// Returns the number of the present parcel, which is the dispatched one after the dispatch.
    pub(super) fn parcel_number(&self) -> u32 {
        self.parcel.number
    }

    /// Starts after the parcels of earlier runs. A parcel that the carrier has is dispatched again,
    /// which changes nothing.
    pub(super) fn skip_parcels(&mut self, earlier_runs: EarlierRuns) {
        if let EarlierRuns::Known {
            dispatched,
            next_parcel,
        } = earlier_runs
        {
            self.parcel.number = dispatched.unwrap_or(next_parcel);
        }
    }
}

pub(super) struct Dispatch {
    tracking_number: String,
    provider: String,
}

/// The end of the shipping phase of an order that was not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShippingPhaseResult {
    Dispatched,
    /// The carrier does not have the parcel; the order waits for another payment.
    PaymentCancelled,
    /// The carrier does not have the parcel; the order waits for a decision about its payment.
    Held,
}

/// Ships the order. Afterwards the order is `shipped`, or waits for another payment, or is stopped
/// without a parcel at the carrier.
pub(super) async fn ship_order(ctx: &Context) -> Progress<ShippingPhaseResult> {
    if !ctx.state_mut(|order| order.takes_up(WaitingPlace::Shipping)) {
        begin_shipping(ctx)?;
    }
    let mut counter = ctx.state(|order| order.attempts.clone());
    let shipped = run_attempts(ctx, &mut counter).await;
    ctx.state_mut(|order| order.attempts = counter.clone());
    // Callers that still wait for a recall get its outcome from the order's status.
    ctx.state_mut(OrderWorkflow::resolve_recall);
    let Some(dispatch) = shipped? else {
        let is_paid = ctx.state(|order| order.payments.phase == PaymentPhase::Covered);
        return Ok(if is_paid {
            ShippingPhaseResult::Held
        } else {
            ShippingPhaseResult::PaymentCancelled
        });
    };
    record_dispatch(ctx, dispatch, &counter).await;
    Ok(ShippingPhaseResult::Dispatched)
}

fn begin_shipping(ctx: &Context) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| {
        order.advance_to(OrderStatus::Preparing, Step::Prepare)?;
        order.shipping = Some(Shipping::default());
        order.attempts.failures = 0;
        order.attempts.delay = order.policy.shipping_delay;
        Ok(())
    })?;
    // Without a delay, the carrier normally has the parcel in a moment.
    if ctx.state(|order| order.receipt < 4 || !order.policy.shipping_delay.is_zero()) {
        persistence::publish_search_attributes(ctx);
    }
    Ok(())
}

/// Runs attempts until one dispatches. Returns `None` when the payment was cancelled before
/// dispatch.
async fn run_attempts(ctx: &Context, counter: &mut AttemptCounter) -> Progress<Option<Dispatch>> {
    loop {
        ctx.state_mut(|order| order.attempts = counter.clone());
        continuation::continue_if_long(ctx, WaitingPlace::Shipping).await;
        let AttemptCounter {
            attempt,
            parcel,
            failures,
            last_reason,
            delay,
        } = &mut *counter;
        *attempt += 1;
        if *attempt > 1 && ctx.state(|order| order.receipt >= 4) {
            persistence::publish_search_attributes(ctx);
        }
        match run_attempt(ctx, *attempt, parcel, *delay).await {
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
                // An attempt that stopped because the order continues as new has waited for a part
                // of its delay.
                let is_recalled = ctx.state(OrderWorkflow::is_recalled);
                let left = waiting::time_left(ctx).filter(|_| !is_recalled);
                *delay = Span::from_secs(left.map_or(0, |left| left.as_secs()));
            }
            ShippingOutcome::Failed { reason } => {
                parcel.uncertain = true;
                *failures += 1;
                *delay = Span::from_secs(policies::backoff(*failures).as_secs());
                *last_reason = reason;
            }
        }
        ctx.state_mut(|order| order.state.waiting_for = None);
        let given_up = *failures >= policies::MAX_SHIPPING_ATTEMPTS;
        request_due_stop(ctx);
        if (given_up || ctx.state(OrderWorkflow::is_recalled))
            && let Some(dispatch) = cancel_uncertain_parcel(ctx, parcel).await
        {
            return Ok(Some(dispatch));
        }
        // This includes requests and a stop that arrived during the call to the carrier.
        request_due_stop(ctx);
        if ctx.state(OrderWorkflow::is_recalled) {
            execute_recall(ctx, given_up)?;
            items::release_removed(ctx).await;
        }
        if given_up {
            let now = current_time(ctx);
            let detail = format!("{failures} attempts to dispatch failed: {last_reason}");
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

/// Executes a recall after the carrier confirmed that it does not have the parcel. The order is
/// stopped, or ships to another address, or ships less, or waits for another payment.
fn execute_recall(ctx: &Context, given_up: bool) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let recall = order.resolve_recall().unwrap_or_default();
        order.append_audit_event(AuditEventType::ShipmentStopped, json!({}), now);
        match recall.stop {
            Some(StopReason::Cancel {
                reason,
                public_reason,
                by,
            }) => {
                let reasons = Reasons {
                    internal: reason,
                    public: public_reason,
                };
                order.caused_by(recall.origins.stop, |order| {
                    order.transition_to_cancelled(reasons, &by, now);
                });
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
                    "the order was not dispatched before its deadline".to_owned(),
                    now,
                );
                return Err(OrderStopped);
            }
            None => {}
        }
        if let Some(address) = recall.address {
            order.caused_by(recall.origins.address, |order| {
                order.change_address(address, now);
            });
        }
        if !recall.items.is_empty() && !given_up {
            order.caused_by(recall.origins.items, |order| {
                order.reduce_items(&recall.items, now);
            });
        }
        // An order that fails is stopped, and the compensation refunds its payment.
        if recall.payment && !given_up {
            order.shipping = None;
            order.apply_payment_cancel(now)?;
        } else if recall.hold && !given_up {
            order.shipping = None;
        }
        Ok(())
    })
}

/// Cancels the parcel at the carrier if the carrier may have it. Returns the dispatch if the parcel
/// was already dispatched.
async fn cancel_uncertain_parcel(ctx: &Context, parcel: &mut Parcel) -> Option<Dispatch> {
    if !parcel.uncertain {
        return None;
    }
    let dispatch = cancel_parcel(ctx, parcel.number).await;
    if dispatch.is_none() {
        parcel.number += 1;
        parcel.uncertain = false;
    }
    dispatch
}

/// Asks the carrier not to ship the parcel. Returns the dispatch if the carrier has it.
pub(super) async fn cancel_parcel(ctx: &Context, number: u32) -> Option<Dispatch> {
    let shipment = shipment_request(ctx, number);
    let queue = ctx.state(|order| order.shipping_task_queue.clone());
    let options = policies::carrier_options(Some(queue));
    let cancelled = match ctx
        .execute_activity(ShippingActivities::cancel_shipment, shipment, options)
        .await
    {
        Ok(cancelled) => cancelled,
        Err(error) => persistence::park_for_fix(ctx, error).await,
    };
    match cancelled {
        CancelShipmentOutcome::Cancelled => {
            ctx.state_mut(|order| {
                order
                    .compensations
                    .retain(|saved| *saved != Compensation::DiscardShipment { number });
            });
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

/// Cancels the prepared shipment of a stopped order. The carrier was not asked to take it.
pub(super) async fn discard_shipment(ctx: &Context, number: u32) {
    if !ctx.patched(patches::COMPLETE_RECALL) {
        return;
    }
    let discarded = ctx.execute_activity(
        RecallActivities::discard_shipment,
        shipment_request(ctx, number),
        policies::discard_options(),
    );
    if let Err(error) = discarded.await {
        persistence::park_for_fix(ctx, error).await
    }
}

/// Runs one child workflow and passes a recall on to it. Returns when the child has ended, or when
/// its history proves that it never asks the carrier.
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
    let discard = Compensation::DiscardShipment {
        number: parcel.number,
    };
    ctx.state_mut(|order| {
        let wait = WaitingFor::new(WaitReason::ShippingDelay, now, delay);
        let attempts = &order.attempts;
        order.state.waiting_for = match wait.until {
            _ if delay.is_zero() => None,
            Some(until) if attempts.failures > 0 => {
                Some(wait.before_attempt(until, attempts.last_reason.clone()))
            }
            _ => Some(wait),
        };
        if !order.compensations.contains(&discard) {
            order.compensations.push(discard);
        }
        order.append_audit_event(
            AuditEventType::ShipmentStarted,
            json!({"attempt": attempt, "shipment_id": started}),
            now,
        );
    });
    let parcel = ParcelRecord {
        shipment_id: input.shipment_id.clone(),
        attempt,
        address: input.address.clone(),
        lines: input.lines.clone(),
        tracking_number: None,
    };
    persistence::write_with_parcel(ctx, OrderActivities::record_order, parcel).await;
    // A request or a stop that came during the write needs no child.
    request_due_stop(ctx);
    if ctx.state(OrderWorkflow::is_recalled) && ctx.patched(patches::COMPLETE_RECALL) {
        return ShippingOutcome::Stopped { uncertain: false };
    }
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
        // Another workflow has this id: of another program, or of this order before a reset. Like a
        // failed attempt, it may have asked the carrier. The next attempt has another id.
        Err(error) => {
            return ShippingOutcome::Failed {
                reason: error.to_string(),
            };
        }
    };
    let timers = WorkflowCancellationToken::new();
    let outcome = {
        let mut result = std::pin::pin!(child.result());
        let mut deadline = std::pin::pin!(wait_for_deadline(ctx, timers.clone()).fuse());
        let mut never_asks = std::pin::pin!(Fuse::terminated());
        let mut stop_sent = false;
        let mut cancel_seen = false;
        loop {
            let wake = move |order: &OrderWorkflow| {
                let must_stop = order.is_recalled() || continuation::is_history_long(ctx, order);
                (must_stop && !stop_sent) || order.has_unsaved_events()
            };
            let mut changed =
                std::pin::pin!(ctx.wait_condition_with_options(wake, waiting::detached_wait()));
            let mut cancelled = std::pin::pin!(wait_for_cancel_request(ctx, cancel_seen).fuse());
            select! {
                outcome = result => break outcome,
                () = never_asks => break Ok(ShippingOutcome::Stopped { uncertain: false }),
                _ = changed => {}
                reason = cancelled => {
                    cancel_seen = true;
                    request_stop(ctx, StopReason::by_temporal(reason));
                }
                _ = deadline => request_stop(ctx, StopReason::Deadline),
            }
            let must_stop = |order: &OrderWorkflow| {
                order.is_recalled() || continuation::is_history_long(ctx, order)
            };
            if !stop_sent && ctx.state(must_stop) {
                let child = ctx.external_workflow(workflow_id.clone(), None);
                // The signal fails when the child has just ended; its result follows.
                let _ = child
                    .signal(ShippingWorkflow::stop, (), detached_signal())
                    .await;
                stop_sent = true;
                if ctx.patched(patches::COMPLETE_RECALL) {
                    let check = wait_until_attempt_never_asks(ctx, &workflow_id, timers.clone());
                    never_asks.set(check.fuse());
                }
            }
            persistence::write_pending(ctx).await;
        }
    };
    timers.cancel();
    match outcome {
        Ok(outcome) => outcome,
        // The child never fails by itself. After a manual termination the carrier may have the
        // parcel.
        Err(error) => ShippingOutcome::Failed {
            reason: error.to_string(),
        },
    }
}

/// Returns options with which a signal reaches the child even after Temporal's own cancel request.
fn detached_signal() -> SignalWorkflowOptions {
    SignalWorkflowOptions::builder()
        .cancellation_token(WorkflowCancellationToken::new())
        .build()
}

/// Completes when the order's deadline passes. Never completes for an order without a deadline.
async fn wait_for_deadline(ctx: &Context, timers: WorkflowCancellationToken) {
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

/// Completes with Temporal's own cancel request. Never completes after the request was seen.
async fn wait_for_cancel_request(ctx: &Context, seen: bool) -> Option<String> {
    if seen {
        std::future::pending().await
    } else {
        ctx.cancelled().await
    }
}

/// Completes when the history of a stopped attempt proves that the attempt never asks the carrier.
/// The attempt cannot report this itself without a shipping worker, or while `PreparePackage` fails.
async fn wait_until_attempt_never_asks(
    ctx: &Context,
    workflow_id: &str,
    timers: WorkflowCancellationToken,
) {
    for number in 1.. {
        // A running attempt normally ends during the first pause.
        let pause = TimerOptions::builder(policies::backoff(number))
            .cancellation_token(timers.clone())
            .build();
        ctx.timer(pause).await;
        let checked = ctx.execute_activity(
            RecallActivities::check_stopped_attempt,
            workflow_id.to_owned(),
            policies::history_options(),
        );
        match checked.await {
            Ok(StoppedAttempt::NeverAsksCarrier) => return,
            Ok(StoppedAttempt::Unknown) => {}
            Ok(StoppedAttempt::MayHaveAskedCarrier) => return std::future::pending().await,
            Err(error) => persistence::park_for_fix(ctx, error).await,
        }
    }
}

/// Adds a stop to the recall. An earlier stop remains.
fn request_stop(ctx: &Context, stop: StopReason) {
    // Without the patch, the stop does not change a pending recall.
    let is_joined = ctx.state(|order| order.is_recalled() && !order.is_stop_requested());
    if is_joined && !ctx.patched(patches::COMPLETE_RECALL) {
        return;
    }
    ctx.state_mut(|order| {
        if let Some(shipping) = &mut order.shipping {
            let recall = shipping.recall.get_or_insert_default();
            recall.stop.get_or_insert(stop);
        }
    });
}

/// Requests a stop if Temporal's cancel request or the deadline came outside of a running attempt.
/// Otherwise the next attempt could dispatch first.
fn request_due_stop(ctx: &Context) {
    let token = ctx.cancellation_token();
    let stop = if token.is_cancelled() {
        StopReason::by_temporal(token.reason())
    } else if waiting::deadline_left(ctx).is_some_and(|left| left.is_zero()) {
        StopReason::Deadline
    } else {
        return;
    };
    if !ctx.state(OrderWorkflow::is_stop_requested) && ctx.patched(patches::COMPLETE_RECALL) {
        request_stop(ctx, stop);
    }
}

pub(super) fn shipment_request(ctx: &Context, number: u32) -> ShipmentRequest {
    ctx.state(|order| ShipmentRequest {
        order_id: order.state.order_id.clone(),
        shipment_id: shipment_id(&order.state.order_id, number),
    })
}

pub(super) fn shipment_id(order_id: &OrderId, number: u32) -> String {
    format!("{order_id}-PKG-{number:03}")
}

fn shipping_input(ctx: &Context, attempt: u32, parcel: &Parcel, delay: Span) -> ShippingInput {
    let ShipmentRequest {
        order_id,
        shipment_id,
    } = shipment_request(ctx, parcel.number);
    ctx.state(|order| {
        let valid = order.state.order.as_ref();
        ShippingInput {
            order_id,
            attempt,
            shipment_id,
            address: valid.and_then(|valid| {
                let address = valid.shipping_address.clone()?;
                Some(address.addressed_to(&valid.customer))
            }),
            lines: valid.map(|valid| valid.lines.clone()).unwrap_or_default(),
            delay,
            parent: ctx.workflow_id().to_owned(),
            recorded_by_order: true,
        }
    })
}

async fn record_dispatch(ctx: &Context, dispatch: Dispatch, counter: &AttemptCounter) {
    let now = current_time(ctx);
    let input = shipping_input(ctx, counter.attempt, &counter.parcel, Span::ZERO);
    let parcel = ParcelRecord {
        shipment_id: input.shipment_id,
        attempt: input.attempt,
        address: input.address,
        lines: input.lines,
        tracking_number: Some(dispatch.tracking_number.clone()),
    };
    ctx.state_mut(|order| {
        order.shipping = None;
        order.state.hold = None;
        order.dispatched_parcel = Some(counter.parcel.number);
        // The reserved stock is shipped, so no compensation remains.
        order.compensations.clear();
        let estimate = now + order.policy.delivery_estimate.duration();
        order.state.estimated_delivery = Some(estimate);
        let shipment = ShipmentInfo {
            tracking_number: dispatch.tracking_number,
            provider: dispatch.provider,
            estimated_delivery: Some(estimate),
            shipped_at: Some(now),
            delivered_at: None,
            events: Vec::new(),
        };
        order.state.shipment = Some(shipment.clone());
        // The state machine always allows this transition from `preparing`.
        let _ = order.advance_to(OrderStatus::Shipped, Step::Deliver);
        order.append_audit_event(AuditEventType::OrderShipped, json!(shipment), now);
        order.record_early_reports(now);
        let ends = order.policy.complete_on == CompleteOn::Dispatched;
        // A capture after dispatch is one more event of the audit log.
        let captures = order.policy.capture == CaptureMode::OnDispatch;
        if ends && !captures {
            order.state.finish();
        } else if !ends && !order.is_delivered_at_dispatch() {
            let limit = order.policy.delivery.after;
            order.state.waiting_for = Some(WaitingFor::new(WaitReason::Delivery, now, limit));
        }
    });
    if !ctx.state(OrderWorkflow::is_delivered_at_dispatch) {
        persistence::publish_search_attributes(ctx);
    }
    persistence::write_with_parcel(ctx, OrderActivities::commit_inventory, parcel).await;
}
