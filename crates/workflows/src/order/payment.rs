//! Payment of an order, exactly once: by our own charge or by a confirmation.

use chrono::{DateTime, Utc};
use serde_json::json;
use temporalio_workflow::WorkflowContext;
use waiting::WaitOutcome;

use super::{
    Compensation, ConfirmationOutcome, OrderStopped, OrderWorkflow, Progress, current_time,
    payment_events, persistence, refund::refund_payment, request_name, waiting,
};
use crate::{
    activity::{
        ChargeOutcome, ChargePaymentInput, OrderActivities, RecordPaymentInput,
        RecordPaymentOutcome,
    },
    policies,
};
use contract::{PaymentConfirmation, RefusalCode, UpdateOutcome};
use domain::{
    AuditEventType, FailureCode, Money, Order, OrderStatus, PaymentId, PaymentInfo, PaymentStatus,
    Step, TransactionId, WebhookProvider,
};

type Context = WorkflowContext<OrderWorkflow>;

/// Charges the order or waits for its payment. On success the order is `payment_confirmed`.
pub(super) async fn collect_payment(ctx: &Context) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.state.enter_step(Step::Pay));
    waiting::wait_for(
        ctx,
        ctx.state(|order| order.policy.payment_processing_delay.duration()),
    )
    .await?;
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    if ctx.state(|order| order.is_charged(&valid)) {
        charge_payment(ctx, &valid).await?;
    } else {
        await_confirmation(ctx, &valid).await?;
    }
    mark_paid(ctx)
}

/// Refunds a cancelled payment and waits for another one.
pub(super) async fn replace_payment(ctx: &Context) -> Progress {
    persistence::publish_search_attributes(ctx);
    refund_payment(ctx).await;
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment)
    });
    waiting::ensure_not_stopped(ctx)?;
    let Some(valid) = ctx.state(|order| order.state.order.clone()) else {
        return Err(OrderStopped);
    };
    await_confirmation(ctx, &valid).await?;
    mark_paid(ctx)
}

fn mark_paid(ctx: &Context) -> Progress {
    waiting::ensure_not_stopped(ctx)?;
    ctx.state_mut(|order| order.advance_to(OrderStatus::PaymentConfirmed, Step::Pay))
}

async fn charge_payment(ctx: &Context, valid: &Order) -> Progress {
    let payment_id = payment_id_or_default(ctx, valid)?;
    let started = current_time(ctx);
    ctx.state_mut(|order| {
        // Added before the charge. If the response is lost, the refund finds out whether the charge
        // succeeded.
        order.compensations.push(Compensation::RefundPayment);
        order.state.payment = Some(pending_payment(
            &payment_id,
            None,
            valid.total,
            valid.payment_method.clone(),
            started,
        ));
    });
    let mut number = 0;
    loop {
        number += 1;
        match call_provider(ctx, valid, &payment_id).await {
            ChargeOutcome::Captured { transaction_id } => {
                return record_capture(ctx, transaction_id);
            }
            ChargeOutcome::Unfinished { transaction_id } => {
                // The charge now stays open at the provider. The refund closes it if no
                // confirmation arrives.
                ctx.state_mut(|order| order.unfinished_transaction = Some(transaction_id));
                return await_confirmation(ctx, valid).await;
            }
            ChargeOutcome::Declined { reason } => {
                return fail_payment(
                    ctx,
                    FailureCode::PaymentDeclined,
                    AuditEventType::PaymentDeclined,
                    reason,
                );
            }
            ChargeOutcome::InUse => {
                let reason = format!("{payment_id} is used for another order");
                return fail_payment(
                    ctx,
                    FailureCode::PaymentIdInUse,
                    AuditEventType::PaymentDeclined,
                    reason,
                );
            }
            ChargeOutcome::Unavailable { reason } => {
                count_unavailable_call(ctx, started, number, reason)?
            }
        }
        // If the order is cancelled during the pause, the refund finds out whether the charge
        // succeeded.
        waiting::wait_for(ctx, policies::backoff(number)).await?;
    }
}

