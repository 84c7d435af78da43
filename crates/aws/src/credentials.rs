//! Who we are to AWS.

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

use settings::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, Setting};

/// A required variable that is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingVariable(pub &'static Setting);

/// Credentials as Lambda gives them to a function: by its environment, good for as long as its sandbox lives.
pub fn credentials_from_env() -> Result<Credentials, MissingVariable> {
    let require = |setting| settings::read(setting).ok_or(MissingVariable(setting));
    let id = require(&AWS_ACCESS_KEY_ID)?;
    let secret = require(&AWS_SECRET_ACCESS_KEY)?;
    Ok(Credentials::new(
        id,
        secret,
        settings::read(&AWS_SESSION_TOKEN),
        None,
        "environment",
    ))
}

/// Credentials as they are each time they are asked for: of the environment, of a profile or of the role of a task.
#[cfg(feature = "chain")]
pub fn credentials_provider() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(crate::chain::Chain::default())
}

/// Credentials as they are each time they are asked for: of the environment, since this program was built for Lambda
/// (without the feature `chain`).
#[cfg(not(feature = "chain"))]
pub fn credentials_provider() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Environment)
}

#[cfg(not(feature = "chain"))]
#[derive(Debug)]
struct Environment;

#[cfg(not(feature = "chain"))]
impl aws_credential_types::provider::ProvideCredentials for Environment {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let missing = |MissingVariable(setting): MissingVariable| {
            aws_credential_types::provider::error::CredentialsError::not_loaded(format!(
                "{} is not set",
                setting.name()
            ))
        };
        aws_credential_types::provider::future::ProvideCredentials::ready(
            credentials_from_env().map_err(missing),
        )
    }
}
