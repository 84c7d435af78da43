//! Who may call: nobody is asked, or each brings a key, or a token.
//!
//! The rule is one for the program, read from the environment when it starts ([`check_callers`]); until then nobody
//! is let in. Start reading at [`Auth::admit`]; keys are in `api_key`, tokens in `token` with their keys in `jwks`.

mod api_key;
mod jwks;
mod ring;
mod token;

use api_key::ApiKeys;

use crate::{Access, Caller, Problem, Route};
pub use api_key::{NewApiKey, create_api_key};
use std::sync::OnceLock;

use lambda_http::http::{HeaderMap, HeaderName};
use token::TokenVerifier;

use settings::{Environment, SettingError};

/// How callers prove who they are (`API_AUTH`).
#[derive(Debug)]
pub(crate) enum Auth {
    /// Not at all.
    None,
    ApiKey(ApiKeys),
    Jwt(Box<TokenVerifier>),
}

static AUTH: OnceLock<Auth> = OnceLock::new();

/// Reads who may call from the environment, for all calls of this program.
pub fn configure_auth() -> Result<(), SettingError> {
    let auth = Auth::from_settings(&Environment::from_process())?;
    // Set once; a second reading of the same environment says the same.
    let _ = AUTH.set(auth);
    Ok(())
}

/// What [`check_callers`] read.
pub(crate) fn configured_auth() -> Option<&'static Auth> {
    AUTH.get()
}

/// Why a call is not let in. Neither text has a word of the credential.
#[derive(Debug, PartialEq, Eq)]
enum AuthError {
    /// There is no credential, or not one of the kind that is asked for.
    Missing,
    /// It is not accepted; why.
    Invalid(&'static str),
    /// Nobody can tell for now: the keys of tokens are out of reach.
    Unavailable(String),
}

impl Auth {
    fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        match environment.get(&settings::API_AUTH) {
            Some("none") => Ok(Self::None),
            Some("api-key") => ApiKeys::from_settings(environment).map(Self::ApiKey),
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

    /// Who sent these headers.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let caller = match self {
            Self::None => Ok(Caller::anonymous()),
            Self::ApiKey(keys) => keys.authenticate(headers),
            Self::Jwt(tokens) => tokens.authenticate(headers).await,
        };
        caller.map_err(|refused| self.problem(&refused))
    }

    fn problem(&self, refused: &AuthError) -> Problem {
        let challenge = self.challenge();
        match refused {
            AuthError::Missing => {
                let header = if matches!(self, Self::Jwt(_)) {
                    "Authorization: Bearer …"
                } else {
                    "X-Api-Key: …"
                };
                Problem::unauthenticated(
                    format!("Send '{header}' with the call."),
                    challenge.to_owned(),
                )
            }
            AuthError::Invalid(why) => {
                let challenge =
                    format!("{challenge}, error=\"invalid_token\", error_description=\"it {why}\"");
                Problem::unauthenticated(
                    format!("The credential is not accepted: it {why}."),
                    challenge,
                )
            }
            AuthError::Unavailable(why) => Problem::auth_unavailable(why),
        }
    }

    /// The scheme, as `WWW-Authenticate` names it.
    const fn challenge(&self) -> &'static str {
        match self {
            Self::None | Self::ApiKey(_) => "ApiKey realm=\"orderflow\", header=\"X-Api-Key\"",
            Self::Jwt(_) => "Bearer realm=\"orderflow\"",
        }
    }

    /// Whether `caller` may do what the route does.
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

/// The one value of a header. Several are as good as none: which of them was checked would be anybody's guess.
fn single_header(headers: &HeaderMap, name: HeaderName) -> Result<&str, AuthError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Invalid("was sent more than once"));
    }
    value
        .to_str()
        .map(str::trim)
        .map_err(|_| AuthError::Invalid("is not plain text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Auth, String> {
        Auth::from_settings(&Environment::from_pairs(settings.iter().copied()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_laptop_is_open_and_lambda_never_by_default() {
        assert!(matches!(read(&[]), Ok(Auth::None)));
        let lambda = ("AWS_LAMBDA_FUNCTION_NAME", "start");
        let refused = "API_AUTH: not set, but required on Lambda; allowed: none, api-key, jwt";
        assert_eq!(read(&[lambda]).unwrap_err(), refused);
        assert!(matches!(
            read(&[lambda, ("API_AUTH", "none")]),
            Ok(Auth::None)
        ));
    }

    #[test]
    fn what_a_kind_needs_must_be_there() {
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
