//! Delivery: confirmed by a caller or by the carrier, or assumed after the policy's time.

use std::time::Duration;

use serde_json::json;
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, select};

use super::{
    OrderWorkflow,
    continuation::{self, WaitingPlace},
    current_time,
    decisions::with_claim,
    persistence, shipment, waiting,
};
use crate::{
    activity::{OrderActivities, ShipmentRequest, ShippingActivities},
    patches, policies,
};
use contract::TrackingReport;
use domain::{AuditEventType, CompleteOn, DeliveryPolicy, OrderStatus, Step, TrackingEvent};

/// Waits for the delivery, unless the policy completes the order at dispatch. A dispatched parcel
/// cannot be recalled, so a cancel or the deadline does not end this wait.
pub(super) async fn await_delivery(ctx: &WorkflowContext<OrderWorkflow>) {
    let (complete_on, delivery) =
        ctx.state(|order| (order.policy.complete_on, order.policy.delivery));
    if complete_on == CompleteOn::Dispatched {
        return;
    }
    if !ctx.state(OrderWorkflow::is_delivered_at_dispatch) {
        let limit = if ctx.state_mut(|order| order.takes_up(WaitingPlace::Delivery)) {
            waiting::time_left(ctx).unwrap_or_default()
        } else {
            delivery.after.duration()
        };
        ctx.state_mut(|order| order.is_waiting = true);
        wait_for_delivery(ctx, limit).await;
        ctx.state_mut(|order| order.is_waiting = false);
        Box::pin(ask_carrier(ctx)).await;
    }
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let confirmation = order.delivery.clone();
        let basis = match (&confirmation, delivery.auto) {
            (Some(_), _) => "confirmed",
            (None, true) => "auto",
            (None, false) => "not_confirmed_in_time",
        };
        let confirmation = confirmation.unwrap_or_default();
        let delivered_at = confirmation.delivered_at.unwrap_or(now);
        if let Some(shipment) = &mut order.state.shipment {
            shipment.delivered_at = Some(delivered_at);
        }
        // The state machine always allows this transition from `shipped`.
        let _ = order.advance_to(OrderStatus::Delivered, Step::Deliver);
        let payload = json!({"basis": basis, "delivered_at": delivered_at});
        let payload = with_claim(payload, "signed_by", confirmation.signed_by.as_deref());
        let origin = order.delivery_origin.clone();
        order.caused_by(origin, |order| {
            order.append_audit_event(AuditEventType::OrderDelivered, payload, now);
        });
        order.state.finish();
    });
    persistence::publish_search_attributes(ctx);
    persistence::run_local(ctx, OrderActivities::confirm_delivery, |write| write).await;
}

/// Waits for a confirmation, at most `limit`, and meanwhile writes new audit events.
async fn wait_for_delivery(ctx: &WorkflowContext<OrderWorkflow>, limit: Duration) {
    let token = WorkflowCancellationToken::new();
    let mut timer = ctx.timer(
        TimerOptions::builder(limit)
            .cancellation_token(token.clone())
            .build(),
    );
    loop {
        continuation::continue_if_due(ctx, WaitingPlace::Delivery).await;
        let wake = |order: &OrderWorkflow| {
            let is_news = order.delivery.is_some() || order.has_unsaved_events();
            is_news || continuation::is_due(ctx, order)
        };
        let mut changed = ctx.wait_condition_with_options(wake, waiting::detached_wait());
        let fired = select! {
            _ = timer => true,
            _ = changed => false,
        };
        if fired || ctx.state(|order| order.delivery.is_some()) {
            return token.cancel();
        }
        persistence::write_pending(ctx).await;
    }
}

/// Asks the carrier about the parcel if its delivery was not confirmed in time: a report can be lost, and a
/// bridge can send none. The answer is recorded like a report. Without an answer, the order goes on.
async fn ask_carrier(ctx: &WorkflowContext<OrderWorkflow>) {
    let is_unconfirmed = ctx.state(|order| order.delivery.is_none() && !order.policy.delivery.auto);
    if !is_unconfirmed || !ctx.patched(patches::CHECK_SHIPMENT) {
        return;
    }
    let shipment = shipment::shipment_request(ctx, ctx.state(OrderWorkflow::parcel_number));
    let question = wait_for_answer(ctx, shipment.clone());
    let Some(event) = persistence::write_during(ctx, question, 0).await else {
        return;
    };
    let report = TrackingReport {
        order_id: shipment.order_id,
        shipment_id: shipment.shipment_id,
        event,
    };
    let now = current_time(ctx);
    ctx.state_mut(|order| order.record_answer(report, now));
}

/// Waits for the carrier's answer. A confirmation of the delivery ends the question. Temporal's cancel request
/// does not, because it does not end the order here either.
async fn wait_for_answer(
    ctx: &WorkflowContext<OrderWorkflow>,
    shipment: ShipmentRequest,
) -> Option<TrackingEvent> {
    let queue = ctx.state(|order| order.shipping_task_queue.clone());
    let token = WorkflowCancellationToken::new();
    let mut answer = std::pin::pin!(ctx.execute_activity(
        ShippingActivities::check_shipment,
        shipment,
        policies::question_options(queue, token.clone()),
    ));
    let mut confirmed = ctx.wait_condition_with_options(
        |order: &OrderWorkflow| order.delivery.is_some(),
        waiting::detached_wait(),
    );
    select! {
        answered = answer => answered.ok().flatten(),
        _ = confirmed => {
            token.cancel();
            None
        }
    }
}

impl OrderWorkflow {
    /// Returns whether the policy counts the order as delivered at its dispatch, without a wait.
    pub(super) fn is_delivered_at_dispatch(&self) -> bool {
        let DeliveryPolicy { auto, after } = self.policy.delivery;
        let is_awaited = self.policy.complete_on == CompleteOn::Delivered;
        // Earlier runs have a timer of 0 s in their history.
        is_awaited && auto && after.is_zero() && self.receipt >= 4
    }

    /// Returns the number of the dispatched parcel. An order that was recovered, or carried over from an earlier
    /// release, knows it only from its attempts.
    fn parcel_number(&self) -> u32 {
        self.dispatched_parcel
            .unwrap_or_else(|| self.attempts.parcel_number())
    }
}
