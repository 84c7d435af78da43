//! Refunds: of all payments of a stopped order or a cancelled payment, and of an excess.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, current_time, persistence};
use crate::{
    activity::{OrderActivities, RefundOutcome, RefundPaymentInput},
    patches,
};
use domain::{AuditEventType, Decimal, PaymentId, PaymentStatus};

type Context = WorkflowContext<OrderWorkflow>;

/// Refunds every payment of the order, or makes sure that it is never captured.
pub(super) async fn refund_payments(ctx: &Context) {
    if let Some(payment_id) = ctx.state(OrderWorkflow::unclear_charge) {
        refund_payment(ctx, payment_id).await;
    }
    refund_transactions(ctx).await;
}

/// Refunds the recorded transactions that need it.
pub(super) async fn refund_transactions(ctx: &Context) {
    let mut payments = ctx.state(|order| order.transactions_to_refund(false));
    let with_voids = ctx.state(|order| order.transactions_to_refund(true));
    if payments != with_voids && ctx.patched(patches::VOID_CANCELLED) {
        payments = with_voids;
    }
    for payment_id in payments {
        refund_payment(ctx, payment_id).await;
    }
}

async fn refund_payment(ctx: &Context, payment_id: PaymentId) {
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.state.payment {
            payment.status = PaymentStatus::Refunding;
        }
    });
    let refunded = run_refund(ctx, payment_id, None).await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        let status = refunded.status;
        match refunded.transaction {
            Some(transaction) => order.note_transaction(*transaction, now),
            None => order.note_status(status, now),
        }
        if let Some(payment) = &mut order.state.payment {
            payment.timestamp = now;
        }
        let kind = match status {
            PaymentStatus::Refunded => AuditEventType::PaymentRefunded,
            PaymentStatus::RefundDue => AuditEventType::PaymentRefundDue,
            // The provider accepted the refund, and reports its result later; or the customer's
            // bank has taken the money back.
            PaymentStatus::Refunding | PaymentStatus::Captured => return,
            // No payment was captured, and the provider will not capture it later.
            PaymentStatus::Declined | PaymentStatus::Pending => AuditEventType::PaymentDeclined,
        };
        let payment = order.state.payment.clone();
        order.append_audit_event(kind, json!(payment), now);
    });
}

/// Refunds captured money above the order's total, from the newest payment on.
pub(super) async fn refund_excess(ctx: &Context) {
    // One refund at a time: a second one would report the same excess again.
    if ctx.state_mut(|order| std::mem::replace(&mut order.payments.is_refunding_excess, true)) {
        return;
    }
    refund_each_excess(ctx).await;
    ctx.state_mut(|order| order.payments.is_refunding_excess = false);
}

async fn refund_each_excess(ctx: &Context) {
    let mut before = i64::MAX;
    loop {
        let found = ctx.state(|order| {
            let (excess, transaction) = order.find_excess()?;
            let keep = transaction.balance.available() - excess;
            Some((transaction.clone(), keep, excess))
        });
        // Each refund reduces the excess.
        let Some((transaction, keep, excess)) = found.filter(|(_, _, excess)| *excess < before)
        else {
            return;
        };
        before = excess;
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            let amount = Decimal::new(excess, transaction.currency.exponent());
            let payload = json!({
                "transaction_id": transaction.transaction_id,
                "provider": transaction.provider,
                "amount": amount,
            });
            order.append_audit_event(AuditEventType::PaymentExcess, payload, now);
        });
        let refunded = run_refund(ctx, transaction.payment_id, Some(keep)).await;
        let now = current_time(ctx);
        ctx.state_mut(|order| {
            if let Some(transaction) = refunded.transaction {
                order.note_transaction(*transaction, now);
            }
        });
    }
}

async fn run_refund(ctx: &Context, payment_id: PaymentId, keep: Option<i64>) -> RefundOutcome {
    let transaction = ctx.state(|order| {
        let known = order.payments.find_by_payment_id(&payment_id);
        // Payments of earlier releases have no ledger entry here.
        known.filter(|known| known.version > 0).cloned()
    });
    persistence::run_durable(ctx, OrderActivities::refund_payment, |write| {
        RefundPaymentInput {
            write,
            payment_id: payment_id.clone(),
            keep,
            transaction: transaction.clone().map(Box::new),
        }
    })
    .await
}
