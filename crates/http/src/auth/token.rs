//! Tokens: signed by an issuer that the settings name, for this API, and not for long.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, decode, errors::ErrorKind};
use lambda_http::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AuthError,
    jwks::{KeyError, KeySet, KeySource, RemoteKeySet},
    ring, single_header,
};
use crate::{Caller, Scope};
use domain::CustomerId;
use settings::{Environment, JWT_AUDIENCE, JWT_JWKS, JWT_JWKS_URL, SettingError};

/// Of a header that API Gateway takes (10 KiB in all), the most that a token may be.
const LARGEST: usize = 8 * 1024;
/// How far two clocks may be apart.
const LEEWAY: u64 = 30;
/// All that can be chosen from. An algorithm with a shared secret is not among them, nor is `none`.
const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// Which tokens are let in.
#[derive(Debug)]
pub(crate) struct TokenVerifier {
    source: KeySource,
    issuer: String,
    audience: Vec<String>,
    algorithms: Vec<(&'static str, Algorithm)>,
    customer_claim: String,
}

/// What a token says of itself, before anything is checked.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

type Claims = Map<String, Value>;

impl TokenVerifier {
    pub(super) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        const REQUIRED: &str = "not set, but API_AUTH=jwt requires it";
        let issuer = environment.require(&settings::JWT_ISSUER, REQUIRED)?;
        let audience = environment.require(&JWT_AUDIENCE, REQUIRED)?;
        let audience: Vec<String> = words(audience).map(str::to_owned).collect();
        if audience.is_empty() {
            return Err(JWT_AUDIENCE.reject(",", "no audience"));
        }
        let ttl = environment.duration(&settings::JWT_JWKS_TTL)?;
        let pause = environment.duration(&settings::JWT_JWKS_PAUSE)?;
        let source = match (environment.get(&JWT_JWKS_URL), environment.get(&JWT_JWKS)) {
            (Some(url), None) => KeySource::Fetched(Box::new(RemoteKeySet::new(url, ttl, pause)?)),
            (None, Some(text)) => {
                let keys = KeySet::parse(text.as_bytes())
                    .map_err(|problem| JWT_JWKS.reject_hidden(problem))?;
                if keys.is_empty() {
                    return Err(JWT_JWKS.reject_hidden("no supported key with a kid"));
                }
                KeySource::Given(keys)
            }
            (None, None) => {
                return Err(
                    JWT_JWKS_URL.missing("not set, but API_AUTH=jwt requires it or JWT_JWKS")
                );
            }
            (Some(url), Some(_)) => {
                return Err(JWT_JWKS_URL.reject(url, "JWT_JWKS is set too; set only one of them"));
            }
        };
        let algorithms = algorithms(environment)?;
        let issuer = issuer.to_owned();
        let customer_claim = environment
            .get_or_default(&settings::JWT_CUSTOMER_CLAIM)
            .to_owned();
        // A second installation is refused, which is fine: there is but this one.
        let _ = ring::PROVIDER.install_default();
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
        let claims = self.verified(token.trim()).await?;
        self.of_claims(&claims)
    }

    async fn verified(&self, token: &str) -> Result<Claims, AuthError> {
        if token.len() > LARGEST {
            return Err(AuthError::Invalid("is too large"));
        }
        let (algorithm, kid) = self.announced(token)?;
        let key = self
            .source
            .find_key(&kid, algorithm)
            .await
            .map_err(|no_key| match no_key {
                KeyError::Unknown => AuthError::Invalid("was not signed with a key of its issuer"),
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

    /// Which key a token wants to be checked with, and how. Both must be ours to give.
    fn announced(&self, token: &str) -> Result<(Algorithm, String), AuthError> {
        const NONE: AuthError = AuthError::Invalid("is no token");
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NONE);
        };
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| NONE)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| NONE)?;
        let known = self.algorithms.iter().find(|(name, _)| *name == header.alg);
        let (_, algorithm) = known.ok_or(AuthError::Invalid(
            "is signed in a way that is not accepted",
        ))?;
        if header.crit.is_some() {
            return Err(AuthError::Invalid("asks for what is not supported"));
        }
        let is_token = |kind: &String| {
            ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.to_ascii_lowercase().as_str())
        };
        if !header.typ.as_ref().is_none_or(is_token) {
            return Err(AuthError::Invalid("is of another type"));
        }
        let kid = header.kid.filter(|kid| !kid.is_empty());
        Ok((
            *algorithm,
            kid.ok_or(AuthError::Invalid("does not name its key"))?,
        ))
    }

    fn of_claims(&self, claims: &Claims) -> Result<Caller, AuthError> {
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let subject = text("sub").ok_or(AuthError::Invalid("has no subject"))?;
        // A list with ours among others would be an issuer that is nobody in particular.
        text("iss").ok_or(AuthError::Invalid("is from another issuer"))?;
        let customer = match claims.get(&self.customer_claim) {
            None => None,
            // A claim that is there and is no customer's id must not make a caller that sees all of them.
            Some(id) => match id.as_str().map(CustomerId::parse) {
                Some(Ok(id)) => Some(id),
                Some(Err(_)) | None => {
                    return Err(AuthError::Invalid("has a customer that is none"));
                }
            },
        };
        let scopes = scopes(claims.get("scope").or(claims.get("scp")))?;
        Ok(Caller::new(format!("token:{subject}"), scopes, customer))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn algorithms(environment: &Environment) -> Result<Vec<(&'static str, Algorithm)>, SettingError> {
    let text = environment.get_or_default(&settings::JWT_ALGORITHMS);
    let chosen: Option<Vec<_>> = words(text)
        .map(|word| ALGORITHMS.into_iter().find(|(name, _)| *name == word))
        .collect();
    chosen
        .filter(|chosen| !chosen.is_empty())
        .ok_or_else(|| settings::JWT_ALGORITHMS.reject(text, "unknown algorithm"))
}

/// A text with spaces, or a list. What is no scope of ours is another API's.
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
            Err(AuthError::Invalid("has scopes that are none"))
        }
    }
}

/// In words that help a caller and tell an attacker nothing new.
fn reason(kind: &ErrorKind) -> &'static str {
    if matches!(kind, ErrorKind::ExpiredSignature) {
        "has expired"
    } else if matches!(kind, ErrorKind::ImmatureSignature) {
        "is not valid yet"
    } else if matches!(kind, ErrorKind::InvalidIssuer) {
        "is from another issuer"
    } else if matches!(kind, ErrorKind::InvalidAudience) {
        "is for somebody else"
    } else if matches!(kind, ErrorKind::MissingRequiredClaim(_)) {
        "lacks one of exp, iss, aud and sub"
    } else if matches!(kind, ErrorKind::InvalidSignature) {
        "is not signed by its issuer"
    } else {
        "is no token"
    }
}

#[cfg(test)]
mod tests;
