//! The one call of AWS Secrets Manager: `GetSecretValue`, signed here. The SDK would add a megabyte
//! to the zip of each function.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::{
    error::Error as StdError,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Client, redirect::Policy};
use secrecy::SecretString;
use serde::Deserialize;

use crate::{MissingVariable, credentials_from};
use settings::{
    AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER, Environment, Setting, SettingError,
};

/// Limits one request. It takes about 20 ms, or 100 ms with a new connection. The providers of
/// webhook events wait for at least 5 s.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The headers of a request, apart from those of its signature.
const HEADERS: [(&str, &str); 2] = [
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amz-target", "secretsmanager.GetSecretValue"),
];

/// One secret in AWS Secrets Manager.
#[derive(Debug)]
pub(crate) struct SecretsManager {
    arn: String,
    region: String,
    url: String,
    credentials: Credentials,
    client: Client,
}

/// A response: the text, or the type of an error.
#[derive(Deserialize)]
struct Response {
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
        let (partition, region) =
            parse_arn(arn).ok_or_else(|| setting.reject(arn, "not the ARN of a secret"))?;
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
            .or_else(|| environment.get(&AWS_ENDPOINT_URL))
            .map_or_else(|| regional_url(partition, region), str::to_owned);
        Ok(Self {
            arn: arn.to_owned(),
            region: region.to_owned(),
            url,
            credentials,
            client: shared_client().map_err(failed)?,
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
        let signed = self
            .sign(&body, SystemTime::now())
            .map_err(|error| format!("the request cannot be signed: {error}"))?;
        let mut request = self.client.post(&self.url).timeout(TIMEOUT);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await.map_err(describe_http)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(describe_http)?;
        // The parser's error contains a part of the text, so it is discarded.
        let response: Option<Response> = serde_json::from_slice(&bytes).ok();
        match response {
            Some(Response {
                text: Some(text), ..
            }) if status.is_success() => Ok(text.into()),
            Some(Response {
                error: Some(error), ..
            }) => Err(describe_refusal(&error)),
            Some(_) if status.is_success() => Err("the secret is binary; store a text".to_owned()),
            Some(_) | None => Err(format!("Secrets Manager returned status {status}")),
        }
    }

    /// Returns the headers that sign the request.
    fn sign(
        &self,
        body: &str,
        now: SystemTime,
    ) -> Result<Vec<(String, String)>, Box<dyn StdError + Send + Sync>> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("secretsmanager")
            .time(now)
            .settings(SigningSettings::default())
            .build()?;
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", &self.url, HEADERS.into_iter(), body)?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers
            .into_iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect())
    }
}

/// Returns the HTTP client of all secrets. To create one costs processor time, because it loads the
/// certificates of the system.
fn shared_client() -> reqwest::Result<Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // rustls has no default cryptography here. This call fails when another crate has installed
    // one, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(1))
        // Minutes pass between two reads, and a freeze breaks an open connection without a notice.
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// Returns the partition and the region of a secret's ARN.
fn parse_arn(arn: &str) -> Option<(&str, &str)> {
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
            Some((partition, region))
        }
        _ => None,
    }
}

fn regional_url(partition: &str, region: &str) -> String {
    let suffix = if partition == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://secretsmanager.{region}.{suffix}/")
}

fn describe_http(error: reqwest::Error) -> String {
    if error.is_timeout() {
        format!("no response within {TIMEOUT:?}; check the network's way to Secrets Manager")
    } else {
        "Secrets Manager is unreachable; check the network's way to it".to_owned()
    }
}

/// Returns the error's code and a remedy. The error's own message names roles and keys of the
/// account.
fn describe_refusal(error: &str) -> String {
    // Some AWS services put a namespace before the code.
    let code = error.rsplit('#').next().unwrap_or_default();
    let is_code =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let code = if is_code { code } else { "an unknown error" };
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
    use std::time::UNIX_EPOCH;

    use super::*;

    const ARN: &str =
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orderflow/webhooks-AbCdEf";

    #[test]
    fn address_comes_from_the_arn() {
        let url = |arn| parse_arn(arn).map(|(partition, region)| regional_url(partition, region));
        assert_eq!(
            url(ARN).as_deref(),
            Some("https://secretsmanager.eu-central-1.amazonaws.com/")
        );
        assert_eq!(
            url("arn:aws-cn:secretsmanager:cn-north-1:1:secret:a").as_deref(),
            Some("https://secretsmanager.cn-north-1.amazonaws.com.cn/")
        );
        for none in [
            "",
            "orderflow/webhooks",
            "arn:aws:s3:eu-central-1:1:secret:a",
            "arn:aws:secretsmanager::1:secret:a",
        ] {
            assert_eq!(url(none), None, "{none}");
        }
    }

    /// The expected signature was computed with botocore's `SigV4Auth`.
    #[test]
    fn signature_equals_botocore() {
        let reader = SecretsManager {
            arn: ARN.to_owned(),
            region: "eu-central-1".to_owned(),
            url: regional_url("aws", "eu-central-1"),
            credentials: Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                Some("session".to_owned()),
                None,
                "test",
            ),
            client: shared_client().unwrap(),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let signed = reader.sign(r#"{"SecretId":"a"}"#, now).unwrap();
        let header = |name: &str| {
            let found = signed.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str()).unwrap()
        };
        assert_eq!(header("x-amz-date"), "20231114T221320Z");
        assert_eq!(header("x-amz-security-token"), "session");
        assert_eq!(header("authorization"), BOTOCORE);
    }

    const BOTOCORE: &str = "AWS4-HMAC-SHA256 \
        Credential=AKIDEXAMPLE/20231114/eu-central-1/secretsmanager/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
        Signature=1eac886fc10498c86a3b03bff137134d4c6498f06065e2e5e851516e2cfd1a22";

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
