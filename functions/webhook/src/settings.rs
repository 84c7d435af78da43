//! What of a deployment decides about its notifications, beside the secrets.

use domain::{SettingError, Span, SpanError};
use orderflow_http::{read_setting, setting_error};
use payment_webhooks::Environment;

/// How long an order that a payment names may still appear, unless `SETTLEMENT_GRACE` says otherwise.
const GRACE: u64 = 10 * 60;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which of a provider's two systems this deployment belongs to.
    pub environment: Environment,
    pub grace: Span,
}

impl Settings {
    pub fn from_env() -> Result<Self, SettingError> {
        let environment = match read_setting("WEBHOOK_ENVIRONMENT").as_deref() {
            None | Some("live") => Environment::Live,
            Some("test") => Environment::Test,
            Some(other) => {
                return Err(setting_error(
                    "WEBHOOK_ENVIRONMENT",
                    other,
                    "must be live or test",
                ));
            }
        };
        let grace = match read_setting("SETTLEMENT_GRACE") {
            None => Span::from_secs(GRACE),
            Some(text) => text.parse().map_err(|error: SpanError| {
                setting_error("SETTLEMENT_GRACE", &text, &error.to_string())
            })?,
        };
        Ok(Self { environment, grace })
    }
}
