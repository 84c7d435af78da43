//! Requests from outside, and what each one must wait for until it has its answer; what it means for the order stands
//! in [`super::decisions`].
//!
//! Signals and updates run the same code; a signal drops the answer.

use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, select};

use super::{ConfirmationOutcome, OrderWorkflow, current_time, decisions::Decision, waiting};
use crate::{Message, patches, policies};
use contract::{
    Cancellation, PaymentCancellation, PaymentConfirmation, RefusalCode, UpdateOutcome,
};
use domain::{AddressChange, OrderStatus, Step};

type Context = WorkflowContext<OrderWorkflow>;

// The wire names, for the trail.
pub(super) const CANCEL_ORDER: &str = "cancel_order";
pub(super) const UPDATE_ADDRESS: &str = "update_address";
pub(super) const CANCEL_PAYMENT: &str = "cancel_payment";

/// Cancels the order, or finds out whether the parcel has left.
pub(super) async fn cancel_order(ctx: &Context, message: Message<Cancellation>) -> UpdateOutcome {
    let now = current_time(ctx);
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return refuse_malformed(ctx, CANCEL_ORDER, reason),
    };
    match ctx.state_mut(|order| order.decide_cancel(cancellation, now)) {
        Decision::Immediate(answer) => answer,
        Decision::AfterRecall { ticket, already } => {
            recall_verdict(ctx, ticket, already, CANCEL_ORDER).await
        }
    }
}

/// Changes the address, or finds out whether the parcel has left.
pub(super) async fn update_address(
    ctx: &Context,
    message: Message<AddressChange>,
) -> UpdateOutcome {
    let change = match message {
        Message::Valid(change) => change,
        Message::Malformed(reason) => return refuse_malformed(ctx, UPDATE_ADDRESS, reason),
    };
    wait_until_loaded(ctx).await;
    let now = current_time(ctx);
    match ctx.state_mut(|order| order.decide_address_change(&change, now)) {
        Decision::Immediate(answer) => answer,
        Decision::AfterRecall { ticket, already } => {
            recall_verdict(ctx, ticket, already, UPDATE_ADDRESS).await
        }
    }
}

/// Gives a payment back and has the order wait for another one, or finds out that the parcel has left.
pub(super) async fn cancel_payment(
    ctx: &Context,
    message: Message<PaymentCancellation>,
) -> UpdateOutcome {
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return refuse_malformed(ctx, CANCEL_PAYMENT, reason),
    };
    wait_until_loaded(ctx).await;
    let now = current_time(ctx);
    let (ticket, already) =
        match ctx.state_mut(|order| order.decide_payment_cancel(cancellation, now)) {
            Decision::Immediate(answer) => return answer,
            Decision::AfterRecall { ticket, already } => (ticket, already),
        };
    let settled =
        move |order: &OrderWorkflow| order.is_recall_decided(ticket) && !order.is_refunding();
    within_verdict(ctx, settled).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match order.state.status() {
        _ if !order.is_recall_decided(ticket) => order.still_undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_request(
            CANCEL_PAYMENT,
            RefusalCode::AlreadyShipped,
            "the parcel has left",
            now,
        ),
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_request(
            CANCEL_PAYMENT,
            RefusalCode::OrderClosed,
            "the order is stopped",
            now,
        ),
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            order.payment_cancel_success(already)
        }
    })
}

/// Takes a payment for what it is; who waits for it is told once it is recorded.
pub(super) async fn confirm_payment(
    ctx: &Context,
    message: Message<PaymentConfirmation>,
) -> UpdateOutcome {
    let confirmation = match message {
        Message::Valid(confirmation) => confirmation,
        Message::Malformed(reason) => return refuse_malformed(ctx, "confirm_payment", reason),
    };
    wait_until_loaded(ctx).await;
    let now = current_time(ctx);
    if let Some(answer) =
        ctx.state_mut(|order| order.decide_payment_confirmation(confirmation, now))
    {
        return answer;
    }
    let early = ctx.state(|order| order.state.step() < Step::Pay);
    if early && ctx.patched(patches::EARLY_CONFIRMATION) {
        return ctx.state(|order| {
            order.success(
                "Payment accepted. It is recorded when the order's review is over.",
                false,
            )
        });
    }
    let verdict =
        |order: &OrderWorkflow| order.confirmation_outcome.is_some() || order.is_stopped();
    within_verdict(ctx, verdict).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match order.confirmation_outcome.clone() {
        Some(ConfirmationOutcome::Refused(answer)) => answer,
        _ if order.is_stopped() => {
            let detail = "the order was stopped before the payment was recorded; it is refunded";
            order.refuse_request("confirm_payment", RefusalCode::OrderClosed, detail, now)
        }
        Some(ConfirmationOutcome::Recorded) => order.success("Payment confirmed.", false),
        None => order.still_undecided("The payment is being recorded."),
    })
}

/// Waits for the word on one recall: by then the order's status says who won.
async fn recall_verdict(
    ctx: &Context,
    ticket: u32,
    already: bool,
    request: &'static str,
) -> UpdateOutcome {
    within_verdict(ctx, |order| order.is_recall_decided(ticket)).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match order.state.status() {
        _ if !order.is_recall_decided(ticket) => order.still_undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_request(
            request,
            RefusalCode::AlreadyShipped,
            "the parcel has left",
            now,
        ),
        OrderStatus::Cancelled if request == CANCEL_ORDER => {
            order.success("Order cancelled.", already)
        }
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_request(
            request,
            RefusalCode::OrderClosed,
            "the order is stopped",
            now,
        ),
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            order.address_success(already)
        }
    })
}

const UNDECIDED: &str = "The carrier has not said yet whether it has the parcel.";

/// Waits for a condition, at most as long as a caller can be kept waiting.
async fn within_verdict(ctx: &Context, condition: impl Fn(&OrderWorkflow) -> bool) {
    if ctx.state(&condition) {
        return;
    }
    let token = WorkflowCancellationToken::new();
    let mut timer = ctx.timer(
        TimerOptions::builder(policies::DECISION_TIMEOUT)
            .cancellation_token(token.clone())
            .build(),
    );
    let mut happened =
        ctx.wait_condition_with_options(|order| condition(order), waiting::detached_wait());
    select! {
        _ = timer => {}
        _ = happened => token.cancel(),
    }
}

/// What comes before the order is loaded is kept until it is.
pub(super) async fn wait_until_loaded(ctx: &Context) {
    let loaded = |order: &OrderWorkflow| order.state.order.is_some() || order.is_stopped();
    // Detached from cancellation, this wait has no way to fail.
    let _ = ctx
        .wait_condition_with_options(loaded, waiting::detached_wait())
        .await;
}

/// Only a signal gets here, updates are refused by their validators: nobody reads the answer, so the trail tells.
pub(super) fn refuse_malformed(ctx: &Context, request: &str, reason: String) -> UpdateOutcome {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.accept_message::<()>(request, Message::Malformed(reason.clone()), now);
        order.malformed_refusal(reason)
    })
}