/// Makes one call to the provider. Repeated calls with the same payment id charge once.
async fn call_provider(ctx: &Context, valid: &Order, payment_id: &PaymentId) -> ChargeOutcome {
    let charge = |write| ChargePaymentInput {
        write,
        payment_id: payment_id.clone(),
        amount: valid.total,
        payment_method: valid.payment_method.clone(),
    };
    persistence::run_durable(ctx, OrderActivities::charge_payment, charge).await
}

/// Makes one last call for a charge that waits for its customer, because its confirmation may be
/// lost.
async fn query_unfinished_charge(ctx: &Context, valid: &Order) -> Option<TransactionId> {
    let unfinished = |order: &OrderWorkflow| {
        order
            .unfinished_transaction
            .as_ref()
            .and(order.state.payment.as_ref())
            .cloned()
    };
    let payment_id = ctx.state(unfinished)?.payment_id;
    match call_provider(ctx, valid, &payment_id).await {
        ChargeOutcome::Captured { transaction_id } => Some(transaction_id),
        ChargeOutcome::Unfinished { .. }
        | ChargeOutcome::Declined { .. }
        | ChargeOutcome::InUse
        | ChargeOutcome::Unavailable { .. } => None,
    }
}

/// Counts a call without a clear response. The order fails when the provider did not respond for
/// `payment_retry_for`.
fn count_unavailable_call(
    ctx: &Context,
    started: DateTime<Utc>,
    number: u32,
    reason: String,
) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.state.count_retry(Step::Pay);
        order.append_audit_event(
            AuditEventType::PaymentUnavailable,
            json!({"reason": reason, "try": number}),
            now,
        );
        let unavailable_for =
            (now - started).to_std().unwrap_or_default() + policies::backoff(number);
        if unavailable_for > order.policy.payment_retry_for.duration() {
            order.transition_to_failed(
                FailureCode::PaymentUnavailable,
                format!("the payment provider did not respond: {reason}"),
                now,
            );
            return Err(OrderStopped);
        }
        Ok(())
    })
}

fn record_capture(ctx: &Context, transaction_id: TransactionId) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.state.payment {
            payment.transaction_id = Some(transaction_id.clone());
            payment.status = PaymentStatus::Captured;
            payment.timestamp = now;
        }
        // A caller may have confirmed this transaction during the call and waits for the outcome.
        if order.unfinished_transaction.take().is_some() && order.confirmation.is_some() {
            order.confirmation_outcome = Some(ConfirmationOutcome::Recorded);
        }
        let payment = order.state.payment.clone();
        order.append_audit_event(AuditEventType::PaymentCaptured, json!(payment), now);
        Ok(())
    })
}

/// Fails the order after a final refusal. The payment was not captured, so no refund is necessary.
fn fail_payment(
    ctx: &Context,
    code: FailureCode,
    kind: AuditEventType,
    reason: String,
) -> Progress {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment);
        if let Some(payment) = &mut order.state.payment {
            payment.status = PaymentStatus::Declined;
            payment.timestamp = now;
        }
        order.append_audit_event(kind, json!({"code": code, "reason": reason}), now);
        order.transition_to_failed(code, reason, now);
    });
    Err(OrderStopped)
}

