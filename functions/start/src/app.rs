//! The function's settings and its Temporal client.

use contract::{FieldError, InvalidFields};
use domain::{ChargeProvider, Order, OrderPolicy, Profile, resolve_policy};
use order_client::OrderClient;
use orderflow_http::Problem;
use settings::{ALLOW_PROFILE_OVERRIDE, Environment, SAMPLE_CART, SettingError};

/// The function's state, which all requests share.
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
    /// Reads the settings; `orders` can be shared with other functions.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
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

    /// Returns the policy of an order with this profile, or the deployment's policy without one.
    pub(crate) fn policy_for(&self, profile: Option<Profile>) -> Result<OrderPolicy, Problem> {
        let Some(profile) = profile else {
            return Ok(self.policy.clone());
        };
        resolve_policy(Some(profile), &self.environment).map_err(Problem::internal)
    }

    /// Rejects an order that is charged but lacks the payment method that the provider needs.
    pub(crate) fn check_chargeable(
        &self,
        order: &Order,
        policy: &OrderPolicy,
    ) -> Result<(), Problem> {
        let rejection = self
            .charges_at
            .payment_method_error(order.payment_method.as_deref());
        match rejection.filter(|_| policy.charges_payment(order)) {
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
