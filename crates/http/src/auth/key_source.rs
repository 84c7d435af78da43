//! The place of the accepted API keys: a setting, a file, or a secret that may change.

use lambda_http::http::HeaderMap;

use super::{AuthError, api_key::ApiKeys};
use crate::Caller;
use aws::Secret;
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use axum::{Router, http::StatusCode};
    use tokio::{net::TcpListener, time::timeout};

    use super::*;
    use crate::{Scope, create_api_key};

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf";

    type Text = Arc<Mutex<Option<String>>>;

    /// Returns keys in a secret that is read again after `refresh`. `None` is an outage.
    async fn start(text: Option<&str>, refresh: &str) -> (ApiKeySource, Text) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let text: Text = Arc::new(Mutex::new(text.map(str::to_owned)));
        let shared = Arc::clone(&text);
        let manager = Router::new().fallback(async move || {
            let text = shared.lock().unwrap().clone();
            text.map_or((StatusCode::BAD_GATEWAY, String::new()), |text| {
                let body = serde_json::json!({"SecretString": text});
                (StatusCode::OK, body.to_string())
            })
        });
        tokio::spawn(async move { axum::serve(listener, manager).await.unwrap() });
        let environment = Environment::from_pairs([
            ("API_KEYS_SECRET_ARN", ARN),
            ("SECRETS_REFRESH", refresh),
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ]);
        (ApiKeySource::from_settings(&environment).unwrap(), text)
    }

    async fn send(keys: &ApiKeySource, key: &str) -> Result<(), AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key.parse().unwrap());
        keys.authenticate(&headers).await.map(drop)
    }

    #[tokio::test]
    async fn revoked_key_ends_and_added_key_begins() {
        let old = create_api_key("old", &[Scope::Read], None, None).unwrap();
        let new = create_api_key("new", &[Scope::Read], None, None).unwrap();
        let (keys, text) = start(Some(&old.line), "300ms").await;
        assert_eq!(send(&keys, &old.key).await, Ok(()));
        assert!(matches!(
            send(&keys, &new.key).await,
            Err(AuthError::Invalid(_))
        ));
        *text.lock().unwrap() = Some(new.line);
        let revoked = async {
            while send(&keys, &old.key).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), revoked).await.unwrap();
        assert_eq!(send(&keys, &new.key).await, Ok(()));
    }

    #[tokio::test]
    async fn no_caller_is_accepted_without_keys() {
        for text in [None, Some(""), Some("not a key")] {
            let (keys, _text) = start(text, "5m").await;
            let key = create_api_key("shop", &[Scope::Read], None, None).unwrap();
            let error = send(&keys, &key.key).await.unwrap_err();
            assert!(
                matches!(&error, AuthError::Unavailable(why) if why.contains("API_KEYS_SECRET_ARN")),
                "{text:?}: {error:?}"
            );
        }
    }

    #[test]
    fn only_one_place_is_allowed() {
        let environment =
            Environment::from_pairs([("API_KEYS", "a"), ("API_KEYS_SECRET_ARN", ARN)]);
        let error = ApiKeySource::from_settings(&environment).unwrap_err();
        assert!(error.to_string().contains("API_KEYS is set too"), "{error}");
    }
}
