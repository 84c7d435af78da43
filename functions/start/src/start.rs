//! `POST /orders/{id}/start`: starts an order with the caller's id.

use tokio::time::Instant;

use crate::{
    app::App,
    body::{self, ParsedBody},
    quote,
    reservation::await_reservation,
    response::{self, PaymentIdRule},
};
use contract::{FieldError, InvalidFields};
use domain::{OrderId, PaymentMode};
use order_client::{NewOrder, StartError};
use orderflow_http::{ApiRequest, ApiResponse, Problem, ProblemCode};

pub(crate) async fn start_order(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let began = Instant::now();
    // The order id identifies a retry here. The key is validated all the same: an invalid key must
    // not look accepted.
    request.idempotency_key()?;
    let order_id = order_id(request)?;
    let ParsedBody {
        order_request,
        profile,
        is_expired,
    } = body::parse_start_body(app, request).await?;
    let order = order_request.into_order()?;
    let policy = app.policy_for(request, &order, profile)?;
    let fingerprint =
        contract::order_fingerprint(&order, profile.map_or("", |profile| profile.as_str()));
    let rule = match policy.payment {
        PaymentMode::Charge | PaymentMode::Auto => PaymentIdRule::Generated,
        PaymentMode::Confirm => PaymentIdRule::AsGiven,
    };
    let order = response::with_payment_id(order, &order_id, rule);
    app.check_chargeable(&order, &policy)?;
    let new = NewOrder {
        order_id: &order_id,
        order: &order,
        policy: &policy,
        fingerprint: &fingerprint,
        request_id: &request.request_id,
        origin: request.origin(),
        must_exist: is_expired,
    };
    match app.orders.start_order(&new).await {
        Ok(started) => {
            let accepted = response::accepted_response(&order_id, &order, &policy, &started)?;
            await_reservation(app, request, (began, &order_id), accepted).await
        }
        Err(StartError::Conflict) => {
            let detail =
                format!("Another request with a different body started the order '{order_id}'.");
            Err(Problem::new(ProblemCode::OrderExists, detail))
        }
        Err(StartError::Missing) => Err(quote::expired()),
        Err(StartError::Failed(error)) => Err(response::unanswered(
            error,
            &order_id,
            "a repeat with the same id is safe",
        )),
    }
}

/// Returns the caller's order id. An invalid one is an invalid request here, not an unknown order.
fn order_id(request: &ApiRequest) -> Result<OrderId, Problem> {
    let invalid_id = |error: String| {
        let detail = format!("the order id in the path {error}");
        Problem::from(InvalidFields(vec![FieldError {
            pointer: String::new(),
            detail,
        }]))
    };
    let id =
        OrderId::parse(request.path_parameter()).map_err(|error| invalid_id(error.to_string()))?;
    // URL libraries remove these two segments from a path, so no caller could read the order.
    if matches!(id.as_str(), "." | "..") {
        return Err(invalid_id("must not be '.' or '..'".to_owned()));
    }
    Ok(id)
}
