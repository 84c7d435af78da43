//! `POST /orders`: starts an order with a generated id.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::{
    app::App,
    body::{self, ParsedBody},
    quote,
    reservation::await_reservation,
    response::{self, PaymentIdRule},
};
use domain::{Order, OrderId, OrderPolicy, PaymentMode};
use order_client::{NewOrder, StartError, StartedOrder};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, order_id_from_key, random_order_id,
};

/// Number of ids that are tried. Each collides with a chance of one in a million per order of the
/// same second.
const MAX_ATTEMPTS: u32 = 5;

pub(crate) async fn create_order(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let began = Instant::now();
    let key = request.idempotency_key()?;
    let ParsedBody {
        order_request,
        profile,
        is_expired,
    } = body::parse_create_body(app, request).await?;
    let order = order_request.into_order()?;
    let policy = app.policy_for(request, &order, profile)?;
    // This route generates a payment id only if the policy charges every order.
    app.check_chargeable(&order, &policy)?;
    let fingerprint =
        contract::order_fingerprint(&order, profile.map_or("", |profile| profile.as_str()));
    let attempt = Attempt {
        began,
        app,
        request,
        policy,
        order,
        fingerprint,
        is_expired,
    };
    let Some(key) = key else {
        return attempt.start_with_random_id().await;
    };
    let order_id = order_id_from_key(&key)?;
    match attempt.start_with_id(&order_id).await {
        Ok((order, started)) => attempt.respond(&order_id, &order, &started).await,
        Err(StartError::Conflict) => {
            let detail = "An earlier request used this Idempotency-Key with another body; send a new key for a new order.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        Err(StartError::Missing) => Err(quote::expired()),
        Err(StartError::Failed(error)) => {
            let advice = "a repeat with the same Idempotency-Key is safe";
            Err(response::unanswered(error, &order_id, advice))
        }
    }
}

struct Attempt<'a> {
    began: Instant,
    app: &'a App,
    request: &'a ApiRequest,
    policy: OrderPolicy,
    order: Order,
    fingerprint: String,
    is_expired: bool,
}

impl Attempt<'_> {
    async fn start_with_random_id(&self) -> Result<ApiResponse, Problem> {
        for _ in 0..MAX_ATTEMPTS {
            let order_id =
                random_order_id(DateTime::<Utc>::from(SystemTime::now()), rand::random())?;
            match self.start_with_id(&order_id).await {
                Ok((order, started)) if !started.already_started => {
                    return self.respond(&order_id, &order, &started).await;
                }
                // Another order has this id, even if its body is identical.
                Ok(_) | Err(StartError::Conflict) => {}
                Err(StartError::Missing) => return Err(quote::expired()),
                Err(StartError::Failed(error)) => {
                    let advice = "a repeat without an Idempotency-Key can create a second order";
                    return Err(response::unanswered(error, &order_id, advice));
                }
            }
        }
        Err(Problem::internal("every generated order id was in use"))
    }

    async fn respond(
        &self,
        order_id: &OrderId,
        order: &Order,
        started: &StartedOrder,
    ) -> Result<ApiResponse, Problem> {
        let accepted = response::accepted_response(order_id, order, &self.policy, started)?;
        await_reservation(self.app, self.request, (self.began, order_id), accepted).await
    }

    async fn start_with_id(&self, order_id: &OrderId) -> Result<(Order, StartedOrder), StartError> {
        let rule = if self.policy.payment == PaymentMode::Charge {
            PaymentIdRule::Generated
        } else {
            PaymentIdRule::AsGiven
        };
        let order = response::with_payment_id(self.order.clone(), order_id, rule);
        let new = NewOrder {
            order_id,
            order: &order,
            policy: &self.policy,
            fingerprint: &self.fingerprint,
            request_id: &self.request.request_id,
            origin: self.request.origin(),
            must_exist: self.is_expired,
        };
        let started = self.app.orders.start_order(&new).await?;
        Ok((order, started))
    }
}