async fn await_confirmation(ctx: &Context, valid: &Order) -> Progress {
    let requested = current_time(ctx);
    let timeout = ctx.state_mut(|order| {
        let mut payload = json!({
            "amount": valid.total.decimal(),
            "currency": valid.currency,
            "timeout": order.policy.payment_timeout,
        });
        if let Some(transaction_id) = &order.unfinished_transaction {
            payload["transaction_id"] = json!(transaction_id);
        }
        order.append_audit_event(AuditEventType::PaymentRequested, payload, requested);
        order.payment_awaited = true;
        order.policy.payment_timeout
    });
    persistence::publish_search_attributes(ctx);
    loop {
        persistence::write_pending(ctx).await;
        let elapsed = (current_time(ctx) - requested).to_std().unwrap_or_default();
        let left = timeout.duration().saturating_sub(elapsed);
        let settled =
            |order: &OrderWorkflow| order.confirmation.is_some() || order.payment_failed.is_some();
        if waiting::wait_until(ctx, settled, left).await? == WaitOutcome::TimedOut {
            if let Some(transaction_id) = query_unfinished_charge(ctx, valid).await {
                return record_capture(ctx, transaction_id);
            }
            let now = current_time(ctx);
            ctx.state_mut(|order| {
                order.append_audit_event(
                    AuditEventType::PaymentTimedOut,
                    json!({"timeout": timeout}),
                    now,
                );
                order.transition_to_cancelled(
                    Some(format!("no payment within {timeout}")),
                    "payment_timeout",
                    now,
                );
            });
            return Err(OrderStopped);
        }
        if let Some(confirmation) = ctx.state(|order| order.confirmation.clone()) {
            if record_confirmation(ctx, valid, confirmation).await? {
                ctx.state_mut(|order| order.payment_awaited = false);
                return Ok(());
            }
        } else if let Some(reason) = ctx.state(|order| order.payment_failed.clone()) {
            return fail_payment(
                ctx,
                FailureCode::PaymentDeclined,
                AuditEventType::PaymentDeclined,
                reason,
            );
        }
    }
}

/// Records the confirmation that an order accepted before it was stopped.
pub(super) async fn record_accepted_confirmation(ctx: &Context) {
    let waiting = ctx.state(|order| {
        let recorded = order
            .state
            .payment
            .as_ref()
            .and_then(|payment| payment.transaction_id.as_ref());
        let accepted = order
            .confirmation
            .clone()
            .filter(|accepted| recorded != Some(&accepted.transaction_id));
        order.state.order.clone().zip(accepted)
    });
    if let Some((valid, confirmation)) = waiting {
        // The order is stopped in each case. Recording only adds the compensation if the payment is
        // valid.
        let _ = record_confirmation(ctx, &valid, confirmation).await;
    }
}

