//! One secret of AWS Secrets Manager, whose text has the lines of the providers' secrets.

use std::{fmt, time::Duration};

use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use futures_util::FutureExt;
use tokio::time::timeout;

use settings::{
    AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER, Environment, SettingError,
    WEBHOOK_SECRETS_ARN,
};

/// It takes some 20 ms, 100 with a new connection. A provider waits five seconds at least.
const ANSWER: Duration = Duration::from_secs(2);

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
    /// With the credentials that Lambda gives to a function by its environment.
    pub(crate) fn new(arn: &str, environment: &Environment) -> Result<Self, SettingError> {
        let region = region(arn)
            .ok_or_else(|| WEBHOOK_SECRETS_ARN.reject(arn, "not the ARN of a secret"))?;
        let missing = |aws::MissingVariable(setting)| {
            setting.missing("not set, but WEBHOOK_SECRETS_ARN requires it; Lambda sets it")
        };
        // So that who has none is told at the start.
        let credentials = aws::credentials_from_env().map_err(missing)?;
        let http = aws::Http::new().map_err(|error| {
            WEBHOOK_SECRETS_ARN.reject(arn, format!("failed to set up HTTP: {error}"))
        })?;
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .http_client(http)
            // One try, and one limit: ours. What fails is tried again with a later notification.
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

    /// The text as it is now, or why it can't be read.
    pub(crate) async fn fetch(&self) -> Result<String, String> {
        // The SDK's own future is too deep for the compiler where others hold it.
        let asked = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .boxed();
        let answer = timeout(ANSWER, asked)
            .await
            .map_err(|_| format!("no answer within {ANSWER:?}"))?;
        let secret = answer.map_err(|error| aws::describe_error(&error))?;
        secret
            .secret_string
            .ok_or_else(|| "it is binary".to_owned())
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
    fn the_region_is_the_secrets_own() {
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
