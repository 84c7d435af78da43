//! Compensation of a stopped order, newest effect first, until each compensation succeeds.

use temporalio_workflow::WorkflowContext;

use super::{
    Compensation, OrderWorkflow, earlier_runs, inventory, payment_record, persistence,
    refund::{refund_payments, refund_transactions},
    shipment,
};
use domain::Step;

type Context = WorkflowContext<OrderWorkflow>;

/// Runs all compensations without a time limit. An order whose compensation cannot proceed stays
/// visible at the step `compensate`.
pub(super) async fn compensate_order(ctx: &Context) {
    ctx.state_mut(|order| {
        order.shipping = None;
        order.state.enter_step(Step::Compensate);
    });
    persistence::publish_search_attributes(ctx);
    earlier_runs::learn_effects(ctx, "compensation").await;
    // An accepted payment is money that arrived. It must be recorded before it can be refunded.
    payment_record::record_accepted_payments(ctx).await;
    while let Some(compensation) = ctx.state_mut(|order| order.compensations.pop()) {
        match compensation {
            Compensation::RefundPayment => refund_payments(ctx).await,
            Compensation::DiscardShipment { number } => {
                shipment::discard_shipment(ctx, number).await;
            }
            Compensation::ReleaseInventory => inventory::release(ctx).await,
        }
    } // Money that arrived meanwhile, or that belongs to no order.
    refund_transactions(ctx).await;
}
