//! The credentials for Temporal that are secrets of AWS Secrets Manager and may change while the
//! program runs.

use std::sync::Arc;

use serde::Deserialize;

use aws::Secret;
use settings::{
    Environment, Setting, SettingError, TEMPORAL_API_KEY, TEMPORAL_API_KEY_SECRET_ARN,
    TEMPORAL_TLS_CLIENT_CERT_DATA, TEMPORAL_TLS_CLIENT_KEY_DATA, TEMPORAL_TLS_CLIENT_SECRET_ARN,
    TEMPORAL_TLS_SERVER_CA_CERT_DATA, TEMPORAL_TLS_SERVER_CA_SECRET_ARN,
};

#[derive(Debug)]
pub(crate) struct TemporalSecrets {
    api_key: Option<Secret<String>>,
    certificate: Option<Secret<ClientCertificate>>,
    authority: Option<Secret<String>>,
}

/// The secret of `TEMPORAL_TLS_CLIENT_SECRET_ARN`, both fields as PEM text.
#[derive(PartialEq, Deserialize)]
struct ClientCertificate {
    certificate: String,
    key: String,
}

/// The current values.
#[derive(Clone, PartialEq)]
pub(crate) struct SecretValues {
    api_key: Option<Arc<String>>,
    certificate: Option<Arc<ClientCertificate>>,
    authority: Option<Arc<String>>,
}

impl TemporalSecrets {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        for (arn, setting) in [
            (&TEMPORAL_API_KEY_SECRET_ARN, &TEMPORAL_API_KEY),
            (
                &TEMPORAL_TLS_CLIENT_SECRET_ARN,
                &TEMPORAL_TLS_CLIENT_CERT_DATA,
            ),
            (
                &TEMPORAL_TLS_CLIENT_SECRET_ARN,
                &TEMPORAL_TLS_CLIENT_KEY_DATA,
            ),
            (
                &TEMPORAL_TLS_SERVER_CA_SECRET_ARN,
                &TEMPORAL_TLS_SERVER_CA_CERT_DATA,
            ),
        ] {
            if let (Some(value), Some(_)) = (environment.get(arn), environment.get(setting)) {
                let problem = format!("{} is set too; set only one of them", setting.name());
                return Err(arn.reject(value, problem));
            }
        }
        let api_key = |text: &str| {
            let key = text.trim();
            let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
            let invalid = "the secret is not an API key; store the key alone, as text";
            is_key
                .then(|| key.to_owned())
                .ok_or_else(|| TEMPORAL_API_KEY_SECRET_ARN.reject_hidden(invalid))
        };
        let certificate = |text: &str| {
            let invalid = "the secret is not a JSON object with certificate and key, both PEM";
            // The parser's error contains a part of the text, so it is discarded.
            serde_json::from_str(text)
                .ok()
                .filter(|read: &ClientCertificate| is_pem(&read.certificate) && is_pem(&read.key))
                .ok_or_else(|| TEMPORAL_TLS_CLIENT_SECRET_ARN.reject_hidden(invalid))
        };
        let authority = |text: &str| {
            let invalid = "the secret is not a certificate as PEM text";
            is_pem(text)
                .then(|| text.to_owned())
                .ok_or_else(|| TEMPORAL_TLS_SERVER_CA_SECRET_ARN.reject_hidden(invalid))
        };
        Ok(Self {
            api_key: Secret::from_setting(&TEMPORAL_API_KEY_SECRET_ARN, environment, api_key)?,
            certificate: Secret::from_setting(
                &TEMPORAL_TLS_CLIENT_SECRET_ARN,
                environment,
                certificate,
            )?,
            authority: Secret::from_setting(
                &TEMPORAL_TLS_SERVER_CA_SECRET_ARN,
                environment,
                authority,
            )?,
        })
    }

    /// Returns the current values, which are read concurrently.
    ///
    /// # Errors
    ///
    /// The reason why a secret cannot be read.
    pub(crate) async fn current(&self) -> Result<SecretValues, String> {
        let (api_key, certificate, authority) = tokio::join!(
            current(self.api_key.as_ref()),
            current(self.certificate.as_ref()),
            current(self.authority.as_ref())
        );
        Ok(SecretValues {
            api_key: api_key?,
            certificate: certificate?,
            authority: authority?,
        })
    }

    /// Returns whether there are other values than `used`, with which Temporal refused a call.
    pub(crate) async fn have_changed(&self, used: &SecretValues) -> bool {
        let (api_key, certificate, authority) = tokio::join!(
            has_changed(self.api_key.as_ref(), used.api_key.as_ref()),
            has_changed(self.certificate.as_ref(), used.certificate.as_ref()),
            has_changed(self.authority.as_ref(), used.authority.as_ref())
        );
        api_key || certificate || authority
    }
}

impl SecretValues {
    pub(crate) fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.certificate.is_none() && self.authority.is_none()
    }

    /// Returns the values as variables, from which Temporal's library makes a connection.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static Setting, &str)> {
        let certificate = self.certificate.as_ref();
        [
            (
                &TEMPORAL_API_KEY,
                self.api_key.as_deref().map(String::as_str),
            ),
            (
                &TEMPORAL_TLS_CLIENT_CERT_DATA,
                certificate.map(|read| read.certificate.as_str()),
            ),
            (
                &TEMPORAL_TLS_CLIENT_KEY_DATA,
                certificate.map(|read| read.key.as_str()),
            ),
            (
                &TEMPORAL_TLS_SERVER_CA_CERT_DATA,
                self.authority.as_deref().map(String::as_str),
            ),
        ]
        .into_iter()
        .filter_map(|(setting, value)| Some((setting, value?)))
    }
}

async fn current<T: Send + Sync + 'static>(
    secret: Option<&Secret<T>>,
) -> Result<Option<Arc<T>>, String> {
    match secret {
        Some(secret) => {
            let value = secret.current().await;
            value.map(Some).map_err(|error| error.to_string())
        }
        None => Ok(None),
    }
}

async fn has_changed<T: Send + Sync + 'static>(
    secret: Option<&Secret<T>>,
    used: Option<&Arc<T>>,
) -> bool {
    match (secret, used) {
        (Some(secret), Some(used)) => secret.replacement(used).await.is_some(),
        (Some(_), None) | (None, _) => false,
    }
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}
