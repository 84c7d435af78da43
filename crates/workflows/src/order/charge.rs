//! Our own charge: the call to the provider, its outcome, and the capture after dispatch.

use chrono::{DateTime, Utc};
use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderStopped, OrderWorkflow, Progress, current_time,
    payments::{ConfirmationOutcome, PaymentPhase},
    persistence, waiting,
};
use crate::{
    activity::{CapturePaymentInput, ChargeOutcome, ChargePaymentInput, OrderActivities},
    policies,
};
use domain::{
    AuditEventType, CaptureMode, FailureCode, Order, PaymentId, PaymentInfo, PaymentStatus, Step,
    Transaction, TransactionId, WaitReason, WaitingFor,
};

type Context = WorkflowContext<OrderWorkflow>;

/// Charges the order. Returns the transaction of a charge that needs an action of the customer.
pub(super) async fn charge_payment(
    ctx: &Context,
    valid: &Order,
) -> Progress<Option<TransactionId>> {
    let payment_id = payment_id_or_default(ctx, valid)?;
    let started = current_time(ctx);
    ctx.state_mut(|order| {
        // Added before the charge. If the response is lost, the refund finds out whether the charge
        // succeeded.
        order.compensations.push(Compensation::RefundPayment);
        order.payments.phase = PaymentPhase::Charging;
        order.state.payment = Some(PaymentInfo::pending(
            payment_id.clone(),
            None,
            valid.total,
            valid.payment_method.clone(),
            started,
        ));
    });
    let mut number = 0;
    loop {
        number += 1;
        let outcome = call_provider(ctx, valid, &payment_id).await;
        ctx.state_mut(|order| order.state.waiting_for = None);
        match outcome {
            ChargeOutcome::Captured {
                transaction_id,
                transaction,
            } => {
                record_charge(ctx, transaction_id, transaction.map(|noted| *noted));
                return Ok(None);
            }
            ChargeOutcome::Authorised { transaction } => {
                record_authorisation(ctx, *transaction);
                return Ok(None);
            }
            ChargeOutcome::Unfinished { transaction_id } => {
                // The charge now stays open at the provider. The refund closes it if no
                // confirmation arrives.
                return Ok(Some(transaction_id));
            }
            ChargeOutcome::Declined { reason } => {
                return fail_payment(ctx, FailureCode::PaymentDeclined, reason);
            }
            ChargeOutcome::InUse => {
                let reason = format!("{payment_id} is used for another order");
                return fail_payment(ctx, FailureCode::PaymentIdInUse, reason);
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
    let capture = ctx.state(|order| order.policy.capture);
    let charge = |write| ChargePaymentInput {
        write,
        payment_id: payment_id.clone(),
        amount: valid.total,
        payment_method: valid.payment_method.clone(),
        capture,
    };
    persistence::run_durable(ctx, OrderActivities::charge_payment, charge).await
}

/// Makes one last call for a charge that waits for its customer, because its confirmation may be
/// lost. Returns whether the charge has paid the order.
pub(super) async fn query_unfinished_charge(ctx: &Context, valid: &Order) -> bool {
    let unfinished = |order: &OrderWorkflow| {
        let payment = order.state.payment.as_ref();
        order.payments.unfinished().and(payment).cloned()
    };
    let Some(payment) = ctx.state(unfinished) else {
        return false;
    };
    match call_provider(ctx, valid, &payment.payment_id).await {
        ChargeOutcome::Captured {
            transaction_id,
            transaction,
        } => {
            let transaction = transaction.map(|noted| *noted);
            record_charge(ctx, transaction_id, transaction);
            true
        }
        ChargeOutcome::Authorised { transaction } => {
            record_authorisation(ctx, *transaction);
            true
        }
        ChargeOutcome::Unfinished { .. }
        | ChargeOutcome::Declined { .. }
        | ChargeOutcome::InUse
        | ChargeOutcome::Unavailable { .. } => false,
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
        let pause = policies::backoff(number);
        let limit = order.policy.payment_retry_for;
        let wait = WaitingFor::new(WaitReason::Payment, started, limit);
        order.state.waiting_for = Some(wait.before_attempt(now + pause, reason.clone()));
        let unavailable_for = (now - started).to_std().unwrap_or_default() + pause;
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

/// Records our captured charge.
fn record_charge(ctx: &Context, transaction_id: TransactionId, transaction: Option<Transaction>) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        // A caller may have confirmed this transaction during the call and waits for the outcome.
        if order.payments.accepts(&transaction_id) {
            order
                .payments
                .outcomes
                .insert(transaction_id.clone(), ConfirmationOutcome::Recorded);
            order
                .payments
                .accepted
                .retain(|accepted| accepted.confirmation.transaction_id != transaction_id);
        }
        if let Some(payment) = &mut order.state.payment {
            payment.transaction_id = Some(transaction_id);
        }
        order.payments.phase = PaymentPhase::Covered;
        match transaction {
            Some(transaction) => order.note_transaction(transaction, now),
            None => order.note_status(PaymentStatus::Captured, now),
        }
        let payment = order.state.payment.clone();
        order.append_audit_event(AuditEventType::PaymentCaptured, json!(payment), now);
    });
}

/// Records our charge whose money is captured after dispatch.
fn record_authorisation(ctx: &Context, transaction: Transaction) {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order.payments.phase = PaymentPhase::Covered;
        order.note_transaction(transaction, now);
        let payment = order.state.payment.clone();
        order.append_audit_event(AuditEventType::PaymentAuthorised, json!(payment), now);
    });
}

