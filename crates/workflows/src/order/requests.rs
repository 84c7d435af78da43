//! Requests from outside, and what each one must wait for until it has its answer; what it means for the order stands
//! in [`super::decisions`].
//!
//! Signals and updates run the same code; a signal drops the answer.

use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, select};

use super::{OrderWorkflow, Verdict, decisions::Reply, now, wait};
use crate::{Message, policies, versions};
use contract::{Answer, Cancellation, PaymentCancellation, PaymentConfirmation, RefusalCode};
use domain::{AddressChange, OrderStatus, Step};

type Context = WorkflowContext<OrderWorkflow>;

// The wire names, for the trail.
pub(super) const CANCEL: &str = "cancel_order";
pub(super) const UPDATE_ADDRESS: &str = "update_address";
pub(super) const CANCEL_PAYMENT: &str = "cancel_payment";

/// Cancels the order, or finds out whether the parcel has left.
pub(super) async fn cancel(ctx: &Context, message: Message<Cancellation>) -> Answer {
    let now = now(ctx);
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return malformed(ctx, CANCEL, reason),
    };
    match ctx.state_mut(|order| order.request_cancel(cancellation, now)) {
        Reply::Now(answer) => answer,
        Reply::AfterVerdict { ticket, already } => {
            recall_verdict(ctx, ticket, already, CANCEL).await
        }
    }
}

/// Changes the address, or finds out whether the parcel has left.
pub(super) async fn update_address(ctx: &Context, message: Message<AddressChange>) -> Answer {
    let change = match message {
        Message::Valid(change) => change,
        Message::Malformed(reason) => return malformed(ctx, UPDATE_ADDRESS, reason),
    };
    loaded(ctx).await;
    let now = now(ctx);
    match ctx.state_mut(|order| order.request_address(&change, now)) {
        Reply::Now(answer) => answer,
        Reply::AfterVerdict { ticket, already } => {
            recall_verdict(ctx, ticket, already, UPDATE_ADDRESS).await
        }
    }
}

/// Gives a payment back and has the order wait for another one, or finds out that the parcel has left.
pub(super) async fn cancel_payment(ctx: &Context, message: Message<PaymentCancellation>) -> Answer {
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return malformed(ctx, CANCEL_PAYMENT, reason),
    };
    loaded(ctx).await;
    let now = now(ctx);
    let (ticket, already) =
        match ctx.state_mut(|order| order.request_payment_cancel(cancellation, now)) {
            Reply::Now(answer) => return answer,
            Reply::AfterVerdict { ticket, already } => (ticket, already),
        };
    let settled = move |order: &OrderWorkflow| order.is_decided(ticket) && !order.is_refunding();
    within_verdict(ctx, settled).await;
    let now = super::now(ctx);
    ctx.state_mut(|order| match order.record.status() {
        _ if !order.is_decided(ticket) => order.undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_answer(
            CANCEL_PAYMENT,
            RefusalCode::AlreadyShipped,
            "the parcel has left",
            now,
        ),
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_answer(
            CANCEL_PAYMENT,
            RefusalCode::OrderClosed,
            "the order is stopped",
            now,
        ),
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            order.payment_cancelled(already)
        }
    })
}

/// Takes a payment for what it is; who waits for it is told once it is recorded.
pub(super) async fn confirm_payment(
    ctx: &Context,
    message: Message<PaymentConfirmation>,
) -> Answer {
    let confirmation = match message {
        Message::Valid(confirmation) => confirmation,
        Message::Malformed(reason) => return malformed(ctx, "confirm_payment", reason),
    };
    loaded(ctx).await;
    let now = now(ctx);
    if let Some(answer) = ctx.state_mut(|order| order.accept_confirmation(confirmation, now)) {
        return answer;
    }
    let early = ctx.state(|order| order.record.step() < Step::Pay);
    if early && ctx.patched(versions::EARLY_CONFIRMATION) {
        return ctx.state(|order| {
            order.done(
                "Payment accepted. It is recorded when the order's review is over.",
                false,
            )
        });
    }
    let verdict =
        |order: &OrderWorkflow| order.confirmation_verdict.is_some() || order.is_stopped();
    within_verdict(ctx, verdict).await;
    let now = super::now(ctx);
    ctx.state_mut(|order| match order.confirmation_verdict.clone() {
        Some(Verdict::Refused(answer)) => answer,
        _ if order.is_stopped() => {
            let detail = "the order was stopped before the payment was recorded; it is refunded";
            order.refuse_answer("confirm_payment", RefusalCode::OrderClosed, detail, now)
        }
        Some(Verdict::Granted) => order.done("Payment confirmed.", false),
        None => order.undecided("The payment is being recorded."),
    })
}

/// Waits for the word on one recall: by then the order's status says who won.
async fn recall_verdict(
    ctx: &Context,
    ticket: u32,
    already: bool,
    request: &'static str,
) -> Answer {
    within_verdict(ctx, |order| order.is_decided(ticket)).await;
    let now = now(ctx);
    ctx.state_mut(|order| match order.record.status() {
        _ if !order.is_decided(ticket) => order.undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_answer(
            request,
            RefusalCode::AlreadyShipped,
            "the parcel has left",
            now,
        ),
        OrderStatus::Cancelled if request == CANCEL => order.done("Order cancelled.", already),
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_answer(
            request,
            RefusalCode::OrderClosed,
            "the order is stopped",
            now,
        ),
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            order.address_answer(already)
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
        TimerOptions::builder(policies::VERDICT)
            .cancellation_token(token.clone())
            .build(),
    );
    let mut happened = ctx.wait_condition_with_options(|order| condition(order), wait::detached());
    select! {
        _ = timer => {}
        _ = happened => token.cancel(),
    }
}

/// What comes before the order is loaded is kept until it is.
pub(super) async fn loaded(ctx: &Context) {
    let loaded = |order: &OrderWorkflow| order.record.order.is_some() || order.is_stopped();
    // Detached from cancellation, this wait has no way to fail.
    let _ = ctx
        .wait_condition_with_options(loaded, wait::detached())
        .await;
}

/// Only a signal gets here, updates are refused by their validators: nobody reads the answer, so the trail tells.
pub(super) fn malformed(ctx: &Context, request: &str, reason: String) -> Answer {
    let now = now(ctx);
    ctx.state_mut(|order| {
        order.understood::<()>(request, Message::Malformed(reason.clone()), now);
        order.malformed_answer(reason)
    })
}
