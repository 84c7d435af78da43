//! The place of the accepted API keys: a setting, a file, or a secret that may change.

use aws::Secret;
use lambda_http::http::HeaderMap;

use super::{AuthError, api_key::ApiKeys};
use crate::Caller;
use settings::{API_KEYS, API_KEYS_FILE, API_KEYS_SECRET_ARN, Environment, SettingError};

#[derive(Debug)]
pub(crate) enum ApiKeySource {
    Given(ApiKeys),
    Secret(Secret<ApiKeys>),
}

impl ApiKeySource {
    /// Reads `API_KEYS`, `API_KEYS_FILE` or `API_KEYS_SECRET_ARN`. The secret itself is read later.
    pub(super) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let mut places = [&API_KEYS, &API_KEYS_FILE, &API_KEYS_SECRET_ARN]
            .into_iter()
            .filter_map(|setting| Some((setting, environment.get(setting)?)));
        let Some((setting, value)) = places.next() else {
            return Err(API_KEYS.missing(
                "not set, but API_AUTH=api-key requires it, API_KEYS_FILE or API_KEYS_SECRET_ARN; \
                 create a key with `orderflow api-key create`",
            ));
        };
        if let Some((other, value)) = places.next() {
            let problem = format!("{} is set too; set only one of them", setting.name());
            return Err(other.reject(value, problem));
        }
        let parse =
            |text: &str| ApiKeys::parse(text).map_err(|problem| setting.reject_hidden(problem));
        if setting == &API_KEYS {
            return parse(value).map(Self::Given);
        }
        if setting == &API_KEYS_FILE {
            let text = std::fs::read_to_string(value).map_err(|error| {
                setting.reject(value, format!("the file cannot be read: {error}"))
            })?;
            return parse(&text).map(Self::Given);
        }
        let secret = Secret::from_setting(&API_KEYS_SECRET_ARN, environment, |text| {
            ApiKeys::parse(text).map_err(|problem| API_KEYS_SECRET_ARN.reject_hidden(problem))
        })?;
        secret
            .map(Self::Secret)
            .ok_or_else(|| API_KEYS_SECRET_ARN.missing("not set, but API_AUTH=api-key requires it"))
    }

    /// Identifies the caller. Without readable keys, no caller is accepted.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let secret = match self {
            Self::Given(keys) => return keys.authenticate(headers),
            Self::Secret(secret) => secret,
        };
        let keys = secret
            .current()
            .await
            .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        match keys.authenticate(headers) {
            // The key may have been added since the last read.
            rejected @ Err(AuthError::Invalid(_)) => match secret.replacement(&keys).await {
                Some(newer) => newer.authenticate(headers),
                None => rejected,
            },
            result => result,
        }
    }

    pub(super) async fn warm_up(&self) {
        if let Self::Secret(secret) = self {
            // The cache logs a failure.
            let _ = secret.current().await;
        }
    }
}
