//! AWS credentials of this program.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

use settings::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, Environment, Setting};

/// A required variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingVariable(pub &'static Setting);

/// Returns the credentials in the environment, where Lambda puts those of a function's role.
/// They stay valid for as long as the sandbox lives.
///
/// # Errors
///
/// [`MissingVariable`] when `AWS_ACCESS_KEY_ID` or `AWS_SECRET_ACCESS_KEY` is unset or empty.
pub fn credentials_from(environment: &Environment) -> Result<Credentials, MissingVariable> {
    let get = |setting| environment.get(setting).map(str::to_owned);
    let require = |setting| get(setting).ok_or(MissingVariable(setting));
    Ok(Credentials::new(
        require(&AWS_ACCESS_KEY_ID)?,
        require(&AWS_SECRET_ACCESS_KEY)?,
        get(&AWS_SESSION_TOKEN),
        None,
        "environment",
    ))
}

/// Returns a provider of the current credentials: those of the environment, of a profile or of a
/// task's role.
#[cfg(feature = "chain")]
pub fn credentials_provider() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(crate::chain::Chain::default())
}

/// Returns a provider of the credentials in the environment. A build with the feature `chain` also
/// reads profiles and task roles.
#[cfg(not(feature = "chain"))]
pub fn credentials_provider() -> SharedCredentialsProvider {
    use aws_credential_types::{
        credential_fn::provide_credentials_fn, provider::error::CredentialsError,
    };

    let missing = |MissingVariable(setting): MissingVariable| {
        CredentialsError::not_loaded(format!(
            "{} is not set, and this build reads credentials of the environment only",
            setting.name()
        ))
    };
    SharedCredentialsProvider::new(provide_credentials_fn(move || async move {
        credentials_from(&Environment::from_process()).map_err(missing)
    }))
}
