//! Verification of tokens (JWT, RFC 7519) that a configured issuer has signed for this API.

use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use lambda_http::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::{
    AuthError,
    jwks::{KeyError, KeySource},
    ring, single_header,
};
use crate::{Caller, Scope};
use domain::CustomerId;
use settings::{Environment, JWT_AUDIENCE, JWT_JWKS, JWT_JWKS_URL, SettingError};

/// The maximum size of a token, in bytes. API Gateway limits all headers together to 10 KiB.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The tolerated difference between our clock and the issuer's, in seconds.
pub(super) const LEEWAY: u64 = 30;
/// All supported algorithms. None has a shared secret, and `none` is not among them.
pub(super) const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// A verifier of tokens, and its settings.
#[derive(Debug)]
pub(crate) struct TokenVerifier {
    source: KeySource,
    issuer: String,
    audience: Vec<String>,
    algorithms: Vec<Algorithm>,
    customer_claim: String,
}

type Claims = Map<String, Value>;

const MALFORMED: &str = "the token is malformed, or its header is not supported";
const UNSUPPORTED_ALGORITHM: &str = "the token's algorithm is not accepted";
const WRONG_ISSUER: &str = "the token is from another issuer";

impl TokenVerifier {
    pub(super) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        const REQUIRED: &str = "not set, but API_AUTH=jwt requires it";
        let issuer = environment.require(&settings::JWT_ISSUER, REQUIRED)?;
        let audience = environment.require(&JWT_AUDIENCE, REQUIRED)?;
        let audience: Vec<String> = split_list(audience).map(str::to_owned).collect();
        if audience.is_empty() {
            return Err(JWT_AUDIENCE.reject(",", "no audience"));
        }
        let source = KeySource::from_settings(environment, &JWT_JWKS, &JWT_JWKS_URL)?;
        let source = source.ok_or_else(|| {
            JWT_JWKS_URL.missing("not set, but API_AUTH=jwt requires it or JWT_JWKS")
        })?;
        let algorithms = parse_algorithms(environment)?;
        let issuer = issuer.to_owned();
        let customer_claim = environment
            .get_or_default(&settings::JWT_CUSTOMER_CLAIM)
            .to_owned();
        ring::install_provider();
        Ok(Self {
            source,
            issuer,
            audience,
            algorithms,
            customer_claim,
        })
    }

    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let value = single_header(headers, header::AUTHORIZATION)?;
        let (scheme, token) = value.split_once(' ').ok_or(AuthError::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Missing);
        }
        let claims = self.verify(token.trim()).await?;
        self.caller_from_claims(&claims)
    }

    async fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid("the token is too large"));
        }
        let (algorithm, kid) = self.read_header(token)?;
        let key = self
            .source
            .find_key(&kid, algorithm)
            .await
            .map_err(|no_key| match no_key {
                KeyError::Unknown => AuthError::Invalid("the token's key is unknown"),
                KeyError::Unavailable(why) => AuthError::Unavailable(why),
            })?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&self.audience);
        match decode::<Claims>(token, &key, &validation) {
            Ok(decoded) => Ok(decoded.claims),
            Err(error) => Err(AuthError::Invalid(reason(error.kind()))),
        }
    }

    /// Returns the algorithm and the key id that the header names. Nothing in it is verified yet.
    fn read_header(&self, token: &str) -> Result<(Algorithm, String), AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Invalid(MALFORMED))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(AuthError::Invalid(UNSUPPORTED_ALGORITHM));
        }
        let is_token = |kind: &String| {
            ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.to_ascii_lowercase().as_str())
        };
        if !header.typ.as_ref().is_none_or(is_token) {
            return Err(AuthError::Invalid("the token is of another type"));
        }
        let key_id = header.kid.filter(|id| !id.is_empty());
        Ok((
            header.alg,
            key_id.ok_or(AuthError::Invalid("the token has no key id"))?,
        ))
    }

    fn caller_from_claims(&self, claims: &Claims) -> Result<Caller, AuthError> {
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let subject = text("sub").ok_or(AuthError::Invalid("the token has no subject"))?;
        // `jsonwebtoken` accepts a list that contains our issuer. Require a single issuer.
        let issuer = text("iss").ok_or(AuthError::Invalid(WRONG_ISSUER))?;
        let customer = match claims.get(&self.customer_claim) {
            None => None,
            // An invalid customer id must be an error: a caller without a customer sees all orders.
            Some(id) => match id.as_str().map(CustomerId::parse) {
                Some(Ok(id)) => Some(id),
                Some(Err(_)) | None => {
                    return Err(AuthError::Invalid("the token has an invalid customer id"));
                }
            },
        };
        let scopes = scopes(claims.get("scope").or(claims.get("scp")))?;
        Ok(Caller::of_token(issuer, subject, scopes, customer))
    }
}

fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn parse_algorithms(environment: &Environment) -> Result<Vec<Algorithm>, SettingError> {
    let text = environment.get_or_default(&settings::JWT_ALGORITHMS);
    let find = |word| {
        let found = ALGORITHMS.into_iter().find(|(name, _)| *name == word);
        found.map(|(_, algorithm)| algorithm)
    };
    let chosen: Option<Vec<_>> = split_list(text).map(find).collect();
    chosen
        .filter(|chosen| !chosen.is_empty())
        .ok_or_else(|| settings::JWT_ALGORITHMS.reject(text, "unknown algorithm"))
}

/// Reads the scopes of a claim: a text separated by spaces, or a list. Unknown scopes belong to
/// another API and are ignored.
fn scopes(claim: Option<&Value>) -> Result<Vec<Scope>, AuthError> {
    match claim {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(text.split(' ').filter_map(Scope::parse).collect()),
        Some(Value::Array(list)) => Ok(list
            .iter()
            .filter_map(Value::as_str)
            .filter_map(Scope::parse)
            .collect()),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err(AuthError::Invalid("the token has a malformed scope claim"))
        }
    }
}

/// Returns a text that helps a caller and reveals nothing to an attacker.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other errors are malformed tokens to a caller"
)]
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => WRONG_ISSUER,
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss, aud and sub",
        ErrorKind::InvalidClaimFormat(_) => "the token has a malformed claim",
        ErrorKind::InvalidSignature => "the token has an invalid signature",
        _ => MALFORMED,
    }
}

#[cfg(test)]
mod tests;
