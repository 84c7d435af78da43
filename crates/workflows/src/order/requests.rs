//! Handles requests and waits for their outcome. The decisions are in [`super::decisions`].
//!
//! Signals and updates run the same code; a signal drops the outcome.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use serde_json::json;
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, select};

use super::{
    OrderWorkflow, current_time,
    decisions::{AcceptanceRules, ChangedRepeat, Decision},
    earlier_runs, event_queue, items,
    payment_record::{record_replacements, replaceable_money},
    payments::{ConfirmationOutcome, PaymentPhase},
    request_name::{
        CANCEL_ORDER, CANCEL_PAYMENT, CONFIRM_PAYMENT, HOLD_ORDER, UPDATE_ADDRESS, UPDATE_ITEMS,
        UPDATE_ORDER,
    },
    transitions::Reasons,
    waiting,
};
use crate::{Message, patches, policies, request_quota::ReceivedUpdate};
use contract::{
    Cancellation, HoldRequest, PaymentCancellation, PaymentConfirmation, RefusalCode,
    RequestOrigin, UpdateOutcome,
};
use domain::{AddressChange, AuditEventType, ItemsChange, NotesChange, OrderStatus, Step};

type Context = WorkflowContext<OrderWorkflow>;

/// Cancels the order, or reports that the parcel was dispatched. The decision is
/// [`OrderWorkflow::decide_cancel`].
pub(super) async fn cancel_order(ctx: &Context, message: Message<Cancellation>) -> UpdateOutcome {
    let now = current_time(ctx);
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return refuse_malformed(ctx, CANCEL_ORDER, reason),
    };
    let origin = origin_of(ctx);
    earlier_runs::learn_effects(ctx, "cancel").await;
    let decide = |order: &mut OrderWorkflow| order.decide_cancel(cancellation, now);
    match ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
        Decision::Immediate(outcome) => outcome,
        Decision::AfterRecall {
            recall_number,
            already,
        } => await_recall(ctx, recall_number, already, (CANCEL_ORDER, origin)).await,
    }
}

/// Changes the address, or reports that the parcel was dispatched.
pub(super) async fn update_address(
    ctx: &Context,
    message: Message<AddressChange>,
) -> UpdateOutcome {
    update_address_from(ctx, message, origin_of(ctx)).await
}

async fn update_address_from(
    ctx: &Context,
    message: Message<AddressChange>,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let change = match message {
        Message::Valid(change) => change,
        Message::Malformed(reason) => return refuse_malformed(ctx, UPDATE_ADDRESS, reason),
    };
    if !wait_for_order(ctx).await {
        return defer(ctx, DeferredRequest::Address(change), origin);
    }
    earlier_runs::learn_effects(ctx, "address").await;
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| order.decide_address_change(&change, now);
    match ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
        Decision::Immediate(outcome) => outcome,
        Decision::AfterRecall {
            recall_number,
            already,
        } => await_recall(ctx, recall_number, already, (UPDATE_ADDRESS, origin)).await,
    }
}

/// Cancels the payment: refunds it, and lets the order wait for another payment. Reports it if the
/// parcel was already dispatched.
pub(super) async fn cancel_payment(
    ctx: &Context,
    message: Message<PaymentCancellation>,
) -> UpdateOutcome {
    cancel_payment_from(ctx, message, origin_of(ctx)).await
}

async fn cancel_payment_from(
    ctx: &Context,
    message: Message<PaymentCancellation>,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let cancellation = match message {
        Message::Valid(cancellation) => cancellation,
        Message::Malformed(reason) => return refuse_malformed(ctx, CANCEL_PAYMENT, reason),
    };
    if !wait_for_order(ctx).await {
        return defer(
            ctx,
            DeferredRequest::PaymentCancellation(cancellation),
            origin,
        );
    }
    earlier_runs::learn_effects(ctx, "payment-cancel").await;
    wait_for_decision(ctx, |order| !order.is_reserving_again()).await;
    let now = current_time(ctx);
    if ctx.state(OrderWorkflow::is_held) && ctx.patched(patches::CANCEL_HELD) {
        return cancel_held_payment(ctx, cancellation, origin).await;
    }
    let decide = |order: &mut OrderWorkflow| order.decide_payment_cancel(cancellation, now);
    let (recall_number, already) =
        match ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
            Decision::Immediate(outcome) => return outcome,
            Decision::AfterRecall {
                recall_number,
                already,
            } => (recall_number, already),
        };
    let is_decided = move |order: &OrderWorkflow| {
        order.is_recall_decided(recall_number) && !order.is_refunding()
    };
    wait_for_decision(ctx, is_decided).await;
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| match order.state.status() {
        _ if !order.is_recall_decided(recall_number) => order.still_undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_request(
            CANCEL_PAYMENT,
            RefusalCode::AlreadyShipped,
            "the parcel was already dispatched",
            now,
        ),
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_request(
            CANCEL_PAYMENT,
            RefusalCode::OrderClosed,
            "the order is cancelled or has failed",
            now,
        ),
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            order.payment_cancel_success(already)
        }
    };
    ctx.state_mut(|order| order.caused_by(Some(origin), decide))
}

