//! The public keys of whoever issues tokens: given with the settings, or fetched, kept and renewed.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use settings::{JWT_JWKS_URL, SettingError, is_loopback_host};

/// An issuer has a handful of keys of a few hundred bytes each.
const LARGEST: usize = 256 * 1024;
const CONNECT: Duration = Duration::from_secs(2);
/// A caller waits for it, once.
const ANSWER: Duration = Duration::from_secs(4);
/// How soon it is tried again while there is no key at all.
const SOON: Duration = Duration::from_secs(1);

/// The keys as an issuer publishes them (RFC 7517).
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<(String, Algorithm, DecodingKey)>);

#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// What can be used of a set; a key of another kind, or one that is broken, is left out and spoils no other.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text)
            .map_err(|_| "must be a JSON Web Key Set, {\"keys\": […]}")?;
        let usable = set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Published>(key).ok()?.usable());
        Ok(Self(usable.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this name, if it is one for this algorithm.
    fn find(&self, kid: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let found = self
            .0
            .iter()
            .find(|(name, of, _)| name == kid && *of == algorithm);
        found.map(|(_, _, key)| key.clone())
    }

    fn knows(&self, kid: &str) -> bool {
        self.0.iter().any(|(name, _, _)| name == kid)
    }
}

impl Published {
    /// Its name, the one algorithm that it is for, and itself.
    fn usable(self) -> Option<(String, Algorithm, DecodingKey)> {
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (
                Algorithm::RS256,
                DecodingKey::from_rsa_components(&self.n?, &self.e?),
            ),
            ("EC", Some("P-256")) => (
                Algorithm::ES256,
                DecodingKey::from_ec_components(&self.x?, &self.y?),
            ),
            ("OKP", Some("Ed25519")) => {
                (Algorithm::EdDSA, DecodingKey::from_ed_components(&self.x?))
            }
            _ => return None,
        };
        let is_for_signatures = self.r#use.is_none_or(|purpose| purpose == "sig");
        let is_for_it = self.alg.is_none_or(|name| name.parse() == Ok(algorithm));
        (is_for_signatures && is_for_it).then_some((self.kid?, algorithm, key.ok()?))
    }
}

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    Unknown,
    Unavailable(String),
}

/// Where keys come from.
#[derive(Debug)]
pub(super) enum KeySource {
    Given(KeySet),
    Fetched(Box<RemoteKeySet>),
}

impl KeySource {
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

/// Keys from an address. They are fetched with the first token, again when they are old, and again when a token names
/// one that is not there: an issuer that changes its keys needs no word to us. Between two fetches there is a pause,
/// or made-up names would have us ask all day. What was fetched once stays in use while the issuer is away.
#[derive(Debug)]
pub(super) struct RemoteKeySet {
    url: Url,
    client: Client,
    ttl: Duration,
    pause: Duration,
    state: RwLock<State>,
    /// One fetch at a time; who waits meanwhile takes what it brought.
    fetching: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
    failure: String,
}

impl RemoteKeySet {
    pub(super) fn new(url: &str, ttl: Duration, pause: Duration) -> Result<Self, SettingError> {
        let parsed =
            Url::parse(url).map_err(|error| JWT_JWKS_URL.reject(url, error.to_string()))?;
        let is_local = parsed.host_str().is_some_and(is_loopback_host);
        if !(parsed.scheme() == "https" || (parsed.scheme() == "http" && is_local)) {
            return Err(JWT_JWKS_URL.reject(url, "the connection would not be encrypted"));
        }
        // Several crates bring rustls along and none chooses its cryptography; a second choice is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build();
        let client = client
            .map_err(|error| JWT_JWKS_URL.reject(url, format!("failed to set up HTTP: {error}")))?;
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
        // Nobody panics while holding it; and what is in it is whole at any time.
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
        let is_there = state.keys.as_ref().is_some_and(|keys| keys.knows(kid));
        if is_old || !is_there {
            self.renew(is_there).await;
        }
        let state = self.state();
        let keys = state.keys.ok_or(KeyError::Unavailable(state.failure))?;
        keys.find(kid, algorithm).ok_or(KeyError::Unknown)
    }

    /// Fetches, unless that was tried a moment ago. Who can go on with what there is does not wait for another's fetch.
    async fn renew(&self, can_go_on: bool) {
        let _one = if can_go_on {
            let Ok(one) = self.fetching.try_lock() else {
                return;
            };
            one
        } else {
            self.fetching.lock().await
        };
        let state = self.state();
        let pause = if state.keys.is_some() {
            self.pause
        } else {
            self.pause.min(SOON)
        };
        if state.tried.is_some_and(|tried| tried.elapsed() < pause) {
            return;
        }
        let fetched = self.fetch().await;
        if let Err(why) = &fetched {
            tracing::warn!(url = %self.url, "the keys of tokens could not be fetched: {why}");
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
            return Err(format!("the answer was {}", response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            text.extend_from_slice(&chunk);
            if text.len() > LARGEST {
                return Err(format!("the answer has more than {LARGEST} bytes"));
            }
        }
        let keys = KeySet::parse(&text).map_err(|why| format!("the answer {why}"))?;
        if keys.is_empty() {
            Err("the answer has no key that can be used".to_owned())
        } else {
            Ok(keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_https_or_from_this_machine() {
        let span = Duration::from_secs(1);
        let new = |url| {
            RemoteKeySet::new(url, span, span)
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
    fn a_key_that_cannot_be_used_spoils_no_other() {
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
