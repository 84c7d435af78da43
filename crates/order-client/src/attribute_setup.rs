//! The set-up of the namespace for a release: it registers the search attributes and waits until
//! orders can use them.

use std::time::Duration;

use crate::{AttributeRegistration, Error, OrderClient};
use domain::SEARCH_ATTRIBUTES;

/// The time in which a server uses a new search attribute.
const ATTRIBUTE_TIMEOUT: Duration = Duration::from_secs(120);

/// The result of [`OrderClient::set_up_search_attributes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeSetup {
    /// Orders can use all search attributes. The named ones are new.
    Usable(Vec<&'static str>),
    /// The server shows in no way if the search attributes exist. `command` creates them.
    Unverified { command: String },
}

impl AttributeSetup {
    /// Returns a sentence about the search attributes, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Usable(registered) if registered.is_empty() => {
                "all search attributes were already registered".to_owned()
            }
            Self::Usable(registered) => format!("registered {}", registered.join(", ")),
            Self::Unverified { command } => format!(
                "the search attributes could not be verified, because Temporal refuses to list them; \
                 if orders do not start, run `{command}`"
            ),
        }
    }
}

/// The reason why orders cannot use the search attributes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// `command` creates the missing ones.
    #[error(
        "search attributes {}: missing, and Temporal does not permit this program to register them; \
         on Temporal Cloud, run `{command}`",
        missing.join(", ")
    )]
    Refused {
        missing: Vec<&'static str>,
        command: String,
    },
    #[error("the search attributes are registered, but cannot be used yet")]
    NotUsable(#[source] Error),
    #[error(transparent)]
    Temporal(#[from] Error),
}

impl OrderClient {
    /// Registers the missing search attributes, and waits until they can be used. A repetition
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// When search attributes are missing and the server refuses to register them, or when Temporal is
    /// unavailable.
    pub async fn set_up_search_attributes(&self) -> Result<AttributeSetup, AttributeError> {
        let namespace = self.connection.settings().namespace();
        let registered = match self.register_search_attributes().await? {
            AttributeRegistration::Complete(registered) => registered,
            AttributeRegistration::Refused(missing) => {
                let command = tcld_command(namespace, &missing);
                return Err(AttributeError::Refused { missing, command });
            }
            AttributeRegistration::Unverified => {
                let all = SEARCH_ATTRIBUTES.map(|(name, _)| name);
                let command = tcld_command(namespace, &all);
                return Ok(AttributeSetup::Unverified { command });
            }
        };
        self.wait_for_search_attributes(ATTRIBUTE_TIMEOUT)
            .await
            .map_err(AttributeError::NotUsable)?;
        Ok(AttributeSetup::Usable(registered))
    }
}

/// Returns the command of Temporal Cloud's command line that creates search attributes. It rejects
/// those that exist.
fn tcld_command(namespace: &str, names: &[&str]) -> String {
    let mut command = format!("tcld namespace search-attributes add --namespace {namespace}");
    for (name, kind) in SEARCH_ATTRIBUTES {
        if names.contains(&name) {
            command.push_str(&format!(" --sa {name}={kind}"));
        }
    }
    command
}
