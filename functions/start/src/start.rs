//! `POST /orders/{id}/start`: an order under the caller's id.

use crate::{
    App,
    body::{self, ParsedBody},
    response::{self, PaymentIdRule},
};
use contract::{FieldError, InvalidFields};
use domain::{OrderId, PaymentMode};
use order_client::{NewOrder, StartError};
use orderflow_http::{ApiRequest, ApiResponse, Problem, ProblemCode};

pub(crate) async fn start_order(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    // Checked although the id is what makes a repeat one: a key that we'd ignore must not look accepted.
    call.idempotency_key()?;
    let order_id = order_id(call)?;
    let ParsedBody { request, profile } = body::parse_start_body(app, call)?;
    let policy = app.policy_for(profile)?;
    let order = request.into_order()?;
    let fingerprint =
        contract::order_fingerprint(&order, profile.map_or("", |profile| profile.as_str()));
    let payment = match policy.payment {
        PaymentMode::Charge | PaymentMode::Auto => PaymentIdRule::Generated,
        PaymentMode::Confirm => PaymentIdRule::AsGiven,
    };
    let order = response::with_payment_id(order, &order_id, payment);
    app.check_chargeable(&order, &policy)?;
    let new = NewOrder {
        order_id: &order_id,
        order: &order,
        policy: &policy,
        fingerprint: &fingerprint,
        request_id: &call.request_id,
    };
    match app.orders.start_order(&new).await {
        Ok(started) => response::accepted_response(
            &order_id,
            &order,
            &policy,
            &started,
            started.already_started,
        ),
        Err(StartError::Conflict) => {
            let detail = format!("The order '{order_id}' was started by another request.");
            Err(Problem::new(ProblemCode::OrderExists, detail))
        }
        Err(StartError::Failed(error)) => Err(error.into()),
    }
}

/// Here the caller makes the id, so a bad one is a mistake and not an order that nobody knows.
fn order_id(call: &ApiRequest) -> Result<OrderId, Problem> {
    let refused = |error: domain::IdError| {
        let detail = format!("the order id in the path {error}");
        Problem::from(InvalidFields(vec![FieldError {
            pointer: String::new(),
            detail,
        }]))
    };
    OrderId::parse(call.path_parameter()).map_err(refused)
}
