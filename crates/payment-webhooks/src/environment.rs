//! The events that belong to this deployment: live or test, and the accounts.

use settings::{
    ADYEN_CAPTURE, ADYEN_MERCHANT_ACCOUNTS, STRIPE_ACCOUNTS, Setting, SettingError,
    WEBHOOK_ENVIRONMENT,
};

/// The provider's system that this deployment belongs to, live or test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Live,
    Test,
}

impl Environment {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// The capture that the Adyen account is configured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdyenCapture {
    /// Adyen captures each authorisation without a request.
    Immediate,
    /// Each capture is requested.
    Manual,
}

/// The part of a provider's events that concerns this deployment. Other events are ignored.
///
/// ```
/// use payment_webhooks::{Deployment, Environment};
///
/// let mut deployment = Deployment::new(Environment::Live);
/// deployment.adyen_merchant_accounts.push("Shop".to_owned());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub environment: Environment,
    /// The accounts whose events are ours. An event of Stripe without an account is always ours.
    pub stripe_accounts: Vec<String>,
    /// The merchant accounts whose items are ours. If empty, all are.
    pub adyen_merchant_accounts: Vec<String>,
    pub adyen_capture: AdyenCapture,
}

impl Deployment {
    /// Returns a deployment with the default accounts and with immediate capture.
    pub const fn new(environment: Environment) -> Self {
        Self {
            environment,
            stripe_accounts: Vec::new(),
            adyen_merchant_accounts: Vec::new(),
            adyen_capture: AdyenCapture::Immediate,
        }
    }

    /// Reads the settings of a deployment.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_settings(variables: &settings::Environment) -> Result<Self, SettingError> {
        let list = |setting: &Setting| {
            let names = variables.get(setting).unwrap_or_default().split(',');
            names
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Ok(Self {
            environment: variables.choose(
                &WEBHOOK_ENVIRONMENT,
                &[("live", Environment::Live), ("test", Environment::Test)],
            )?,
            stripe_accounts: list(&STRIPE_ACCOUNTS),
            adyen_merchant_accounts: list(&ADYEN_MERCHANT_ACCOUNTS),
            adyen_capture: variables.choose(
                &ADYEN_CAPTURE,
                &[
                    ("immediate", AdyenCapture::Immediate),
                    ("manual", AdyenCapture::Manual),
                ],
            )?,
        })
    }
}
