//! The JSON APIs of AWS: signed calls without the SDK, which would add a megabyte to the zip of
//! each function.

use std::{error::Error as StdError, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use reqwest::{Client, ClientBuilder, StatusCode, redirect::Policy};
use serde::de::DeserializeOwned;

/// The type of all request bodies.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A service of AWS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The name in host names and signatures.
    pub(crate) name: &'static str,
    /// The name in messages.
    pub(crate) title: &'static str,
}

/// The JSON API of a service in one region.
#[derive(Debug)]
pub(crate) struct JsonApi {
    service: Service,
    region: String,
    url: String,
    client: Client,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response<T> {
    pub(crate) status: StatusCode,
    /// `None` if the body is not of this type.
    pub(crate) body: Option<T>,
}

impl JsonApi {
    /// Creates the API of a region. `url` replaces the address of AWS.
    pub(crate) fn new(service: Service, region: &str, url: Option<&str>, client: Client) -> Self {
        Self {
            service,
            region: region.to_owned(),
            url: url.map_or_else(|| regional_url(service.name, region), str::to_owned),
            client,
        }
    }

    /// Calls the operation `target`.
    ///
    /// # Errors
    ///
    /// The reason why there is no response, and a remedy.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        target: &str,
        body: String,
        credentials: Credentials,
    ) -> Result<Response<T>, String> {
        let signed = self
            .sign(target, &body, credentials, SystemTime::now())
            .map_err(|error| format!("the request cannot be signed: {error}"))?;
        let mut request = self.client.post(&self.url);
        for (name, value) in headers(target) {
            request = request.header(name, value);
        }
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let describe = |error: reqwest::Error| self.describe_error(&error);
        let response = request.body(body).send().await.map_err(describe)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(describe)?;
        // The parser's error contains a part of the body, so it is discarded.
        Ok(Response {
            status,
            body: serde_json::from_slice(&bytes).ok(),
        })
    }

    /// Returns the headers that sign the request.
    fn sign(
        &self,
        target: &str,
        body: &str,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Vec<(String, String)>, Box<dyn StdError + Send + Sync>> {
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name)
            .time(now)
            .settings(SigningSettings::default())
            .build()?;
        let body = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new("POST", &self.url, headers(target).into_iter(), body)?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers
            .into_iter()
            .map(|header| (header.name().to_owned(), header.value().to_owned()))
            .collect())
    }

    fn describe_error(&self, error: &reqwest::Error) -> String {
        let title = self.service.title;
        if error.is_timeout() {
            format!("no response in time; check the network's way to {title}")
        } else {
            format!("{title} is unreachable; check the network's way to it")
        }
    }
}

/// Returns the headers of a request, apart from those of its signature.
fn headers(target: &str) -> [(&'static str, &str); 2] {
    [("content-type", CONTENT_TYPE), ("x-amz-target", target)]
}

fn regional_url(service: &str, region: &str) -> String {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{suffix}/")
}

/// Returns the builder of an HTTP client that follows no redirects.
pub(crate) fn client_builder() -> ClientBuilder {
    // rustls has no default cryptography here. This call fails when another crate has installed
    // one, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none())
}

/// Returns the code of an error, which some services put behind a namespace. The error's own
/// message names roles and keys of the account.
pub(crate) fn error_code(error: &str) -> &str {
    let code = error.rsplit('#').next().unwrap_or_default();
    let is_code =
        (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_code { code } else { "an unknown error" }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn address_has_the_service_and_the_region() {
        assert_eq!(
            regional_url("secretsmanager", "eu-central-1"),
            "https://secretsmanager.eu-central-1.amazonaws.com/"
        );
        assert_eq!(
            regional_url("events", "cn-north-1"),
            "https://events.cn-north-1.amazonaws.com.cn/"
        );
    }

    /// The expected signature was computed with botocore's `SigV4Auth`.
    #[test]
    fn signature_equals_botocore() {
        let service = Service {
            name: "secretsmanager",
            title: "Secrets Manager",
        };
        let client = client_builder().build().unwrap();
        let api = JsonApi::new(service, "eu-central-1", None, client);
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            Some("session".to_owned()),
            None,
            "test",
        );
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let target = "secretsmanager.GetSecretValue";
        let signed = api
            .sign(target, r#"{"SecretId":"a"}"#, credentials, now)
            .unwrap();
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
    fn code_of_an_error_has_no_namespace_and_no_text() {
        assert_eq!(
            error_code("com.amazonaws#ResourceNotFoundException"),
            "ResourceNotFoundException"
        );
        assert_eq!(error_code("marked: secret"), "an unknown error");
    }
}
