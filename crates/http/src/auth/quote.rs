//! Verification of quotes: prices that the shop has signed for a customer (`docs/quotes.md`).
//!
//! A token is not accepted as a quote, and a quote not as a token (RFC 8725, 3.11): the type in the
//! header differs, and so do the keys.

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind, get_current_timestamp};
use serde_json::{Map, Value};

use super::{
    jwks::{KeyError, KeySource},
    ring,
    token::{ALGORITHMS, LEEWAY},
};
use settings::{Environment, QUOTE_AUDIENCE, QUOTE_JWKS, QUOTE_JWKS_URL, SettingError};

/// The maximum size of a quote, in bytes. One with 100 line items has about 20 KiB.
const MAX_QUOTE_BYTES: usize = 64 * 1024;
/// The longest time between the signature and the expiry, in seconds.
const MAX_LIFETIME: u64 = 24 * 60 * 60;
pub(super) const TYPE: &str = "quote+jwt";

/// A verifier of quotes.
#[derive(Debug)]
pub struct QuoteVerifier {
    source: KeySource,
    audience: String,
}

/// A quote with a valid signature, for this audience. It can have expired. Its other claims are not
/// checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedQuote {
    /// The id of the quote (`jti`).
    pub id: String,
    /// The id of the key that has signed it.
    pub key_id: String,
    pub claims: Map<String, Value>,
    /// Whether it has expired. Such a quote starts no order; a start that is repeated is still valid.
    pub is_expired: bool,
}

/// The reason why a quote is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuoteError {
    /// A defect other than its expiry. The caller gets no reason, because only the shop can mend a quote.
    Invalid(&'static str),
    /// The quote cannot be checked, because the keys are unavailable.
    Unavailable(String),
}

impl QuoteVerifier {
    /// Returns a verifier, or `None` if no keys are set.
    ///
    /// # Errors
    ///
    /// A setting is invalid.
    pub fn from_settings(environment: &Environment) -> Result<Option<Self>, SettingError> {
        let source = KeySource::from_settings(environment, &QUOTE_JWKS, &QUOTE_JWKS_URL)?;
        ring::install_provider();
        Ok(source.map(|source| Self {
            source,
            audience: environment.get_or_default(&QUOTE_AUDIENCE).to_owned(),
        }))
    }

    /// Verifies the signature, the audience and the lifetime of a quote. It can have expired.
    ///
    /// # Errors
    ///
    /// The quote is rejected.
    pub async fn verify(&self, quote: &str) -> Result<VerifiedQuote, QuoteError> {
        if quote.len() > MAX_QUOTE_BYTES {
            return Err(QuoteError::Invalid("it is too large"));
        }
        let header =
            decode_header(quote).map_err(|_| QuoteError::Invalid("its header is malformed"))?;
        if !ALGORITHMS.iter().any(|(_, known)| *known == header.alg) {
            return Err(QuoteError::Invalid("its algorithm is not accepted"));
        }
        if header.typ.as_deref() != Some(TYPE) {
            return Err(QuoteError::Invalid("its type is not quote+jwt"));
        }
        let key_id = header
            .kid
            .filter(|id| !id.is_empty())
            .ok_or(QuoteError::Invalid("it has no key id"))?;
        let key = self
            .source
            .find_key(&key_id, header.alg)
            .await
            .map_err(|error| match error {
                KeyError::Unknown => QuoteError::Invalid("its key is unknown"),
                KeyError::Unavailable(why) => QuoteError::Unavailable(why),
            })?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        // The expiry is checked below, after the other claims.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.set_audience(&[&self.audience]);
        let claims = decode::<Map<String, Value>>(quote, &key, &validation)
            .map_err(|error| rejection(error.kind()))?
            .claims;
        let time = |name| claims.get(name).and_then(Value::as_u64);
        let times = time("exp").zip(time("iat"));
        let (expiry, _) = times
            .filter(|(expiry, issued)| {
                let lifetime = expiry.checked_sub(*issued);
                lifetime.is_some_and(|lifetime| (1..=MAX_LIFETIME).contains(&lifetime))
            })
            .ok_or(QuoteError::Invalid(
                "it is not valid for at most 24 hours after iat",
            ))?;
        let is_expired = expiry < get_current_timestamp().saturating_sub(LEEWAY);
        let id = claims
            .get("jti")
            .and_then(Value::as_str)
            .filter(|id| (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or(QuoteError::Invalid("it has no valid id"))?
            .to_owned();
        Ok(VerifiedQuote {
            id,
            key_id,
            claims,
            is_expired,
        })
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other errors are malformed quotes"
)]
fn rejection(kind: &ErrorKind) -> QuoteError {
    match kind {
        ErrorKind::InvalidSignature => QuoteError::Invalid("its signature is invalid"),
        ErrorKind::InvalidAudience => QuoteError::Invalid("it is for another audience"),
        _ => QuoteError::Invalid("a claim is missing or malformed"),
    }
}
