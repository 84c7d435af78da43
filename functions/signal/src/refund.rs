//! `POST /orders/{id}/refunds`: starts a refund and returns the decision about it.

use crate::response;
use contract::{RefundDecision, RefundRequest, RefusalCode};
use domain::OrderId;
use order_client::{DecisionResult, Error, NewRefund, OrderClient};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters, random_refund_id,
};

pub(crate) async fn request_refund(
    orders: &OrderClient,
    request: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    // A customer gets money back through the shop only.
    request.require_shop_caller()?;
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let body: RefundRequest = request.parse_body()?;
    let refund_id = match request.idempotency_key()? {
        Some(key) => key.refund_id(&order_id)?,
        None => random_refund_id(rand::random())?,
    };
    let refund = NewRefund {
        order_id: &order_id,
        refund_id,
        request: body,
        origin: request.origin(),
    };
    match orders.request_refund(refund).await? {
        DecisionResult::Decided(decision) => respond(orders, &order_id, decision).await,
        DecisionResult::TooManyRequests(refusal) => Err(Problem::too_many_requests_for_order(
            refusal.retry_after_seconds,
        )),
    }
}

async fn respond(
    orders: &OrderClient,
    order_id: &OrderId,
    decision: RefundDecision,
) -> Result<ApiResponse, Problem> {
    match decision {
        RefundDecision::Accepted { refund, seq } => ApiResponse::accepted(
            format!("/orders/{order_id}/refunds/{}", refund.refund_id),
            &refund,
        )
        .map(|accepted| response::with_tag(accepted, seq)),
        RefundDecision::OrderChanged { seq } => Err(Problem::precondition_failed(seq)),
        RefundDecision::Refused {
            code,
            detail,
            order_status,
        } => Err(Problem::refused_by_order(
            code,
            &response::to_sentence(&detail),
            Some(order_status),
        )),
        RefundDecision::Invalid { pointer, detail } => Err(Problem::invalid_field(pointer, detail)),
        RefundDecision::KeyReused => {
            let detail = "An earlier request to this order used this Idempotency-Key with another body; send a new key.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        RefundDecision::UnknownOrder => Err(unknown_order(orders, order_id).await),
    }
}

/// The database gets an order when a worker has received it. Until then, only Temporal has it.
async fn unknown_order(orders: &OrderClient, order_id: &OrderId) -> Problem {
    match orders.describe_order(order_id).await {
        Ok(described) if described.is_open => Problem::refused_by_order(
            RefusalCode::NotPaid,
            "The order has no captured payment, so nothing can be refunded.",
            described.status,
        ),
        Ok(_) | Err(Error::NotFound) => Problem::order_not_found(order_id.as_str()),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            error.into()
        }
    }
}
