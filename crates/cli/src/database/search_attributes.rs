//! The search attributes of Temporal's namespace, for `migrate`.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::target;
use domain::SEARCH_ATTRIBUTES;
use order_client::AttributeRegistration;

/// The time in which a server uses a new search attribute.
const ATTRIBUTE_TIMEOUT: Duration = Duration::from_secs(120);

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
}

/// Registers the missing search attributes, and waits until they can be used.
pub(super) async fn register() -> Report {
    try_register().await.unwrap_or_else(|error| {
        Report::failed(
            "the search attributes cannot be used",
            format!("{error:#}; run `orderflow check`"),
        )
    })
}

async fn try_register() -> Result<Report> {
    let settings = target::temporal_settings()?;
    let namespace = settings.namespace().to_owned();
    let orders = order_client::OrderClient::new(settings);
    let registered = match orders.register_search_attributes().await? {
        AttributeRegistration::Complete(registered) => registered,
        AttributeRegistration::Refused(missing) => {
            let names = missing.join(", ");
            let command = tcld_command(&namespace, &missing);
            return Ok(Report::failed(
                &format!("missing search attributes: {names}"),
                format!(
                    "search attributes {names}: missing, and Temporal does not permit this program to register them; \
                     on Temporal Cloud, run `{command}`"
                ),
            ));
        }
        AttributeRegistration::Unverified => {
            return Ok(Report {
                registered: Vec::new(),
                verified: false,
                summary: format!(
                    "the search attributes could not be verified, because Temporal refuses to list them; \
                     if orders do not start, run `{}`",
                    tcld_command(&namespace, &SEARCH_ATTRIBUTES.map(|(name, _)| name))
                ),
                failure: None,
            });
        }
    };
    orders
        .wait_for_search_attributes(ATTRIBUTE_TIMEOUT)
        .await
        .context("the search attributes are registered, but cannot be used yet")?;
    let summary = if registered.is_empty() {
        "all search attributes were already registered".to_owned()
    } else {
        format!("registered {}", registered.join(", "))
    };
    Ok(Report {
        registered,
        verified: true,
        summary,
        failure: None,
    })
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