/// Cancels the payment of a held order, which no parcel delays.
async fn cancel_held_payment(
    ctx: &Context,
    cancellation: PaymentCancellation,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let payload = Reasons {
            internal: cancellation.reason,
            public: cancellation.public_reason,
        }
        .add_to(json!({}));
        order.caused_by(Some(origin), |order| {
            order.append_audit_event(AuditEventType::PaymentCancelRequested, payload, now);
        });
        order.payments.is_cancel_requested = true;
    });
    wait_for_decision(ctx, |order| {
        !order.payments.is_cancel_requested && !order.is_refunding()
    })
    .await;
    ctx.state(|order| order.payment_cancel_success(false))
}

/// Holds the order, or reports that the parcel was dispatched.
pub(super) async fn hold_order(ctx: &Context, message: Message<HoldRequest>) -> UpdateOutcome {
    let request = match message {
        Message::Valid(request) => request,
        Message::Malformed(reason) => return refuse_malformed(ctx, HOLD_ORDER, reason),
    };
    let origin = origin_of(ctx);
    earlier_runs::learn_effects(ctx, "hold").await;
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| order.decide_hold(request, now);
    match ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
        Decision::Immediate(outcome) => outcome,
        Decision::AfterRecall {
            recall_number,
            already,
        } => await_recall(ctx, recall_number, already, (HOLD_ORDER, origin)).await,
    }
}

/// Changes the shop's notes about the order.
pub(super) async fn update_order(ctx: &Context, message: Message<NotesChange>) -> UpdateOutcome {
    update_order_from(ctx, message, origin_of(ctx)).await
}

async fn update_order_from(
    ctx: &Context,
    message: Message<NotesChange>,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let change = match message {
        Message::Valid(change) => change,
        Message::Malformed(reason) => return refuse_malformed(ctx, UPDATE_ORDER, reason),
    };
    if !wait_for_order(ctx).await {
        return defer(ctx, DeferredRequest::Notes(change), origin);
    }
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| order.decide_notes_change(&change, now);
    ctx.state_mut(|order| order.caused_by(Some(origin), decide))
}

/// Accepts a payment confirmation. The caller gets the outcome after the payment is recorded.
pub(super) async fn confirm_payment(
    ctx: &Context,
    message: Message<PaymentConfirmation>,
) -> UpdateOutcome {
    confirm_payment_from(ctx, message, origin_of(ctx)).await
}

