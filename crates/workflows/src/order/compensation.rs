//! Compensation of a stopped order, newest effect first, until each compensation succeeds.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{Compensation, OrderWorkflow, current_time, payment, persistence};
use crate::activity::{OrderActivities, RefundPaymentInput};
use domain::{AuditEventType, PaymentStatus, Step};

type Context = WorkflowContext<OrderWorkflow>;

/// Runs all compensations without a time limit. An order whose compensation cannot proceed stays
/// visible at the step `compensate`.
pub(super) async fn compensate_order(ctx: &Context) {
    ctx.state_mut(|order| {
        order.shipping = None;
        order.state.enter_step(Step::Compensate);
    });
    persistence::publish_search_attributes(ctx);
    // An accepted confirmation is money that arrived. It must be recorded before it can be
    // refunded.
    payment::record_accepted_confirmation(ctx).await;
    while let Some(compensation) = ctx.state_mut(|order| order.compensations.pop()) {
        match compensation {
            Compensation::RefundPayment => refund_payment(ctx).await,
            Compensation::ReleaseInventory => {
                let released =
                    persistence::run_durable(ctx, OrderActivities::release_inventory, |write| {
                        write
                    })
                    .await;
                let now = current_time(ctx);
                if released {
                    ctx.state_mut(|order| {
                        order.append_audit_event(AuditEventType::InventoryReleased, json!({}), now)
                    });
                }
            }
        }
    }
}

/// Refunds the payment, or makes sure that it is never captured.
pub(super) async fn refund_payment(ctx: &Context) {
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
