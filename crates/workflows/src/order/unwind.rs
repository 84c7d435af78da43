//! Undoing what was done, newest first, until each undo holds.

use serde_json::json;
use temporalio_workflow::WorkflowContext;

use super::{OrderWorkflow, Undo, now, payment, save};
use crate::activity::{OrderSteps, Refund};
use domain::{EventType, PaymentStatus, Step};

type Context = WorkflowContext<OrderWorkflow>;

/// Runs every undo. There is no limit: an order whose undo can't proceed stays visible in `compensate`.
pub(super) async fn unwind(ctx: &Context) {
    ctx.state_mut(|order| {
        order.shipping = None;
        order.record.enter(Step::Compensate);
    });
    save::publish(ctx);
    // A confirmation that was accepted and not recorded yet is money that came: recorded, it can be refunded.
    payment::record_accepted(ctx).await;
    while let Some(undo) = ctx.state_mut(|order| order.undo.pop()) {
        match undo {
            Undo::RefundPayment => refund(ctx).await,
            Undo::ReleaseInventory => {
                let released =
                    save::outside(ctx, OrderSteps::release_inventory, |write| write).await;
                let now = now(ctx);
                if released {
                    ctx.state_mut(|order| {
                        order.audit(EventType::InventoryReleased, json!({}), now)
                    });
                }
            }
        }
    }
}

/// Gives back the payment, or makes sure that it is never taken.
pub(super) async fn refund(ctx: &Context) {
    let Some(payment_id) = ctx.state(|order| {
        order
            .record
            .payment
            .as_ref()
            .map(|payment| payment.payment_id.clone())
    }) else {
        return;
    };
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.record.payment {
            payment.status = PaymentStatus::Refunding;
        }
    });
    let refunded = save::outside(ctx, OrderSteps::refund_payment, |write| Refund {
        write,
        payment_id,
    })
    .await;
    let now = now(ctx);
    ctx.state_mut(|order| {
        if let Some(payment) = &mut order.record.payment {
            payment.status = refunded.status;
            payment.timestamp = now;
        }
        let kind = match refunded.status {
            PaymentStatus::Refunded => EventType::PaymentRefunded,
            PaymentStatus::RefundDue => EventType::PaymentRefundDue,
            // Nothing had been captured, and the provider will not capture it any more.
            PaymentStatus::Declined
            | PaymentStatus::Pending
            | PaymentStatus::Captured
            | PaymentStatus::Refunding => EventType::PaymentDeclined,
        };
        let payment = order.record.payment.clone();
        order.audit(kind, json!(payment), now);
    });
}
