//! Payment of an order, exactly once: by our own charge, or by money that others report.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use temporalio_workflow::WorkflowContext;
use waiting::WaitOutcome;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress,
    charge::{charge_payment, fail_payment, query_unfinished_charge},
    continuation::WaitingPlace,
    current_time, hold, inventory, items,
    payment_record::{add_refund_compensation, record_payment},
    payments::{AwaitedPayment, PaymentPhase},
    persistence,
    refund::{refund_excess, refund_payments},
    transitions::Reasons,
    waiting,
};
use crate::{
    activity::{LookUpPaymentsInput, OrderActivities},
    patches,
};
use domain::{
    AuditEventType, Decimal, FailureCode, Order, OrderStatus, Span, Step, TransactionId,
    WaitReason, WaitingFor,
};

type Context = WorkflowContext<OrderWorkflow>;

/// Charges the order or waits for its payment. On success the order is `payment_confirmed`. A free
/// order takes no payment.
pub(super) async fn collect_payment(ctx: &Context) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    if ctx.state(OrderWorkflow::is_free) {
        return mark_paid(ctx);
    }
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        if !order.takes_up(WaitingPlace::PaymentDelay) {
            let delay = order.policy.payment_processing_delay;
            order.state.enter_step(Step::Pay);
            order.state.waiting_for =
                (!delay.is_zero()).then(|| WaitingFor::new(WaitReason::PaymentDelay, now, delay));
        }
    });
    if let Some(left) = waiting::time_left(ctx).filter(|left| !left.is_zero()) {
        waiting::wait_at(ctx, WaitingPlace::PaymentDelay, |_| false, left).await?;
    }
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.state.waiting_for = None);
    pay_order(ctx).await
}

/// Charges the order or waits for its payment, as soon as no operator holds it.
pub(super) async fn pay_order(ctx: &Context) -> Progress {
    hold::await_operator(ctx, WaitingPlace::HeldPayment).await?;
    items::await_change(ctx).await;
    waiting::ensure_not_stopped(ctx)?;
    if ctx.state(OrderWorkflow::is_free) {
        return mark_paid(ctx);
    }
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    if ctx.state(|order| order.is_charged(&valid)) {
        // The charge stays open at the provider. The refund closes it if no confirmation arrives.
        if let Some(unfinished) = charge_payment(ctx, &valid).await? {
            await_payment(ctx, &valid, Some(unfinished)).await?;
        }
    } else {
        await_payment(ctx, &valid, None).await?;
    }
    mark_paid(ctx)
}

/// Resumes the wait for a payment in which the run before continued as new.
pub(super) async fn resume_payment(ctx: &Context) -> Progress {
    ctx.state_mut(|order| order.takes_up(WaitingPlace::Payment));
    await_money(ctx).await?;
    mark_paid(ctx)
}

/// Refunds a cancelled payment and waits for another one.
pub(super) async fn replace_payment(ctx: &Context) -> Progress {
    persistence::publish_search_attributes(ctx);
    refund_payments(ctx).await;
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment)
    });
    waiting::ensure_not_stopped(ctx)?;
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    await_payment(ctx, &valid, None).await?;
    mark_paid(ctx)
}

fn mark_paid(ctx: &Context) -> Progress {
    ctx.state_mut(|order| {
        order.payments.phase = PaymentPhase::Covered;
        order.state.waiting_for = None;
    });
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.advance_to(OrderStatus::PaymentConfirmed, Step::Pay))
}

/// Waits until the recorded money reaches the total. `unfinished` is the transaction of our charge
/// that needs an action of the customer.
async fn await_payment(
    ctx: &Context,
    valid: &Order,
    unfinished: Option<TransactionId>,
) -> Progress {
    let requested = current_time(ctx);
    ctx.state_mut(|order| {
        let mut payload = json!({
            "amount": valid.total.decimal(),
            "currency": valid.currency,
            "timeout": order.policy.payment_timeout,
        });
        if let Some(transaction_id) = &unfinished {
            payload["transaction_id"] = json!(transaction_id);
        }
        order.payments.phase = PaymentPhase::Awaiting(AwaitedPayment {
            requested,
            unfinished,
            ..AwaitedPayment::default()
        });
        order.state.waiting_for = waiting_for(order, valid, requested);
        order.append_audit_event(AuditEventType::PaymentRequested, payload, requested);
    });
    persistence::publish_search_attributes(ctx);
    await_money(ctx).await
}

/// Returns the order as it is now. A request can change its quantities while it waits.
fn current_order(ctx: &Context) -> Progress<Order> {
    ctx.state(|order| order.state.order.clone())
        .ok_or(OrderStopped)
}

async fn await_money(ctx: &Context) -> Progress {
    wait_for_money(ctx).await?;
    inventory::reserve_again(ctx).await
}

