//! The response to a request that starts an order.

use serde::Serialize;

use contract::order_workflow_id;
use domain::{Currency, Decimal, Order, OrderId, OrderPolicy, OrderStatus, PaymentId};
use order_client::StartedOrder;
use orderflow_http::{ApiResponse, Problem};

/// The body of the response.
#[derive(Debug, Serialize)]
pub struct StartResponse<'a> {
    pub order_id: &'a OrderId,
    pub workflow_id: String,
    pub run_id: &'a str,
    pub status: OrderStatus,
    pub total_amount: Decimal,
    pub currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<&'a PaymentId>,
    pub message: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub already_started: bool,
}

/// Returns the response, which is the same for the first request and for every retry.
///
/// It does not depend on the order's progress between the two.
pub(crate) fn accepted_response(
    order_id: &OrderId,
    order: &Order,
    policy: &OrderPolicy,
    started: &StartedOrder,
    already_started: bool,
) -> Result<ApiResponse, Problem> {
    let message = if policy.charges_payment(order) || order.is_free() {
        "Order created successfully."
    } else {
        "Order created successfully. Awaiting payment confirmation."
    };
    let body = StartResponse {
        order_id,
        workflow_id: order_workflow_id(order_id),
        run_id: &started.run_id,
        status: OrderStatus::Pending,
        total_amount: order.total.decimal(),
        currency: order.currency,
        payment_id: order.payment_id.as_ref(),
        message,
        already_started,
    };
    ApiResponse::accepted(format!("/orders/{order_id}"), &body)
}

/// The rule for an order without a payment id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentIdRule {
    Generated,
    AsGiven,
}

/// Adds a payment id if the rule demands one and the order is not free.
///
/// The generated id is derived from the order id, so a retry generates the same one.
pub(crate) fn with_payment_id(mut order: Order, order_id: &OrderId, rule: PaymentIdRule) -> Order {
    if rule == PaymentIdRule::Generated && order.payment_id.is_none() && !order.is_free() {
        order.payment_id = PaymentId::parse(&format!("pmt-{order_id}")).ok();
    }
    order
}
