//! The search attributes of Temporal's namespace, for `migrate`.

use anyhow::Error;

use crate::target;
use order_client::{AttributeError, AttributeSetup, OrderClient};

/// The result of the registration, for people and for scripts.
pub(super) struct Report {
    /// The names of the new search attributes.
    pub(super) registered: Vec<&'static str>,
    /// Whether orders can use all search attributes.
    pub(super) verified: bool,
    pub(super) summary: String,
    /// The reason why orders cannot use the search attributes, with a remedy.
    pub(super) failure: Option<String>,
}

impl Report {
    fn failed(summary: &str, failure: String) -> Self {
        Self {
            registered: Vec::new(),
            verified: false,
            summary: summary.to_owned(),
            failure: Some(failure),
        }
    }

    fn from_error(error: AttributeError) -> Self {
        if let AttributeError::Refused { missing, .. } = &error {
            let summary = format!("missing search attributes: {}", missing.join(", "));
            return Self::failed(&summary, error.to_string());
        }
        Self::unusable(error.into())
    }

    fn unusable(error: Error) -> Self {
        Self::failed(
            "the search attributes cannot be used",
            format!("{error:#}; run `orderflow check`"),
        )
    }
}

/// Registers the missing search attributes, and waits until they can be used.
pub(super) async fn register() -> Report {
    let settings = match target::temporal_settings() {
        Ok(settings) => settings,
        Err(error) => return Report::unusable(error),
    };
    let setup = OrderClient::new(settings).set_up_search_attributes().await;
    let setup = match setup {
        Ok(setup) => setup,
        Err(error) => return Report::from_error(error),
    };
    let summary = setup.describe();
    let (registered, verified) = match setup {
        AttributeSetup::Usable(registered) => (registered, true),
        AttributeSetup::Unverified { .. } => (Vec::new(), false),
    };
    Report {
        registered,
        verified,
        summary,
        failure: None,
    }
}
