//! A secret in AWS Secrets Manager. Its text has one line for each provider, as
//! `WEBHOOK_SECRETS_FILE`.

use std::{fmt, time::Duration};

use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use futures::FutureExt;
use tokio::time::timeout;

use settings::{
    AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER, Environment, SettingError,
    WEBHOOK_SECRETS_ARN,
};

/// Limits one request. It takes about 20 ms, or 100 ms with a new connection. Providers wait for at
/// least 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct SecretsManager {
    client: Client,
    arn: String,
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.arn).finish()
    }
}

impl SecretsManager {
    /// Creates a client with the credentials in the environment, where Lambda puts those of the
    /// function's role.
    pub(crate) fn new(arn: &str, environment: &Environment) -> Result<Self, SettingError> {
        let region = region(arn)
            .ok_or_else(|| WEBHOOK_SECRETS_ARN.reject(arn, "not the ARN of a secret"))?;
        let missing = |aws::MissingVariable(setting)| {
            setting.missing("not set, but WEBHOOK_SECRETS_ARN requires it; Lambda sets it")
        };
        // Missing credentials are an error at the start, not at the first webhook event.
        let credentials = aws::credentials_from_env().map_err(missing)?;
        let http = aws::Http::new().map_err(|error| {
            WEBHOOK_SECRETS_ARN.reject(arn, format!("failed to set up HTTP: {error}"))
        })?;
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .http_client(http)
            // One attempt with our own time limit. A later webhook event triggers the next attempt.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled());
        if let Some(url) = environment
            .get(&AWS_ENDPOINT_URL_SECRETS_MANAGER)
            .or_else(|| environment.get(&AWS_ENDPOINT_URL))
        {
            config = config.endpoint_url(url);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            arn: arn.to_owned(),
        })
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// Reads the current text of the secret.
    ///
    /// # Errors
    ///
    /// The reason, without any part of the secret.
    pub(crate) async fn fetch(&self) -> Result<String, String> {
        // The SDK's future is too deeply nested for the compiler where other futures contain it.
        let request = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .boxed();
        let response = timeout(TIMEOUT, request)
            .await
            .map_err(|_| format!("no response within {TIMEOUT:?}"))?;
        let secret = response.map_err(|error| aws::describe_error(&error))?;
        secret
            .secret_string
            .ok_or_else(|| "the secret is binary".to_owned())
    }
}

fn region(arn: &str) -> Option<&str> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "secretsmanager", region, account, "secret", name]
            if ![region, account, name].iter().any(|part| part.is_empty()) =>
        {
            Some(region)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_comes_from_the_arn() {
        let arn =
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orderflow/webhooks-AbCdEf";
        assert_eq!(region(arn), Some("eu-central-1"));
        for none in [
            "",
            "orderflow/webhooks",
            "arn:aws:s3:eu-central-1:1:secret:a",
            "arn:aws:secretsmanager::1:secret:a",
        ] {
            assert_eq!(region(none), None, "{none}");
        }
    }
}