/// Captures authorised money after dispatch. Money that cannot be captured is an entry of the work
/// list.
pub(super) async fn capture_payments(ctx: &Context) {
    if ctx.state(|order| order.policy.capture) != CaptureMode::OnDispatch {
        return;
    }
    // Each transaction is asked once. A refused capture leaves its part to the others.
    let mut asked = Vec::new();
    while let Some((payment_id, amount)) = ctx.state(|order| next_capture(order, &asked)) {
        asked.push(payment_id.clone());
        let captured = persistence::run_durable(ctx, OrderActivities::capture_payment, |write| {
            CapturePaymentInput {
                write,
                payment_id: payment_id.clone(),
                amount,
            }
        })
        .await;
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            let Some(transaction) = captured else { return };
            let is_captured = transaction.balance.captured > 0;
            let is_refused = !transaction.balance.concerns.is_empty();
            order.note_transaction(transaction, now);
            let payment = order.state.payment.clone();
            if is_captured {
                order.append_audit_event(AuditEventType::PaymentCaptured, json!(payment), now);
            } else if is_refused {
                order.append_audit_event(
                    AuditEventType::PaymentCaptureFailed,
                    json!({"payment": payment, "reason": "capture_refused"}),
                    now,
                );
            }
        });
    }
}

/// Returns the next transaction to capture and its amount in minor units, until the captured money
/// reaches the order's total.
fn next_capture(order: &OrderWorkflow, asked: &[PaymentId]) -> Option<(PaymentId, i64)> {
    let transactions = order.payments.transactions();
    let captured: i64 = transactions
        .iter()
        .map(|transaction| transaction.balance.paying())
        .sum();
    let left = order.state.order.as_ref()?.total.minor() - captured;
    transactions
        .iter()
        .filter(|transaction| !asked.contains(&transaction.payment_id))
        .map(|transaction| (transaction, transaction.balance.capturable().min(left)))
        .find(|(_, amount)| *amount > 0)
        .map(|(transaction, amount)| (transaction.payment_id.clone(), amount))
}

/// Fails the order after a final refusal. The payment was not captured, so no refund is necessary.
pub(super) fn fail_payment<T>(ctx: &Context, code: FailureCode, reason: String) -> Progress<T> {
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        order
            .compensations
            .retain(|compensation| *compensation != Compensation::RefundPayment);
        if let Some(payment) = &mut order.state.payment {
            payment.status = PaymentStatus::Declined;
            payment.timestamp = now;
        }
        let payload = json!({"code": code, "reason": reason});
        order.append_audit_event(AuditEventType::PaymentDeclined, payload, now);
        order.transition_to_failed(code, reason, now);
    });
    Err(OrderStopped)
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
