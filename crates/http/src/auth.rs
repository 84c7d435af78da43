//! Authentication and authorization of callers: none, by API key, or by token (JWT).
//!
//! A program has one mode, which [`configure_auth`] reads from the environment at its start. Until
//! then every call is rejected. Start reading at [`Auth::authenticate`] and [`Auth::authorize`].
//! API keys are in `api_key` and `key_source`, tokens in `token`, quotes in `quote` and `quote_key`, and public keys in
//! `jwks`.

mod api_key;
mod jwks;
mod key_source;
mod quote;
mod quote_key;
mod ring;
mod token;

use std::sync::OnceLock;

use key_source::ApiKeySource;
use lambda_http::http::{HeaderMap, HeaderName};
use token::TokenVerifier;

use crate::{Access, Caller, Problem, Route};
use settings::{Environment, SettingError};

pub use api_key::{NewApiKey, create_api_key};
pub use quote::{QuoteError, QuoteVerifier, VerifiedQuote};
pub use quote_key::QuoteKey;

/// The way in which callers authenticate (`API_AUTH`).
#[derive(Debug)]
pub(crate) enum Auth {
    /// Every caller is accepted, without credentials.
    None,
    ApiKey(ApiKeySource),
    Jwt(Box<TokenVerifier>),
}

static AUTH: OnceLock<Auth> = OnceLock::new();

/// Reads the settings of authentication from the environment, for all calls of this program.
///
/// # Errors
///
/// When a setting is missing or invalid. On Lambda, `API_AUTH` is required.
pub fn configure_auth() -> Result<(), SettingError> {
    let auth = Auth::from_settings(&Environment::from_process())?;
    // A second call reads the same environment, so the first value stays correct.
    let _ = AUTH.set(auth);
    Ok(())
}

/// Reads the accepted API keys if they are in a secret, so that the first caller does not wait for
/// them. A failure is logged, and the first caller tries again.
pub(crate) async fn warm_up_auth() {
    if let Some(Auth::ApiKey(keys)) = AUTH.get() {
        keys.warm_up().await;
    }
}

/// Returns the mode that [`configure_auth`] has read; `None` before its call.
pub(crate) fn configured_auth() -> Option<&'static Auth> {
    AUTH.get()
}

/// The reason why a call is rejected. No text contains a part of the credential.
#[derive(Debug, PartialEq, Eq)]
enum AuthError {
    /// The request has no credential of the required kind.
    Missing,
    /// The credential is rejected, for this reason.
    Invalid(&'static str),
    /// The credential cannot be checked, because the keys are unavailable.
    Unavailable(String),
}

impl Auth {
    fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        match environment.get(&settings::API_AUTH) {
            Some("none") => Ok(Self::None),
            Some("api-key") => ApiKeySource::from_settings(environment).map(Self::ApiKey),
            Some("jwt") => {
                TokenVerifier::from_settings(environment).map(|tokens| Self::Jwt(Box::new(tokens)))
            }
            Some(other) => Err(settings::API_AUTH.reject(other, "unknown value")),
            // An open API is fine on a laptop. On the internet it must be a decision.
            None if environment
                .get(&settings::AWS_LAMBDA_FUNCTION_NAME)
                .is_some() =>
            {
                Err(settings::API_AUTH.missing("not set, but required on Lambda"))
            }
            None => Ok(Self::None),
        }
    }

    /// Identifies the caller by the credential in the headers.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = match self {
            Self::None => Ok(Caller::anonymous()),
            Self::ApiKey(keys) => keys.authenticate(headers).await,
            Self::Jwt(tokens) => tokens.authenticate(headers).await,
        };
        caller.map_err(|error| self.problem(&error))
    }

    fn problem(&self, error: &AuthError) -> Problem {
        let challenge = self.challenge();
        match error {
            AuthError::Missing => {
                let header = if matches!(self, Self::Jwt(_)) {
                    "Authorization: Bearer …"
                } else {
                    "X-Api-Key: …"
                };
                Problem::unauthenticated(
                    format!("Send the header '{header}'."),
                    challenge.to_owned(),
                )
            }
            AuthError::Invalid(why) => {
                let challenge =
                    format!("{challenge}, error=\"invalid_token\", error_description=\"{why}\"");
                Problem::unauthenticated(format!("The credential is rejected: {why}."), challenge)
            }
            AuthError::Unavailable(why) => Problem::auth_unavailable(why),
        }
    }

    /// Returns the scheme for the header `WWW-Authenticate` (RFC 9110).
    const fn challenge(&self) -> &'static str {
        match self {
            Self::None | Self::ApiKey(_) => "ApiKey realm=\"orderflow\", header=\"X-Api-Key\"",
            Self::Jwt(_) => "Bearer realm=\"orderflow\"",
        }
    }

    /// Checks that the caller has the scope of the route.
    pub(crate) fn authorize(&self, caller: &Caller, route: &Route) -> Result<(), Problem> {
        match route.operation.access() {
            Access::Requires(scope) if !caller.has_scope(scope) => {
                let challenge = format!(
                    "{}, error=\"insufficient_scope\", scope=\"{scope}\"",
                    self.challenge()
                );
                Err(Problem::insufficient_scope(scope, challenge))
            }
            Access::Public | Access::Requires(_) => Ok(()),
        }
    }
}

/// Returns the only value of a header. Repeated headers are rejected, because proxies disagree
/// about which of them counts.
fn single_header(headers: &HeaderMap, name: HeaderName) -> Result<&str, AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Invalid("the header is repeated"));
    }
    value
        .to_str()
        .map(str::trim)
        .map_err(|_| AuthError::Invalid("the header is not ASCII text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Auth, String> {
        Auth::from_settings(&Environment::from_pairs(settings.iter().copied()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn default_is_open_except_on_lambda() {
        assert!(matches!(read(&[]), Ok(Auth::None)));
        let lambda = ("AWS_LAMBDA_FUNCTION_NAME", "start");
        let error = "API_AUTH: not set, but required on Lambda; allowed: none, api-key, jwt";
        assert_eq!(read(&[lambda]).unwrap_err(), error);
        assert!(matches!(
            read(&[lambda, ("API_AUTH", "none")]),
            Ok(Auth::None)
        ));
    }

    #[test]
    fn missing_setting_of_a_mode_is_an_error() {
        let missing = |kind| read(&[("API_AUTH", kind)]).unwrap_err();
        assert_eq!(
            missing("basic"),
            "API_AUTH=basic: unknown value; allowed: none, api-key, jwt"
        );
        assert!(
            missing("api-key").starts_with("API_KEYS: not set, "),
            "{}",
            missing("api-key")
        );
        assert!(
            missing("jwt").starts_with("JWT_ISSUER: not set, "),
            "{}",
            missing("jwt")
        );
    }
}