/// Records a confirmation. Returns `false` when the transaction is used for another order and the
/// wait continues.
async fn record_confirmation(
    ctx: &Context,
    valid: &Order,
    confirmation: PaymentConfirmation,
) -> Progress<bool> {
    // The order's own payment id names one payment. A payment after a cancelled one has another id.
    let own = ctx.state(
        |order| match (&order.unfinished_transaction, &order.state.payment) {
            (Some(_), Some(unfinished)) => Some(unfinished.payment_id.clone()),
            _ => valid
                .payment_id
                .clone()
                .filter(|_| order.cancelled_payments.is_empty()),
        },
    );
    let is_own = own.is_some();
    let payment_id = match own {
        Some(payment_id) => payment_id,
        None => {
            let provider = confirmation
                .provider
                .map_or("external", WebhookProvider::as_str);
            PaymentId::parse(&format!("{provider}:{}", confirmation.transaction_id))
                .map_err(|_| OrderStopped)?
        }
    };
    let used = payment_id.clone();
    let started = current_time(ctx);
    let before = ctx.state(|order| order.state.payment.clone());
    ctx.state_mut(|order| {
        let method = confirmation.payment_method.clone();
        let transaction_id = Some(confirmation.transaction_id.clone());
        // A charge that waited for its customer has added its compensation already.
        if !order.compensations.contains(&Compensation::RefundPayment) {
            order.compensations.push(Compensation::RefundPayment);
        }
        order.state.payment = Some(pending_payment(
            &payment_id,
            transaction_id,
            valid.total,
            method,
            started,
        ));
    });
    let recorded = persistence::run_durable(ctx, OrderActivities::record_payment, |write| {
        RecordPaymentInput {
            write,
            payment_id,
            amount: valid.total,
            confirmation: confirmation.clone(),
        }
    });
    let recorded = recorded.await;
    let now = current_time(ctx);
    ctx.state_mut(|order| match recorded {
        RecordPaymentOutcome::Recorded | RecordPaymentOutcome::AlreadyRefunded => {
            order.unfinished_transaction = None;
            if let Some(payment) = &mut order.state.payment {
                payment.status = PaymentStatus::Captured;
            }
            let payment = order.state.payment.clone();
            order.append_audit_event(AuditEventType::PaymentConfirmed, json!(payment), now);
            order.confirmation_outcome = Some(ConfirmationOutcome::Recorded);
            if let (RecordPaymentOutcome::AlreadyRefunded, Some(provider)) =
                (recorded, confirmation.provider)
            {
                order.decide_cancel(payment_events::cancellation_for_lost_payment(provider), now);
            }
            Ok(true)
        }
        RecordPaymentOutcome::PaymentInUse if is_own => {
            order
                .compensations
                .retain(|compensation| *compensation != Compensation::RefundPayment);
            order.state.payment = before;
            order.confirmation = None;
            let detail = format!("{used} is used for another order");
            order.append_audit_event(
                AuditEventType::PaymentDeclined,
                json!({"code": FailureCode::PaymentIdInUse, "reason": detail}),
                now,
            );
            order.transition_to_failed(FailureCode::PaymentIdInUse, detail.clone(), now);
            let status = order.state.status();
            let refusal = UpdateOutcome::Refused {
                code: RefusalCode::PaymentIdInUse,
                detail,
                status,
            };
            order.confirmation_outcome = Some(ConfirmationOutcome::Refused(refusal));
            Err(OrderStopped)
        }
        // A payment id derived from the transaction collides exactly when the transaction is in
        // use.
        RecordPaymentOutcome::PaymentInUse | RecordPaymentOutcome::TransactionInUse => {
            order
                .compensations
                .retain(|compensation| *compensation != Compensation::RefundPayment);
            order.state.payment = before;
            order.confirmation = None;
            let detail = format!("{} is used for another order", confirmation.transaction_id);
            order.audit_refusal(request_name::CONFIRM_PAYMENT, "payment_id_in_use", now);
            let status = order.state.status();
            let refusal = UpdateOutcome::Refused {
                code: RefusalCode::PaymentIdInUse,
                detail,
                status,
            };
            order.confirmation_outcome = Some(ConfirmationOutcome::Refused(refusal));
            Ok(false)
        }
    })
}

impl OrderWorkflow {
    /// Returns whether the order charges its own payment id. After a cancelled payment, the next
    /// payment arrives by confirmation.
    pub(super) fn is_charged(&self, valid: &Order) -> bool {
        self.policy.charges_payment(valid) && self.cancelled_payments.is_empty()
    }

    /// Marks the payment for refund and moves the order back to the payment step.
    pub(super) fn apply_payment_cancel(&mut self, now: DateTime<Utc>) -> Progress {
        self.advance_to(OrderStatus::Pending, Step::Pay)?;
        self.confirmation = None;
        self.confirmation_outcome = None;
        if let Some(payment) = &mut self.state.payment {
            payment.status = PaymentStatus::Refunding;
            self.cancelled_payments
                .extend(payment.transaction_id.clone());
        }
        let payment = self.state.payment.clone();
        self.append_audit_event(AuditEventType::PaymentCancelled, json!(payment), now);
        Ok(())
    }
}

fn payment_id_or_default(ctx: &Context, valid: &Order) -> Progress<PaymentId> {
    let default_id = || {
        PaymentId::parse(&format!(
            "pmt-{}",
            ctx.state(|order| order.state.order_id.clone())
        ))
    };
    valid
        .payment_id
        .clone()
        .map_or_else(default_id, Ok)
        .map_err(|_| OrderStopped)
}

fn pending_payment(
    payment_id: &PaymentId,
    transaction_id: Option<TransactionId>,
    amount: Money,
    payment_method: Option<String>,
    timestamp: DateTime<Utc>,
) -> PaymentInfo {
    PaymentInfo {
        payment_id: payment_id.clone(),
        transaction_id,
        amount: amount.decimal(),
        payment_method,
        status: PaymentStatus::Pending,
        timestamp,
        dispute: None,
    }
}
