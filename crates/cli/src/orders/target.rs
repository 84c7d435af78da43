//! Where the commands find what they talk to: the environment, else the running stack, else the defaults.

use anyhow::Result;
use client::TemporalSettings;
use devstack::{Project, State};
use std::env;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";

fn running() -> Option<State> {
    Project::here().ok()?.state().ok()
}

pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The HTTP API.
pub(crate) fn api_url() -> String {
    let of_stack = || running().map(|state| state.addresses.http_url);
    variable("ORDERFLOW_URL").or_else(of_stack).unwrap_or_else(|| DEFAULT_URL.to_owned())
}

pub(crate) fn temporal() -> Result<TemporalSettings> {
    let Some(state) = running() else { return Ok(TemporalSettings::from_env()?) };
    let addresses = state.addresses;
    Ok(TemporalSettings::from_env_or([
        ("TEMPORAL_ADDRESS", addresses.temporal_address.as_str()),
        ("TEMPORAL_NAMESPACE", addresses.temporal_namespace.as_str()),
    ])?)
}

pub(crate) fn database_url() -> Option<String> {
    variable("DATABASE_URL").or_else(|| running().map(|state| state.addresses.database_url))
}

/// The running stack's mailbox.
pub(crate) fn mail_url() -> Option<String> {
    running().and_then(|state| state.addresses.mail_url)
}
