//! `POST /orders/{id}/returns` and the requests below it: they start the workflow of the return and
//! return the decision about it.

use crate::response;
use contract::{RefusalCode, ReturnChange, ReturnDecision, ReturnNote, ReturnView};
use domain::{OrderId, ReturnId};
use order_client::{DecisionResult, Error, NewReturnChange, OrderClient};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters, ReturnOperation,
    random_return_id,
};

pub(crate) async fn change_return(
    orders: &OrderClient,
    operation: ReturnOperation,
    request: &ApiRequest,
) -> Result<ApiResponse, Problem> {
    match operation {
        ReturnOperation::Request | ReturnOperation::Cancel => {}
        // A customer gets goods and money back through the shop only.
        ReturnOperation::Approve | ReturnOperation::Reject | ReturnOperation::Receive => {
            request.require_shop_caller()?;
        }
    }
    QueryParameters::new(request).finish()?;
    let order_id = request.order_id()?;
    let change = match operation {
        ReturnOperation::Request => ReturnChange::Request(request.parse_body()?),
        ReturnOperation::Approve => ReturnChange::Approve(request.parse_body()?),
        ReturnOperation::Reject => ReturnChange::Reject(request.parse_body()?),
        ReturnOperation::Receive => ReturnChange::Receive(request.parse_body()?),
        ReturnOperation::Cancel => ReturnChange::Cancel(cancellation(request)?),
    };
    let key = request.idempotency_key()?;
    let return_id = match (operation, key) {
        (ReturnOperation::Request, Some(key)) => key.return_id(&order_id)?,
        (ReturnOperation::Request, None) => random_return_id(rand::random())?,
        // The path names the return, so a repeated request needs no key.
        (
            ReturnOperation::Approve
            | ReturnOperation::Reject
            | ReturnOperation::Receive
            | ReturnOperation::Cancel,
            _,
        ) => ReturnId::parse(request.second_parameter())
            .map_err(|_| Problem::return_not_found(&order_id))?,
    };
    let change = NewReturnChange {
        order_id: &order_id,
        return_id,
        change,
        origin: request.origin(),
        // The database has the customer of the order, also after Temporal's retention.
        customer: request.customer().cloned(),
    };
    match orders.change_return(change).await? {
        DecisionResult::Decided(ReturnDecision::UnknownOrder) => {
            Err(unknown_order(orders, request, &order_id).await)
        }
        DecisionResult::Decided(decision) => respond(request, operation, &order_id, decision),
        DecisionResult::TooManyRequests(refusal) => Err(Problem::too_many_requests_for_order(
            refusal.retry_after_seconds,
        )),
    }
}

/// Reads a cancellation. A customer's own reason is for the customer too.
fn cancellation(request: &ApiRequest) -> Result<ReturnNote, Problem> {
    let mut note: ReturnNote = request.parse_body()?;
    if request.customer().is_some() && note.public_reason.is_none() {
        note.public_reason.clone_from(&note.reason);
    }
    Ok(note)
}

fn respond(
    request: &ApiRequest,
    operation: ReturnOperation,
    order_id: &OrderId,
    decision: ReturnDecision,
) -> Result<ApiResponse, Problem> {
    let view_for = |view: ReturnView| match request.customer() {
        Some(_) => view.for_customer(),
        None => view,
    };
    match decision {
        ReturnDecision::Accepted { view, seq } => {
            let accepted = if operation == ReturnOperation::Request {
                let location = format!("/orders/{order_id}/returns/{}", view.return_id);
                ApiResponse::created(location, &view_for(*view))
            } else {
                ApiResponse::ok(&view_for(*view))
            };
            accepted.map(|accepted| response::with_tag(accepted, seq))
        }
        ReturnDecision::OrderChanged { seq } => Err(Problem::precondition_failed(seq)),
        ReturnDecision::Refused {
            code,
            detail,
            order_status,
        } => Err(Problem::refused_by_order(
            code,
            &response::to_sentence(&detail),
            Some(order_status),
        )),
        ReturnDecision::Invalid { pointer, detail } => Err(Problem::invalid_field(pointer, detail)),
        ReturnDecision::KeyReused => {
            let detail = "An earlier request to this order used this Idempotency-Key with another body; send a new key.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        ReturnDecision::UnknownReturn => Err(Problem::return_not_found(order_id)),
        ReturnDecision::UnknownOrder => Err(Problem::order_not_found(order_id.as_str())),
    }
}

/// The database gets an order when a worker has received it. Until then, only Temporal has it, and it
/// has no returns.
async fn unknown_order(orders: &OrderClient, request: &ApiRequest, order_id: &OrderId) -> Problem {
    let owned = request
        .require_order_access(orders, async |_| Ok(None))
        .await;
    if let Err(problem) = owned {
        return problem;
    }
    match orders.describe_order(order_id).await {
        Ok(described) if described.is_open => Problem::refused_by_order(
            RefusalCode::NotDelivered,
            "The order is not delivered, so its units cannot be returned.",
            described.status,
        ),
        Ok(_) | Err(Error::NotFound) => Problem::order_not_found(order_id.as_str()),
        Err(error @ (Error::NoWorker | Error::Unavailable(_) | Error::Unexpected(_))) => {
            error.into()
        }
    }
}
