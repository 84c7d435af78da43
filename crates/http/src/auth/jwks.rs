//! The public keys of an issuer of tokens or quotes: from a setting, or fetched from the issuer and
//! renewed.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use reqwest::{Client, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use settings::{Environment, Setting, SettingError, is_loopback_host};

/// The maximum size of a key set, in bytes. An issuer has a few keys of some hundred bytes each.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Limits one fetch, for which a caller waits.
const FETCH_TIMEOUT: Duration = Duration::from_secs(4);
/// The pause between two fetches while there is no key at all.
const INITIAL_PAUSE: Duration = Duration::from_secs(1);

/// The keys of a JSON Web Key Set (RFC 7517) that can verify tokens.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<VerificationKey>);

#[derive(Debug)]
struct VerificationKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl KeySet {
    /// Parses a key set. Keys that cannot verify tokens, and malformed keys, are skipped.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        // `jsonwebtoken::jwk::JwkSet` rejects the whole set for one malformed key.
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text)
            .map_err(|_| "must be a JSON Web Key Set, {\"keys\": […]}")?;
        let usable = set
            .keys
            .into_iter()
            .filter_map(|key| VerificationKey::from_jwk(serde_json::from_value(key).ok()?));
        Ok(Self(usable.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key with this id, if it is for this algorithm.
    fn find(&self, id: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let found = self
            .0
            .iter()
            .find(|key| key.id == id && key.algorithm == algorithm);
        found.map(|found| found.key.clone())
    }

    fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }
}

impl VerificationKey {
    /// Converts a published key. Its type determines the one algorithm that it is used for.
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            // The enum is non-exhaustive.
            AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
            | AlgorithmParameters::OctetKey(_)
            | AlgorithmParameters::Other(_)
            | _ => return None,
        };
        let common = &jwk.common;
        let is_for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let is_for_algorithm = common
            .key_algorithm
            .is_none_or(|name| name == algorithm.into());
        if !(is_for_signatures && is_for_algorithm) {
            return None;
        }
        Some(Self {
            key: DecodingKey::from_jwk(&jwk).ok()?,
            id: jwk.common.key_id?,
            algorithm,
        })
    }
}

/// The reason why there is no key for a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    Unknown,
    Unavailable(String),
}

/// The source of the keys.
#[derive(Debug)]
pub(super) enum KeySource {
    Given(KeySet),
    Fetched(Box<RemoteKeySet>),
}

impl KeySource {
    /// Reads the keys, or the URL that has them. Returns `None` if neither is set.
    pub(super) fn from_settings(
        environment: &Environment,
        keys: &'static Setting,
        url: &'static Setting,
    ) -> Result<Option<Self>, SettingError> {
        let ttl = environment.duration(&settings::JWT_JWKS_TTL)?;
        let pause = environment.duration(&settings::JWT_JWKS_PAUSE)?;
        Ok(Some(match (environment.get(url), environment.get(keys)) {
            (Some(address), None) => {
                Self::Fetched(Box::new(RemoteKeySet::new(url, address, ttl, pause)?))
            }
            (None, Some(text)) => {
                let set = KeySet::parse(text.as_bytes())
                    .map_err(|problem| keys.reject_hidden(problem))?;
                if set.is_empty() {
                    return Err(keys.reject_hidden("no supported key with a kid"));
                }
                Self::Given(set)
            }
            (None, None) => return Ok(None),
            (Some(address), Some(_)) => {
                let problem = format!("{} is set too; set only one of them", keys.name());
                return Err(url.reject(address, problem));
            }
        }))
    }

    pub(super) async fn find_key(
        &self,
        kid: &str,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, KeyError> {
        match self {
            Self::Given(keys) => keys.find(kid, algorithm).ok_or(KeyError::Unknown),
            Self::Fetched(fetched) => fetched.key(kid, algorithm).await,
        }
    }
}

/// Keys from a URL. They are fetched for the first token, when they are older than `ttl`, and when
/// a token has an unknown key id, so that an issuer can rotate its keys. `pause` is the minimum
/// time between two fetches, so that invented key ids do not cause a fetch each. While the issuer
/// is unavailable, the keys of the last fetch stay in use.
#[derive(Debug)]
pub(super) struct RemoteKeySet {
    url: Url,
    client: Client,
    ttl: Duration,
    pause: Duration,
    state: RwLock<State>,
    /// Allows one fetch at a time. Callers that wait for it use its result.
    fetching: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    /// The time of the last successful fetch.
    fetched: Option<Instant>,
    /// The time of the last fetch.
    tried: Option<Instant>,
    failure: String,
}

impl RemoteKeySet {
    fn new(
        setting: &'static Setting,
        url: &str,
        ttl: Duration,
        pause: Duration,
    ) -> Result<Self, SettingError> {
        let parsed = Url::parse(url).map_err(|error| setting.reject(url, error.to_string()))?;
        let is_local = parsed.host_str().is_some_and(is_loopback_host);
        if !(parsed.scheme() == "https" || (parsed.scheme() == "http" && is_local)) {
            return Err(setting.reject(url, "the connection would not be encrypted"));
        }
        // rustls has no default cryptography here. This call fails when another crate has installed
        // one, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .build();
        let client = client
            .map_err(|error| setting.reject(url, format!("failed to set up HTTP: {error}")))?;
        Ok(Self {
            url: parsed,
            client,
            ttl,
            pause,
            state: RwLock::default(),
            fetching: Mutex::default(),
        })
    }