async fn confirm_payment_from(
    ctx: &Context,
    message: Message<PaymentConfirmation>,
    origin: RequestOrigin,
) -> UpdateOutcome {
    let confirmation = match message {
        Message::Valid(confirmation) => confirmation,
        Message::Malformed(reason) => return refuse_malformed(ctx, CONFIRM_PAYMENT, reason),
    };
    if !wait_for_order(ctx).await {
        return defer(
            ctx,
            DeferredRequest::PaymentConfirmation(confirmation),
            origin,
        );
    }
    let now = current_time(ctx);
    let transaction_id = confirmation.transaction_id.clone();
    let reported = confirmation.clone();
    let contradiction = ctx.state(|order| order.find_contradiction(&confirmation.transaction_id));
    if let Some(detail) = contradiction
        && ctx.patched(patches::REFUSE_CONTRADICTION)
    {
        let refuse = |order: &mut OrderWorkflow| order.refuse_mismatch(&confirmation, &detail, now);
        let outcome = ctx.state_mut(|order| order.caused_by(Some(origin), refuse));
        record_refused_report(ctx, &reported, &outcome).await;
        return outcome;
    }
    let repeat = ctx.state(|order| order.find_changed_repeat(&confirmation));
    if let Some(repeat) = repeat
        && ctx.patched(patches::REFUSE_CHANGED_REPEAT)
    {
        let refuse =
            |order: &mut OrderWorkflow| order.refuse_changed_repeat(&confirmation, repeat, now);
        return ctx.state_mut(|order| order.caused_by(Some(origin), refuse));
    }
    let rules = AcceptanceRules {
        takes_part: false,
        replaceable: replaceable_money(ctx),
    };
    let decide = |order: &mut OrderWorkflow| {
        order.decide_payment_confirmation(confirmation, None, rules, now)
    };
    if let Some(outcome) = ctx.state_mut(|order| order.caused_by(Some(origin.clone()), decide)) {
        record_refused_report(ctx, &reported, &outcome).await;
        return outcome;
    }
    record_replacements(ctx).await;
    let before_payment_step = ctx.state(|order| {
        order.payments.phase == PaymentPhase::NotStarted && order.state.step() < Step::Pay
    });
    if before_payment_step && ctx.patched(patches::EARLY_CONFIRMATION) {
        return ctx.state(|order| {
            order.success(
                "Payment accepted. It will be recorded after the order's review.",
                false,
            )
        });
    }
    let decided = |order: &OrderWorkflow| {
        order.payments.outcomes.contains_key(&transaction_id) || order.is_stopped()
    };
    wait_for_decision(ctx, decided).await;
    let is_recorded = |order: &OrderWorkflow| {
        order.payments.outcomes.contains_key(&transaction_id)
            || !order.payments.accepts(&transaction_id)
    };
    // A stopped order records the payment before it refunds it, and the transaction can be that of
    // another order.
    if !ctx.state(is_recorded) && ctx.patched(patches::REFUSE_CHANGED_REPEAT) {
        wait_for_decision(ctx, is_recorded).await;
    }
    let now = current_time(ctx);
    ctx.state_mut(|order| match order.payments.outcomes.get(&transaction_id) {
        Some(ConfirmationOutcome::Refused(outcome)) => outcome.clone(),
        _ if order.is_stopped() => {
            let payment = ChangedRepeat::Refunded(order.payments.reported(&transaction_id, true));
            order.caused_by(Some(origin), |order| {
                order.refuse_changed_repeat(&reported, payment, now)
            })
        }
        // Events about a refund of a part can have arrived before the confirmation.
        Some(ConfirmationOutcome::Recorded) => match order.find_contradiction(&transaction_id) {
            Some(detail) => {
                let payment = order.payments.reported(&transaction_id, false);
                order.payment_refusal(RefusalCode::PaymentMismatch, detail, payment)
            }
            None => order.success("Payment confirmed.", false),
        },
        None => order.still_undecided("The payment is being recorded."),
    })
}

/// Records a refused confirmation for the work list, because the customer may have paid.
async fn record_refused_report(
    ctx: &Context,
    confirmation: &PaymentConfirmation,
    outcome: &UpdateOutcome,
) {
    let UpdateOutcome::Refused { code, .. } = outcome else {
        return;
    };
    let is_bounded = ctx.state(OrderWorkflow::is_bounded);
    if !is_bounded && !ctx.patched(patches::RECORD_REFUSED_REPORT) {
        return;
    }
    let event = ctx.state(|order| {
        let state = &order.state;
        let currency = state.order.as_ref().map(|order| order.currency);
        confirmation.refused_report(&state.order_id, *code, currency)
    });
    if is_bounded {
        return ctx.state_mut(|order| order.payment_events.push_own_report(event));
    }
    event_queue::record_own_report(ctx, event).await;
}

/// Waits for the decision about one recall. The order's status then shows the outcome.
pub(super) async fn await_recall(
    ctx: &Context,
    recall_number: u32,
    already: bool,
    (request, origin): (&'static str, RequestOrigin),
) -> UpdateOutcome {
    wait_for_decision(ctx, |order| order.is_recall_decided(recall_number)).await;
    let now = current_time(ctx);
    let decide = |order: &mut OrderWorkflow| match order.state.status() {
        _ if !order.is_recall_decided(recall_number) => order.still_undecided(UNDECIDED),
        OrderStatus::Shipped | OrderStatus::Delivered => order.refuse_request(
            request,
            RefusalCode::AlreadyShipped,
            "the parcel was already dispatched",
            now,
        ),
        OrderStatus::Cancelled if request == CANCEL_ORDER => {
            order.success("Order cancelled.", already)
        }
        OrderStatus::Cancelled | OrderStatus::Failed => order.refuse_request(
            request,
            RefusalCode::OrderClosed,
            "the order is cancelled or has failed",
            now,
        ),
        // An address change, new quantities and a hold leave the order open after a recall.
        OrderStatus::Pending | OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            if request == HOLD_ORDER {
                order.success("Order held.", already)
            } else if request == UPDATE_ITEMS {
                order.items_success(already)
            } else {
                order.address_success(already)
            }
        }
    };
    ctx.state_mut(|order| order.caused_by(Some(origin), decide))
}

const UNDECIDED: &str = "The carrier has not confirmed yet whether it has the parcel.";