async fn wait_for_money(ctx: &Context) -> Progress {
    let awaited = |order: &OrderWorkflow| order.payments.awaited().map(|awaited| awaited.requested);
    let requested = ctx.state(awaited).unwrap_or_else(|| current_time(ctx));
    loop {
        persistence::write_pending(ctx).await;
        let valid = current_order(ctx)?;
        let (left, timeout) = ctx.state_mut(|order| {
            order.state.waiting_for = waiting_for(order, &valid, requested);
            let timeout = payment_timeout(order);
            let elapsed = (current_time(ctx) - requested).to_std().unwrap_or_default();
            (timeout.duration().saturating_sub(elapsed), timeout)
        });
        let wake: fn(&OrderWorkflow) -> bool = if ctx.state(is_processing) {
            has_payment_news
        } else {
            has_payment_news_or_is_processing
        };
        let reserved_for = ctx.state(|order| reservation_left(order, timeout, left));
        let length = reserved_for.unwrap_or(left);
        let waited = waiting::wait_at(ctx, WaitingPlace::Payment, wake, length).await?;
        if waited == WaitOutcome::TimedOut && reserved_for.is_some() {
            inventory::release_unpaid(ctx).await;
            continue;
        }
        items::await_change(ctx).await;
        let valid = current_order(ctx)?;
        if waited == WaitOutcome::TimedOut {
            if query_unfinished_charge(ctx, &valid).await {
                return Ok(());
            }
            if ctx.patched(patches::LOOK_UP_PAYMENTS)
                && look_up_payments(ctx, &valid, requested).await
            {
                continue;
            }
            let now = current_time(ctx);
            ctx.state_mut(|order| {
                order.append_audit_event(
                    AuditEventType::PaymentTimedOut,
                    json!({"timeout": timeout}),
                    now,
                );
                order.transition_to_cancelled(
                    Reasons::of_order(
                        format!("no payment within {timeout}"),
                        "no payment arrived in time",
                    ),
                    "payment_timeout",
                    now,
                );
            });
            return Err(OrderStopped);
        }
        if let Some(accepted) = ctx.state(|order| order.payments.accepted.front().cloned()) {
            record_payment(ctx, &valid, accepted).await?;
        } else if let Some(reason) = ctx.state(|order| order.payments.awaited()?.declined.clone()) {
            return fail_payment(ctx, FailureCode::PaymentDeclined, reason);
        }
        if ctx.state(OrderWorkflow::is_covered) {
            ctx.state_mut(|order| {
                order.payments.phase = PaymentPhase::Covered;
                let now = current_time(ctx);
                order.refresh_payment_info(now);
            });
            refund_excess(ctx).await;
            return Ok(());
        }
    }
}

/// Returns the time until the order releases its stock, if that is before the end of its wait for a
/// payment in `left`. A slow payment method extends both times alike.
fn reservation_left(order: &OrderWorkflow, timeout: Span, left: Duration) -> Option<Duration> {
    let limits = order.policy.hold_limits.filter(|_| order.is_reserved)?;
    let extended = timeout
        .duration()
        .saturating_sub(order.policy.payment_timeout.duration());
    let held_for = limits.timeout.duration() + extended;
    let released_before = timeout.duration().checked_sub(held_for)?;
    let reserved_for = left.saturating_sub(released_before);
    (reserved_for < left).then_some(reserved_for)
}

fn is_processing(order: &OrderWorkflow) -> bool {
    order
        .payments
        .awaited()
        .is_some_and(|awaited| awaited.processing)
}

fn has_payment_news(order: &OrderWorkflow) -> bool {
    let is_declined = order
        .payments
        .awaited()
        .is_some_and(|awaited| awaited.declined.is_some());
    !order.payments.accepted.is_empty() || is_declined || order.is_covered()
}

fn has_payment_news_or_is_processing(order: &OrderWorkflow) -> bool {
    has_payment_news(order) || is_processing(order)
}

fn payment_timeout(order: &OrderWorkflow) -> Span {
    let policy = &order.policy;
    if is_processing(order) {
        policy
            .payment_processing_timeout
            .max(policy.payment_timeout)
    } else {
        policy.payment_timeout
    }
}

fn waiting_for(
    order: &OrderWorkflow,
    valid: &Order,
    requested: DateTime<Utc>,
) -> Option<WaitingFor> {
    let reason = if is_processing(order) {
        WaitReason::PaymentProcessing
    } else if order.missing_money(valid) < valid.total.minor() {
        WaitReason::PaymentRest
    } else {
        WaitReason::Payment
    };
    Some(WaitingFor {
        stock_released: order.has_released_stock(),
        ..WaitingFor::new(reason, requested, payment_timeout(order))
    })
}

/// Asks the providers for payments whose webhook events may be lost. Returns whether the order has
/// a reason to go on: the money reaches the total, or a provider processes a slow payment.
async fn look_up_payments(ctx: &Context, valid: &Order, requested: DateTime<Utc>) -> bool {
    let was_processing = ctx.state(is_processing);
    let found = persistence::run_durable(ctx, OrderActivities::look_up_payments, |write| {
        LookUpPaymentsInput {
            write,
            total: valid.total,
            since: requested,
        }
    })
    .await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        for transaction in found.transactions {
            let is_new = order
                .payments
                .find_by_payment_id(&transaction.payment_id)
                .is_none();
            let payload = json!({
                "transaction_id": transaction.transaction_id,
                "provider": transaction.provider,
                "source": "lookup",
            });
            let amount = Decimal::new(
                transaction
                    .balance
                    .captured
                    .max(transaction.balance.authorised),
                transaction.currency.exponent(),
            );
            let transaction_id = transaction.transaction_id.clone();
            add_refund_compensation(order);
            order.note_transaction(transaction, now);
            let entry = match transaction_id {
                Some(id) if !order.is_covered() => order.part_entry(&id, amount, valid),
                _ => (AuditEventType::PaymentConfirmed, payload),
            };
            if is_new {
                order.append_audit_event(entry.0, entry.1, now);
            }
        }
        let begins_processing = found.processing && !was_processing;
        if let Some(awaited) = order.payments.awaited_mut().filter(|_| begins_processing) {
            awaited.processing = true;
        }
        order.is_covered() || begins_processing
    })
}
