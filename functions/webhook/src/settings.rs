//! The settings of webhooks, without the secrets.

use domain::Span;
use payment_webhooks::Deployment;
use settings::{SETTLEMENT_GRACE, SettingError};

/// Settings of a deployment's webhooks, without the secrets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The systems and accounts whose events count.
    pub deployment: Deployment,
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
        Ok(Self {
            deployment: Deployment::from_settings(&variables)?,
            grace: variables.parse_or_default(&SETTLEMENT_GRACE)?,
        })
    }
}
