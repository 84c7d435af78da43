//! `POST /orders/{id}/start`: an order under the caller's id.

use crate::{
    App,
    answer::{self, Payment},
    read::{self, Wanted},
};
use contract::{FieldError, Invalid};
use domain::{OrderId, PaymentMode};
use order_client::{NewOrder, StartError};
use orderflow_http::{Call, Code, Problem, Reply};

pub(crate) async fn start(app: &App, call: &Call) -> Result<Reply, Problem> {
    // Checked although the id is what makes a repeat one: a key that we'd ignore must not look accepted.
    call.idempotency_key()?;
    let order_id = order_id(call)?;
    let Wanted { request, profile } = read::sketch(app, call)?;
    let policy = app.policy(profile)?;
    let order = request.into_order()?;
    let fingerprint =
        contract::order_fingerprint(&order, profile.map_or("", |profile| profile.as_str()));
    let payment = match policy.payment {
        PaymentMode::Charge | PaymentMode::Auto => Payment::MadeUp,
        PaymentMode::Confirm => Payment::AsGiven,
    };
    let order = answer::with_payment(order, &order_id, payment);
    app.chargeable(&order, &policy)?;
    let new = NewOrder {
        order_id: &order_id,
        order: &order,
        policy: &policy,
        fingerprint: &fingerprint,
        request_id: &call.request_id,
    };
    match app.orders.start(&new).await {
        Ok(started) => answer::accepted(&order_id, &order, &policy, &started, started.already),
        Err(StartError::Conflict) => {
            let detail = format!("The order '{order_id}' was started by another request.");
            Err(Problem::new(Code::OrderExists, detail))
        }
        Err(StartError::Failed(error)) => Err(error.into()),
    }
}

/// Here the caller makes the id, so a bad one is a mistake and not an order that nobody knows.
fn order_id(call: &Call) -> Result<OrderId, Problem> {
    let refused = |error: domain::IdError| {
        let detail = format!("the order id in the path {error}");
        Problem::from(Invalid(vec![FieldError {
            pointer: String::new(),
            detail,
        }]))
    };
    OrderId::parse(call.raw_id()).map_err(refused)
}
