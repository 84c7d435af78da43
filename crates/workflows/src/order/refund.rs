//! The refund of an order's payment, for a cancelled payment and for a stopped order.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, current_time, persistence};
use crate::activity::{OrderActivities, RefundPaymentInput};
use domain::{AuditEventType, PaymentStatus};

/// Refunds the payment, or makes sure that it is never captured.
pub(super) async fn refund_payment(ctx: &WorkflowContext<OrderWorkflow>) {
    let Some(payment_id) = ctx.state(|order| {
        order
            .state
            .payment
            .as_ref()
            .map(|payment| payment.payment_id.clone())
    }) else {
        return;
    };
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.state.payment {
            payment.status = PaymentStatus::Refunding;
        }
    });
    let refunded = persistence::run_durable(ctx, OrderActivities::refund_payment, |write| {
        RefundPaymentInput { write, payment_id }
    })
    .await;
    let now = current_time(ctx);
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.state.payment {
            payment.status = refunded.status;
            payment.timestamp = now;
        }
        let kind = match refunded.status {
            PaymentStatus::Refunded => AuditEventType::PaymentRefunded,
            PaymentStatus::RefundDue => AuditEventType::PaymentRefundDue,
            // No payment was captured, and the provider will not capture it later.
            PaymentStatus::Declined
            | PaymentStatus::Pending
            | PaymentStatus::Captured
            | PaymentStatus::Refunding => AuditEventType::PaymentDeclined,
        };
        let payment = order.state.payment.clone();
        order.append_audit_event(kind, json!(payment), now);
    });
}
