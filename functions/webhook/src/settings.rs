//! The settings of webhooks, without the secrets.

use domain::Span;
use payment_webhooks::Environment;
use settings::{SETTLEMENT_GRACE, SettingError, WEBHOOK_ENVIRONMENT};

/// Settings of a deployment's webhooks, without the secrets.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The provider's system, live or test, whose events count.
    pub environment: Environment,
    /// The time for an order to appear after a payment that names it.
    pub grace: Span,
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_env() -> Result<Self, SettingError> {
        let variables = settings::Environment::from_process();
        let environment = variables.choose(
            &WEBHOOK_ENVIRONMENT,
            &[("live", Environment::Live), ("test", Environment::Test)],
        )?;
        let grace = variables.parse_or_default(&SETTLEMENT_GRACE)?;
        Ok(Self { environment, grace })
    }
}
