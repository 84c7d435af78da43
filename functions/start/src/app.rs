//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{create, start};
use contract::{FieldError, Invalid};
use domain::{ChargeProvider, Order, OrderPolicy, Profile, SettingError, resolve_policy};
use order_client::{Orders, TemporalSettings};
use orderflow_http::{
    Application, Call, Function, Operation, Parameters, Problem, Reply, Starting, from_env, is_on,
    serve,
};

/// The settings and the door to Temporal, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: Orders,
    policy: OrderPolicy,
    charges_at: ChargeProvider,
    pub(crate) sample_cart: bool,
    pub(crate) profile_override: bool,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: Orders) -> Result<Self, SettingError> {
        Ok(Self {
            orders,
            policy: resolve_policy(None, from_env)?,
            charges_at: ChargeProvider::read(from_env)?,
            sample_cart: is_on("SAMPLE_CART", from_env)?,
            profile_override: is_on("ALLOW_PROFILE_OVERRIDE", from_env)?,
        })
    }

    /// How an order is handled that names this profile, or none.
    pub(crate) fn policy(&self, profile: Option<Profile>) -> Result<OrderPolicy, Problem> {
        let Some(profile) = profile else {
            return Ok(self.policy.clone());
        };
        resolve_policy(Some(profile), from_env).map_err(Problem::internal)
    }

    /// Refuses an order that is to be charged, and does not say what.
    pub(crate) fn chargeable(&self, order: &Order, policy: &OrderPolicy) -> Result<(), Problem> {
        let objection = self.charges_at.objection(order.payment_method.as_deref());
        match objection.filter(|_| policy.charges(order)) {
            None => Ok(()),
            Some(detail) => {
                let error = FieldError {
                    pointer: "/payment/method".to_owned(),
                    detail: detail.to_owned(),
                };
                Err(Invalid(vec![error]).into())
            }
        }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(Orders::connect(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = self.orders.health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Start, request, async |call| {
            answer(self, &call).await
        })
        .await
    }
}

async fn answer(app: &App, call: &Call) -> Result<Reply, Problem> {
    let Operation::Start(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    Parameters::of(call).finish()?;
    match operation {
        Starting::Create => create::create(app, call).await,
        Starting::Start => start::start(app, call).await,
    }
}
