//! `POST /orders`: an order under an id that we make.

use std::time::SystemTime;

use chrono::{DateTime, Utc};

use crate::{
    App,
    body::{self, ParsedBody},
    response::{self, PaymentIdRule},
};
use domain::{Order, OrderId, OrderPolicy, PaymentMode};
use order_client::{NewOrder, StartError, StartedOrder};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, order_id_from_key, random_order_id,
};

/// Each try has a chance of one in a million per order of the same second.
const TRIES: u32 = 5;

pub(crate) async fn create_order(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let key = call.idempotency_key()?;
    let ParsedBody { request, profile } = body::parse_create_body(app, call)?;
    let policy = app.policy_for(profile)?;
    let order = request.into_order()?;
    // Here a payment id is made up only where every order is charged.
    app.check_chargeable(&order, &policy)?;
    let fingerprint =
        contract::order_fingerprint(&order, profile.map_or("", |profile| profile.as_str()));
    let attempt = Attempt {
        app,
        call,
        policy,
        order,
        fingerprint,
    };
    let Some(key) = key else {
        return attempt.under_fresh_id().await;
    };
    let order_id = order_id_from_key(&key)?;
    match attempt.under(&order_id).await {
        Ok((order, started)) => {
            response::accepted_response(&order_id, &order, &attempt.policy, &started, false)
        }
        Err(StartError::Conflict) => {
            let detail = "Another body was sent with this Idempotency-Key before. A new order needs a new key.";
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail))
        }
        Err(StartError::Failed(error)) => Err(error.into()),
    }
}

struct Attempt<'a> {
    app: &'a App,
    call: &'a ApiRequest,
    policy: OrderPolicy,
    order: Order,
    fingerprint: String,
}

impl Attempt<'_> {
    async fn under_fresh_id(&self) -> Result<ApiResponse, Problem> {
        for _ in 0..TRIES {
            let order_id =
                random_order_id(DateTime::<Utc>::from(SystemTime::now()), rand::random())?;
            match self.under(&order_id).await {
                Ok((order, started)) if !started.already_started => {
                    return response::accepted_response(
                        &order_id,
                        &order,
                        &self.policy,
                        &started,
                        false,
                    );
                }
                // Somebody else's order has this id, be it the same in every word.
                Ok(_) | Err(StartError::Conflict) => {}
                Err(StartError::Failed(error)) => return Err(error.into()),
            }
        }
        Err(Problem::internal("no free order id was found"))
    }

    async fn under(&self, order_id: &OrderId) -> Result<(Order, StartedOrder), StartError> {
        let made_up = if self.policy.payment == PaymentMode::Charge {
            PaymentIdRule::Generated
        } else {
            PaymentIdRule::AsGiven
        };
        let order = response::with_payment_id(self.order.clone(), order_id, made_up);
        let new = NewOrder {
            order_id,
            order: &order,
            policy: &self.policy,
            fingerprint: &self.fingerprint,
            request_id: &self.call.request_id,
        };
        let started = self.app.orders.start_order(&new).await?;
        Ok((order, started))
    }
}
