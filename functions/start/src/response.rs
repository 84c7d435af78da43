//! The response to a request that starts an order.

use serde::Serialize;

use contract::order_workflow_id;
use domain::{Currency, Decimal, Order, OrderId, OrderPolicy, OrderStatus, PaymentId};
use order_client::{Error, StartedOrder};
use orderflow_http::{ApiResponse, Problem, ProblemCode};

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

/// Returns the response to the first request, or to a repeated one, which has the present status of
/// the order.
pub(crate) fn accepted_response(
    order_id: &OrderId,
    order: &Order,
    policy: &OrderPolicy,
    started: &StartedOrder,
) -> Result<ApiResponse, Problem> {
    let takes_confirmation = !policy.charges_payment(order) && !order.is_free();
    let message = match (started.already_started, started.status) {
        (false, _) if takes_confirmation => {
            "Order created successfully. Awaiting payment confirmation."
        }
        (false, _) => "Order created successfully.",
        (true, status) => repeat_message(status, takes_confirmation),
    };
    let body = StartResponse {
        order_id,
        workflow_id: order_workflow_id(order_id),
        run_id: &started.run_id,
        status: started.status,
        total_amount: order.total.decimal(),
        currency: order.currency,
        payment_id: order.payment_id.as_ref(),
        message,
        already_started: started.already_started,
    };
    ApiResponse::accepted(format!("/orders/{order_id}"), &body)
}

/// Returns the message of a repeated start, which fits the present status of the order.
fn repeat_message(status: OrderStatus, takes_confirmation: bool) -> &'static str {
    match status {
        OrderStatus::Pending if takes_confirmation => {
            "The order exists already. Awaiting payment confirmation."
        }
        OrderStatus::Pending => "The order exists already and is being processed.",
        OrderStatus::PaymentConfirmed | OrderStatus::Preparing => {
            "The order exists already and is paid."
        }
        OrderStatus::Shipped => "The order exists already and has shipped.",
        OrderStatus::Delivered => "The order exists already and is delivered.",
        OrderStatus::Cancelled => "The order exists already and is cancelled. It takes no payment.",
        OrderStatus::Failed => "The order exists already and has failed. It takes no payment.",
    }
}

/// Returns the problem of a start whose outcome is unknown: it states that the order may exist.
pub(crate) fn unanswered(error: Error, order_id: &OrderId, advice: &str) -> Problem {
    match error {
        Error::Unavailable(_) | Error::NoWorker => {
            let detail = format!(
                "Temporal did not respond. The order '{order_id}' may have been created; {advice}."
            );
            Problem::new(ProblemCode::TemporalUnavailable, detail).with_cause(error)
        }
        Error::NotFound | Error::Unexpected(_) => error.into(),
    }
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
