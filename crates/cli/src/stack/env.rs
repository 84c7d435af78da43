//! `env`.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::output::{OutputArguments, print, print_json};
use devstack::{Project, settings};

/// Where the running ones listen is no place for another one; and mail follows from `SMTP_URL`, while `MAIL` in the
/// environment would tell the next `up` that the user has mail of their own.
const NOT_FOR_OTHERS: [&str; 4] = [
    "ORDERFLOW_HTTP_ADDRESS",
    "ORDERFLOW_HEALTH_ADDRESS",
    "ORDERFLOW_METRICS_ADDRESS",
    "MAIL",
];

/// Prints the running stack's settings, all that a function or a worker needs to join in.
pub(crate) fn env(output: OutputArguments) -> Result<()> {
    let state = Project::from_current_folder()?.read_state()?;
    let mut variables = state.settings;
    variables.retain(|(name, _)| !NOT_FOR_OTHERS.contains(&name.as_str()));
    let addresses = state.addresses;
    let ours = addresses
        .database_folder
        .is_some()
        .then_some(addresses.database_url);
    let pages = [
        ("ORDERFLOW_URL", Some(addresses.http_url)),
        ("ORDERFLOW_METRICS_URL", Some(addresses.metrics_url)),
        ("ORDERFLOW_WORKER_METRICS_URL", addresses.worker_health_url),
        ("ORDERFLOW_MAIL_URL", addresses.mail_url),
        (settings::LOCAL_SMTP, addresses.smtp_url),
        (settings::LOCAL_DATABASE, ours),
    ];
    variables.extend(
        pages
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    if output.json {
        return print_json(
            &variables
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect::<Map<_, Value>>(),
        );
    }
    let export = |(name, value): &(String, String)| {
        format!("export {name}='{}'", value.replace('\'', r"'\''"))
    };
    print(&variables.iter().map(export).collect::<Vec<_>>().join("\n"))
}