    fn state(&self) -> State {
        // No code panics while it holds the lock, so a poisoned state cannot occur.
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }

    async fn key(&self, kid: &str, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
        let state = self.state();
        let is_old = state
            .fetched
            .is_none_or(|fetched| fetched.elapsed() >= self.ttl);
        let is_known = state.keys.as_ref().is_some_and(|keys| keys.contains(kid));
        if is_old || !is_known {
            self.renew(is_known).await;
        }
        let state = self.state();
        let keys = state.keys.ok_or(KeyError::Unavailable(state.failure))?;
        keys.find(kid, algorithm).ok_or(KeyError::Unknown)
    }

    /// Fetches the keys, unless the last fetch is less than the pause ago. A caller whose key is
    /// known does not wait for another caller's fetch.
    async fn renew(&self, is_known: bool) {
        let _guard = if is_known {
            let Ok(guard) = self.fetching.try_lock() else {
                return;
            };
            guard
        } else {
            self.fetching.lock().await
        };
        let state = self.state();
        let pause = if state.keys.is_some() {
            self.pause
        } else {
            self.pause.min(INITIAL_PAUSE)
        };
        if state.tried.is_some_and(|tried| tried.elapsed() < pause) {
            return;
        }
        let fetched = self.fetch().await;
        if let Err(why) = &fetched {
            tracing::warn!(url = %self.url, "failed to fetch the public keys of tokens: {why}");
        }
        self.change(|state| {
            state.tried = Some(Instant::now());
            match fetched {
                Ok(keys) => {
                    state.keys = Some(Arc::new(keys));
                    state.fetched = state.tried;
                }
                Err(why) => state.failure = why,
            }
        });
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let failed = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self
            .client
            .get(self.url.clone())
            .send()
            .await
            .map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("the response status is {}", response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_KEY_SET_BYTES {
                return Err(format!(
                    "the response has more than {MAX_KEY_SET_BYTES} bytes"
                ));
            }
        }
        let keys = KeySet::parse(&text).map_err(|why| format!("the response {why}"))?;
        if keys.is_empty() {
            Err("the response has no usable key".to_owned())
        } else {
            Ok(keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_url_is_https_or_loopback() {
        let span = Duration::from_secs(1);
        let new = |url| {
            RemoteKeySet::new(&settings::JWT_JWKS_URL, url, span, span)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        for good in [
            "https://issuer.example/keys",
            "http://127.0.0.1:9000/k",
            "http://localhost/k",
            "http://[::1]:1/",
        ] {
            assert_eq!(new(good), Ok(()), "{good}");
        }
        for bad in [
            "http://issuer.example/keys",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "keys.json",
            "",
        ] {
            assert!(
                new(bad).unwrap_err().contains("allowed: an https:// URL"),
                "{bad}"
            );
        }
    }

    #[test]
    fn unusable_key_is_skipped() {
        let good = r#"{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let others = [
            r#"{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}"#,
            r#"{"kty": "EC", "crv": "P-384", "kid": "b", "x": "AA", "y": "AA"}"#,
            r#"{"kty": "RSA", "kid": "c", "n": "AQAB", "e": "AQAB", "use": "enc"}"#,
            r#"{"kty": "RSA", "kid": "d", "n": "AQAB", "e": "AQAB", "alg": "PS256"}"#,
            r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#,
            r#"{"kty": 5}"#,
        ];
        let keys =
            KeySet::parse(format!(r#"{{"keys": [{}, {good}]}}"#, others.join(", ")).as_bytes())
                .unwrap();
        assert_eq!(keys.0.len(), 1);
        assert!(keys.find("a", Algorithm::EdDSA).is_some());
        assert!(
            keys.find("a", Algorithm::RS256).is_none()
                && keys.find("c", Algorithm::RS256).is_none()
        );
        assert!(KeySet::parse(b"[]").is_err());
    }
}