/// Waits for a condition, at most [`policies::DECISION_TIMEOUT`].
pub(super) async fn wait_for_decision(ctx: &Context, condition: impl Fn(&OrderWorkflow) -> bool) {
    if ctx.state(&condition) {
        return;
    }
    let token = WorkflowCancellationToken::new();
    let mut timer = ctx.timer(
        TimerOptions::builder(policies::DECISION_TIMEOUT)
            .cancellation_token(token.clone())
            .build(),
    );
    let mut condition_met =
        ctx.wait_condition_with_options(|order| condition(order), waiting::detached_wait());
    select! {
        _ = timer => {}
        _ = condition_met => token.cancel(),
    }
}

/// A request whose caller has got the response that it is decided later.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeferredRequest {
    Address(AddressChange),
    PaymentCancellation(PaymentCancellation),
    PaymentConfirmation(PaymentConfirmation),
    Notes(NotesChange),
    Items(ItemsChange),
}

/// Waits until the order is validated or stopped, at most [`policies::DECISION_TIMEOUT`]. Returns
/// whether it is.
pub(super) async fn wait_for_order(ctx: &Context) -> bool {
    if !ctx.state(OrderWorkflow::is_bounded) {
        wait_until_validated(ctx).await;
        return true;
    }
    wait_for_decision(ctx, OrderWorkflow::is_validated_or_stopped).await;
    ctx.state(OrderWorkflow::is_validated_or_stopped)
}

/// Returns the origin of the request that is being handled.
pub(super) fn origin_of(ctx: &Context) -> RequestOrigin {
    let received = ctx.context_value::<ReceivedUpdate>();
    received.map_or_else(RequestOrigin::temporal, |received| received.origin.clone())
}

pub(super) fn defer(
    ctx: &Context,
    request: DeferredRequest,
    origin: RequestOrigin,
) -> UpdateOutcome {
    ctx.state_mut(|order| {
        order.deferred.push_back(request);
        order.deferred_origins.push_back(origin);
        order.still_undecided("The order is not loaded yet; the request is decided afterwards.")
    })
}

/// Decides deferred requests when the order is loaded, in the order of their arrival.
pub(super) async fn decide_deferred(ctx: &Context) -> Infallible {
    loop {
        let is_ready =
            |order: &OrderWorkflow| order.is_validated_or_stopped() && !order.deferred.is_empty();
        // A wait that is detached from cancellation cannot fail.
        let _ = ctx
            .wait_condition_with_options(is_ready, waiting::detached_wait())
            .await;
        // No caller waits for these outcomes; the audit log has them.
        let origin = ctx.state(|order| order.deferred_origins.front().cloned());
        let origin = origin.unwrap_or_else(RequestOrigin::temporal);
        match ctx.state(|order| order.deferred.front().cloned()) {
            Some(DeferredRequest::Address(change)) => {
                Box::pin(update_address_from(ctx, Message::Valid(change), origin)).await;
            }
            Some(DeferredRequest::PaymentCancellation(cancellation)) => {
                Box::pin(cancel_payment_from(
                    ctx,
                    Message::Valid(cancellation),
                    origin,
                ))
                .await;
            }
            Some(DeferredRequest::PaymentConfirmation(confirmation)) => {
                Box::pin(confirm_payment_from(
                    ctx,
                    Message::Valid(confirmation),
                    origin,
                ))
                .await;
            }
            Some(DeferredRequest::Notes(change)) => {
                Box::pin(update_order_from(ctx, Message::Valid(change), origin)).await;
            }
            Some(DeferredRequest::Items(change)) => {
                let change = Message::Valid(change);
                Box::pin(items::update_items_from(ctx, change, origin)).await;
            }
            None => {}
        }
        ctx.state_mut(|order| {
            order.deferred_origins.pop_front();
            order.deferred.pop_front()
        });
    }
}

/// Waits until the order is validated or stopped. Payment events of earlier releases wait here.
pub(super) async fn wait_until_validated(ctx: &Context) {
    // A wait that is detached from cancellation cannot fail.
    let _ = ctx
        .wait_condition_with_options(
            OrderWorkflow::is_validated_or_stopped,
            waiting::detached_wait(),
        )
        .await;
}

/// Records the refusal of a malformed signal in the audit log, because a signal's sender receives
/// no outcome.
/// Validators refuse malformed updates before this point.
pub(super) fn refuse_malformed(ctx: &Context, request: &str, reason: String) -> UpdateOutcome {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.accept_message::<()>(request, Message::Malformed(reason.clone()), now);
        order.malformed_refusal(reason)
    })
}
