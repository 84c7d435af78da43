//! What the function is set up with, and where its calls go.

use lambda_http::{Body, Request, Response};

use crate::{create, start};
use contract::{FieldError, InvalidFields};
use domain::{ChargeProvider, Order, OrderPolicy, Profile, resolve_policy};
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{
    ApiRequest, ApiResponse, Application, Function, Operation, Problem, QueryParameters,
    StartOperation, serve,
};
use settings::{ALLOW_PROFILE_OVERRIDE, Environment, SAMPLE_CART, SettingError};

/// The settings and the door to Temporal, made once.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    environment: Environment,
    policy: OrderPolicy,
    charges_at: ChargeProvider,
    pub(crate) sample_cart: bool,
    pub(crate) profile_override: bool,
}

impl App {
    /// With a door that others use as well.
    pub fn new(orders: OrderClient) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        Ok(Self {
            orders,
            policy: resolve_policy(None, &environment)?,
            charges_at: ChargeProvider::from_setting(&environment)?,
            sample_cart: environment.is_on(&SAMPLE_CART)?,
            profile_override: environment.is_on(&ALLOW_PROFILE_OVERRIDE)?,
            environment,
        })
    }

    /// How an order is handled that names this profile, or none.
    pub(crate) fn policy_for(&self, profile: Option<Profile>) -> Result<OrderPolicy, Problem> {
        let Some(profile) = profile else {
            return Ok(self.policy.clone());
        };
        resolve_policy(Some(profile), &self.environment).map_err(Problem::internal)
    }

    /// Refuses an order that is to be charged, and does not say what.
    pub(crate) fn check_chargeable(
        &self,
        order: &Order,
        policy: &OrderPolicy,
    ) -> Result<(), Problem> {
        let objection = self
            .charges_at
            .payment_method_error(order.payment_method.as_deref());
        match objection.filter(|_| policy.charges_payment(order)) {
            None => Ok(()),
            Some(detail) => {
                let error = FieldError {
                    pointer: "/payment/method".to_owned(),
                    detail: detail.to_owned(),
                };
                Err(InvalidFields(vec![error]).into())
            }
        }
    }
}

impl Application for App {
    fn from_env() -> Result<Self, SettingError> {
        Self::new(OrderClient::new(TemporalSettings::from_env()?))
    }

    async fn warm_up(&self) {
        let _ = self.orders.check_health().await;
    }

    async fn handle(&self, request: Request) -> Response<Body> {
        serve(Function::Start, request, async |call| {
            answer(self, &call).await
        })
        .await
    }
}

async fn answer(app: &App, call: &ApiRequest) -> Result<ApiResponse, Problem> {
    let Operation::Start(operation) = call.operation else {
        return Err(Problem::internal("a call of another function"));
    };
    QueryParameters::new(call).finish()?;
    match operation {
        StartOperation::Create => create::create_order(app, call).await,
        StartOperation::Start => start::start_order(app, call).await,
    }
}
