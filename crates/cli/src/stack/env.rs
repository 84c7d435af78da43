//! `env`.

use anyhow::Result;
use devstack::{Project, settings};
use serde_json::{Map, Value};

use crate::{
    args::Output,
    output::{print, print_json},
};

/// Prints the running stack's settings, all that a function or a worker needs to join in.
pub(crate) fn env(output: Output) -> Result<()> {
    let state = Project::here()?.state()?;
    let mut variables = state.settings;
    // Where the running ones listen is no place for another one.
    variables.retain(|(name, _)| !matches!(name.as_str(), "ORDERFLOW_HTTP_ADDRESS" | "ORDERFLOW_HEALTH_ADDRESS"));
    variables.push(("ORDERFLOW_URL".to_owned(), state.addresses.http_url));
    if state.addresses.database_folder.is_some() {
        variables.push((settings::LOCAL_DATABASE.to_owned(), state.addresses.database_url));
    }
    if output.json {
        return print_json(&variables.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, Value>>());
    }
    let export = |(name, value): &(String, String)| format!("export {name}='{}'", value.replace('\'', r"'\''"));
    print(&variables.iter().map(export).collect::<Vec<_>>().join("\n"))
}
