//! The password of the database's owner, which RDS keeps in Secrets Manager and rotates.

use secrecy::SecretString;
use serde::Deserialize;

use crate::Failure;
use aws::Secret;
use settings::{DATABASE_PASSWORD_SECRET_ARN, Environment, SettingError};

/// The text of a secret of RDS.
#[derive(Deserialize)]
struct Login {
    password: String,
}

/// The current password of the owner.
#[derive(Debug)]
pub struct OwnerPassword(SecretString);

impl OwnerPassword {
    /// Reads the password; `None` if no secret is configured, so that the database's URL has it.
    ///
    /// # Errors
    ///
    /// When the secret cannot be read. It may be readable soon: the role of a new function is not
    /// usable in all parts of AWS at the same time.
    pub async fn read(environment: &Environment) -> Result<Option<Self>, Failure> {
        let secret = Secret::from_setting(&DATABASE_PASSWORD_SECRET_ARN, environment, parse)
            .map_err(|error| Failure::from_setting(&error))?;
        let Some(secret) = secret else {
            return Ok(None);
        };
        let password = secret.current().await.map_err(|error| {
            Failure::new(error.to_string(), "correct it, then release again").transient(true)
        })?;
        Ok(Some(Self(SecretString::clone(&password))))
    }

    pub(crate) fn secret(&self) -> &SecretString {
        &self.0
    }
}

fn parse(text: &str) -> Result<SecretString, SettingError> {
    // The parser's error contains a part of the text, so it is discarded.
    serde_json::from_str::<Login>(text)
        .map(|login| login.password.into())
        .map_err(|_| {
            DATABASE_PASSWORD_SECRET_ARN
                .reject_hidden("the secret is not a JSON object with `password`, as RDS writes it")
        })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn password_is_read_from_the_secret_of_rds() {
        let text = r#"{"username":"orderflow_owner","password":"p:w/d"}"#;
        assert_eq!(parse(text).unwrap().expose_secret(), "p:w/d");
        for other in ["", "p:w/d", r#"{"password":7,"note":"p:w/d"}"#] {
            let error = parse(other).unwrap_err().to_string();
            assert!(
                error.contains("not a JSON object") && !error.contains("p:w/d"),
                "{error}"
            );
        }
    }
}
