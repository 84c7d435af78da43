//! An issuer of tokens that publishes its keys over HTTP.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use data_encoding::BASE64URL_NOPAD;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

type Published = Arc<Mutex<Option<String>>>;

/// An issuer. Its server stops when the value is dropped.
pub(super) struct Issuer {
    address: SocketAddr,
    published: Published,
    keys: Vec<(&'static str, Ed25519KeyPair)>,
    server: AbortHandle,
}

impl Issuer {
    /// Starts an issuer with three keys, none of which is published yet.
    pub(super) async fn start() -> Self {
        let published = Published::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/keys", get(keys))
            .with_state(Arc::clone(&published));
        let server =
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }).abort_handle();
        let key = |kid| {
            let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            (kid, Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
        };
        Self {
            address,
            published,
            keys: ["1", "2", "3"].map(key).into(),
            server,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    fn key(&self, kid: &str) -> &Ed25519KeyPair {
        &self.keys.iter().find(|(known, _)| *known == kid).unwrap().1
    }

    /// Publishes these keys instead of the earlier ones. Without a key, the server responds with
    /// 500.
    pub(super) fn publish(&self, kids: &[&str]) {
        let jwk = |kid: &&str| {
            let x = BASE64URL_NOPAD.encode(self.key(kid).public_key().as_ref());
            json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x})
        };
        let set = json!({"keys": kids.iter().map(jwk).collect::<Vec<_>>()}).to_string();
        *self.published.lock().unwrap() = (!kids.is_empty()).then_some(set);
    }

    /// Returns a valid token, except for the given claims.
    pub(super) fn token(&self, kid: &str, claims: Value) -> String {
        let mut all = json!({"iss": "https://issuer.example", "aud": "orderflow", "sub": "jane@example.com", "exp": now() + 3_600});
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        self.sign(kid, "JWT", &all)
    }

    /// Signs claims in a compact JWS of this type.
    pub(super) fn sign(&self, kid: &str, typ: &str, all: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": kid, "typ": typ});
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(all));
        let signature = self.key(kid).sign(message.as_bytes());
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// Returns the time in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn keys(State(published): State<Published>) -> Result<String, StatusCode> {
    published
        .lock()
        .unwrap()
        .clone()
        .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}
