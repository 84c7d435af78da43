//! A private key that signs quotes, for tests and scripts of a shop (`orderflow quote`). A deployment
//! has the public keys only.

use std::fmt;

use ::ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Map, Value, json};

use super::quote::TYPE;

/// A private key of P-256, with its id.
pub struct QuoteKey {
    id: String,
    pair: EcdsaKeyPair,
}

impl fmt::Debug for QuoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuoteKey({})", self.id)
    }
}

impl QuoteKey {
    /// Reads a private key in PEM (PKCS #8), as `openssl genpkey` writes it.
    ///
    /// # Errors
    ///
    /// The text has no such key.
    pub fn parse(id: &str, pem: &str) -> Result<Self, &'static str> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "no PRIVATE KEY in PEM")?;
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            key.secret_pkcs8_der(),
            &SystemRandom::new(),
        )
        .map_err(|_| "not a key of the curve P-256")?;
        Ok(Self {
            id: id.to_owned(),
            pair,
        })
    }

    /// Returns the public key as a JSON Web Key Set, a value of `QUOTE_JWKS`.
    #[must_use]
    pub fn public_key_set(&self) -> Value {
        // An uncompressed point: the byte 4, then both coordinates.
        let coordinates = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256",
            "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y),
        }]})
    }

    /// Returns a quote with these claims.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, &'static str> {
        let header = json!({"alg": "ES256", "kid": self.id, "typ": TYPE});
        let claims = json!(claims);
        let [header, claims] =
            [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .map_err(|_| "the system has no random numbers")?;
        Ok(format!(
            "{message}.{}",
            BASE64URL_NOPAD.encode(signature.as_ref())
        ))
    }
}
