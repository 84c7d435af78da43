//! The function's settings and its Temporal client.

use contract::{FieldError, InvalidFields};
use domain::{
    ChargeError, ChargeProvider, DeploymentPolicy, HoldLimits, Order, OrderPolicy, Profile,
    resolve_policy,
};
use order_client::OrderClient;
use orderflow_http::{ApiRequest, Problem, QuoteVerifier};
use settings::{ALLOW_PROFILE_OVERRIDE, Environment, SAMPLE_CART, SettingError};

/// The function's state, which all requests share.
#[derive(Debug)]
pub struct App {
    pub(crate) orders: OrderClient,
    environment: Environment,
    policy: DeploymentPolicy,
    hold_limits: HoldLimits,
    charges_at: ChargeProvider,
    pub(crate) sample_cart: bool,
    pub(crate) profile_override: bool,
    /// `None` without keys of quotes.
    pub(crate) quotes: Option<QuoteVerifier>,
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
            hold_limits: HoldLimits::from_settings(&environment)?,
            charges_at: ChargeProvider::from_setting(&environment)?,
            sample_cart: environment.is_on(&SAMPLE_CART)?,
            quotes: QuoteVerifier::from_settings(&environment)?,
            profile_override: environment.is_on(&ALLOW_PROFILE_OVERRIDE)?,
            environment,
        })
    }

    /// Returns the policy of an order with this profile, or with that of the deployment. An order of a
    /// customer's caller has limits of the stock that it holds.
    ///
    /// # Errors
    ///
    /// The order has more units than its policy allows.
    pub(crate) fn policy_for(
        &self,
        request: &ApiRequest,
        order: &Order,
        profile: Option<Profile>,
    ) -> Result<OrderPolicy, Problem> {
        let mut policy = match profile {
            None => self.policy.for_order(order),
            Some(profile) => {
                let resolved = resolve_policy(Some(profile), &self.environment);
                resolved.map_err(Problem::internal)?.for_order(order)
            }
        };
        policy.hold_limits = request.customer().map(|_| self.hold_limits);
        if let Some(HoldLimits { per_order, .. }) = policy.hold_limits {
            let units: u64 = order
                .lines
                .iter()
                .map(|line| u64::from(line.quantity))
                .sum();
            if units > u64::from(per_order) {
                let detail = format!("must have at most {per_order} units in all");
                return Err(Problem::invalid_field("/items".to_owned(), detail));
            }
        }
        Ok(policy)
    }

    /// Rejects an order that the provider could not charge: its payment method is missing, or its
    /// total cannot be written in the provider's units.
    pub(crate) fn check_chargeable(
        &self,
        order: &Order,
        policy: &OrderPolicy,
    ) -> Result<(), Problem> {
        if !policy.charges_payment(order) {
            return Ok(());
        }
        let method = self
            .charges_at
            .payment_method_error(order.payment_method.as_deref())
            .map(|detail| FieldError {
                pointer: "/payment/method".to_owned(),
                detail: detail.to_owned(),
            });
        let amount = self.charges_at.amount_error(order.total).map(|error| {
            let pointer = match error {
                ChargeError::Currency => "/currency",
                ChargeError::Amount => "/items",
            };
            FieldError {
                pointer: pointer.to_owned(),
                detail: error.to_string(),
            }
        });
        let errors: Vec<_> = method.into_iter().chain(amount).collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(InvalidFields(errors).into())
        }
    }
}
