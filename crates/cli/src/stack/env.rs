//! `env`.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::output::{OutputArguments, print, print_json};
use devstack::Project;
use settings::Setting;

/// Settings that are not printed. The addresses are in use by the stack's own programs. `MAIL` would make
/// the next `up` assume that the user has set up mail; it follows from `SMTP_URL`.
const NOT_PRINTED: [&Setting; 4] = [
    &settings::ORDERFLOW_HTTP_ADDRESS,
    &settings::ORDERFLOW_HEALTH_ADDRESS,
    &settings::ORDERFLOW_METRICS_ADDRESS,
    &settings::MAIL,
];

/// Prints the settings of the running stack, for a function or a worker that joins it.
pub(crate) fn env(output: OutputArguments) -> Result<()> {
    let state = Project::from_current_folder()?.read_state()?;
    let mut variables = state.settings;
    variables.retain(|(name, _)| !NOT_PRINTED.iter().any(|setting| setting.name() == name));
    let addresses = state.addresses;
    let database_url = addresses
        .database_folder
        .is_some()
        .then_some(addresses.database_url);
    let exported = [
        (&settings::ORDERFLOW_URL, Some(addresses.http_url)),
        (
            &settings::ORDERFLOW_METRICS_URL,
            Some(addresses.metrics_url),
        ),
        (
            &settings::ORDERFLOW_WORKER_METRICS_URL,
            addresses.worker_health_url,
        ),
        (&settings::ORDERFLOW_MAIL_URL, addresses.mail_url),
        (&settings::ORDERFLOW_LOCAL_SMTP_URL, addresses.smtp_url),
        (&settings::ORDERFLOW_LOCAL_DATABASE_URL, database_url),
    ];
    variables.extend(
        exported
            .into_iter()
            .filter_map(|(setting, value)| Some((setting.name().to_owned(), value?))),
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
