//! The one call of AWS Secrets Manager: `GetSecretValue`.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::{sync::OnceLock, time::Duration};

use aws_credential_types::Credentials;
use reqwest::Client;
use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    MissingVariable, credentials_from,
    json_api::{JsonApi, Response, Service, client_builder, error_code},
};
use settings::{
    AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER, Environment, Setting, SettingError,
};

const SERVICE: Service = Service {
    name: "secretsmanager",
    title: "Secrets Manager",
};

/// Limits one request. It takes about 20 ms, or 100 ms with a new connection. The providers of
/// webhook events wait for at least 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One secret in AWS Secrets Manager.
#[derive(Debug)]
pub(crate) struct SecretsManager {
    arn: String,
    credentials: Credentials,
    api: JsonApi,
}

/// The body of a response: the text, or the type of an error.
#[derive(Deserialize)]
struct SecretValue {
    #[serde(rename = "SecretString")]
    text: Option<String>,
    #[serde(rename = "__type")]
    error: Option<String>,
}

impl SecretsManager {
    /// Creates a reader with the credentials in the environment, where Lambda puts those of the
    /// function's role.
    ///
    /// # Errors
    ///
    /// When `arn`, the value of `setting`, is not the ARN of a secret, or the credentials are
    /// missing.
    pub(crate) fn new(
        setting: &'static Setting,
        arn: &str,
        environment: &Environment,
    ) -> Result<Self, SettingError> {
        let region =
            region_of_secret(arn).ok_or_else(|| setting.reject(arn, "not the ARN of a secret"))?;
        let missing = |MissingVariable(variable): MissingVariable| {
            variable.missing(format!(
                "not set, but {} requires it; Lambda sets it",
                setting.name()
            ))
        };
        // Missing credentials are an error at the start, not at the first call.
        let credentials = credentials_from(environment).map_err(missing)?;
        let failed = |error| setting.reject(arn, format!("failed to set up HTTP: {error}"));
        let url = environment
            .get(&AWS_ENDPOINT_URL_SECRETS_MANAGER)
            .or_else(|| environment.get(&AWS_ENDPOINT_URL));
        Ok(Self {
            arn: arn.to_owned(),
            credentials,
            api: JsonApi::new(SERVICE, region, url, shared_client().map_err(failed)?),
        })
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// Reads the current text of the secret.
    ///
    /// # Errors
    ///
    /// The reason and a remedy, without any part of the secret.
    pub(crate) async fn fetch(&self) -> Result<SecretString, String> {
        let body = serde_json::json!({"SecretId": self.arn}).to_string();
        let credentials = self.credentials.clone();
        let Response { status, body } = self
            .api
            .call("secretsmanager.GetSecretValue", body, credentials)
            .await?;
        match body {
            Some(SecretValue {
                text: Some(text), ..
            }) if status.is_success() => Ok(text.into()),
            Some(SecretValue {
                error: Some(error), ..
            }) => Err(describe_refusal(&error)),
            Some(_) if status.is_success() => Err("the secret is binary; store a text".to_owned()),
            Some(_) | None => Err(format!("Secrets Manager returned status {status}")),
        }
    }
}

/// Returns the HTTP client of all secrets. To create one costs processor time, because it loads the
/// certificates of the system.
fn shared_client() -> reqwest::Result<Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let client = client_builder()
        .timeout(TIMEOUT)
        .connect_timeout(Duration::from_secs(1))
        // Minutes pass between two reads, and a freeze breaks an open connection without a notice.
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// Returns the region in the ARN of a secret.
fn region_of_secret(arn: &str) -> Option<&str> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts[..] {
        [
            "arn",
            partition,
            "secretsmanager",
            region,
            account,
            "secret",
            name,
        ] if ![partition, region, account, name]
            .iter()
            .any(|part| part.is_empty()) =>
        {
            Some(region)
        }
        _ => None,
    }
}

/// Returns the error's code and a remedy.
fn describe_refusal(error: &str) -> String {
    let code = error_code(error);
    match code {
        "AccessDeniedException" => format!(
            "{code}; the role needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its own key"
        ),
        "ResourceNotFoundException" => format!("{code}; check the ARN and its account"),
        "DecryptionFailure" | "KMSAccessDeniedException" => {
            format!("{code}; the role needs kms:Decrypt on the key of the secret")
        }
        "InvalidRequestException" => {
            format!("{code}; the secret is marked for deletion or has no value")
        }
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_comes_from_the_arn() {
        assert_eq!(
            region_of_secret("arn:aws-cn:secretsmanager:cn-north-1:1:secret:a"),
            Some("cn-north-1")
        );
        for none in [
            "",
            "orderflow/webhooks",
            "arn:aws:s3:eu-central-1:1:secret:a",
            "arn:aws:secretsmanager::1:secret:a",
        ] {
            assert_eq!(region_of_secret(none), None, "{none}");
        }
    }

    #[test]
    fn refusal_has_its_code_and_a_remedy() {
        assert!(describe_refusal("AccessDeniedException").contains("GetSecretValue"));
        assert!(
            describe_refusal("com.amazonaws#ResourceNotFoundException")
                .starts_with("ResourceNotFoundException; check the ARN")
        );
        assert_eq!(describe_refusal("marked: secret"), "an unknown error");
    }
}
