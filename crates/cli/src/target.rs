//! The servers that the commands use: those of the environment, else of the running stack, else the
//! defaults.

use anyhow::{Context, Result, anyhow};

use devstack::{Project, StackState};
use order_client::{OrderClient, TemporalSettings};
use settings::Setting;
use store::{Database, PgPool};

/// Maximum number of database connections of one command.
const CONNECTIONS: u32 = 20;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";

/// Returns the state of the stack that runs in the current folder.
fn running_stack() -> Option<StackState> {
    Project::from_current_folder().ok()?.read_state().ok()
}

/// Returns a setting of the running stack's services.
pub(crate) fn read_stack_setting(setting: &Setting) -> Option<String> {
    let mut values = running_stack()?.settings.into_iter();
    values
        .find(|(name, value)| name == setting.name() && !value.is_empty())
        .map(|(_, value)| value)
}

/// Returns the URL of the HTTP API.
pub(crate) fn api_url() -> String {
    let of_stack = || running_stack().map(|state| state.addresses.http_url);
    settings::read(&settings::ORDERFLOW_URL)
        .or_else(of_stack)
        .unwrap_or_else(|| DEFAULT_URL.to_owned())
}

/// Returns the settings for Temporal.
pub(crate) fn temporal_settings() -> Result<TemporalSettings> {
    let Some(state) = running_stack() else {
        return Ok(TemporalSettings::from_env()?);
    };
    let addresses = state.addresses;
    Ok(TemporalSettings::from_env_or([
        (
            &settings::TEMPORAL_ADDRESS,
            addresses.temporal_address.as_str(),
        ),
        (
            &settings::TEMPORAL_NAMESPACE,
            addresses.temporal_namespace.as_str(),
        ),
    ])?)
}

/// Creates a client of Temporal.
pub(crate) fn connect_orders() -> Result<OrderClient> {
    Ok(OrderClient::new(temporal_settings()?))
}

/// Creates a client of Temporal, if the environment or a running stack names its address.
pub(crate) fn configured_orders() -> Result<Option<OrderClient>> {
    let is_configured =
        settings::read(&settings::TEMPORAL_ADDRESS).is_some() || running_stack().is_some();
    is_configured.then(connect_orders).transpose()
}

/// Turns an error of Temporal into a message that names the next step.
pub(crate) fn explain_temporal_error(error: order_client::Error, id: &str) -> anyhow::Error {
    match error {
        order_client::Error::NotFound => {
            anyhow!(
                "workflow {id:?}: not found in Temporal as a workflow id or an order id; list the newest orders with `orderflow list`"
            )
        }
        error @ (order_client::Error::Unavailable(_)
        | order_client::Error::NoWorker
        | order_client::Error::Unexpected(_)) => {
            anyhow!("{error}; run `orderflow check`")
        }
    }
}

/// Returns the URL of the database, if one is configured.
pub(crate) fn database_url() -> Option<String> {
    settings::read(&settings::DATABASE_URL)
        .or_else(|| running_stack().map(|state| state.addresses.database_url))
}

/// Opens the database. Its errors never contain the URL, which may have a password.
pub(crate) async fn open_database() -> Result<PgPool> {
    let url = database_url().context(
        "database: none is configured; start the stack with `orderflow up`, or set DATABASE_URL",
    )?;
    // A rejected value needs no advice about the stack.
    if settings::read(&settings::DATABASE_URL).is_some() {
        Database::from_env(1)?;
    }
    try_open_database(&url).await.map_err(|error| {
        anyhow!("{error}; start the stack with `orderflow up`, or correct DATABASE_URL")
    })
}

/// Opens the database at [`database_url`], or returns the reason why it cannot be reached.
pub(crate) async fn try_open_database(url: &str) -> Result<PgPool, String> {
    // The environment also sets the login (password or IAM); the local stack uses a password.
    let database = match settings::read(&settings::DATABASE_URL) {
        Some(_) => Database::from_env(CONNECTIONS).map_err(|error| error.to_string())?,
        None => store::connect_lazy(url, CONNECTIONS)
            .map_err(|error| format_store_error(&error))?
            .into(),
    };
    let pool = database.connect().await;
    pool.map_err(|error| format_store_error(&error))
}

/// Formats an error and its cause without the driver's message, which may contain the URL.
pub(crate) fn format_store_error(error: &store::Error) -> String {
    error
        .cause()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Returns the URL of the running stack's mail page.
pub(crate) fn mail_url() -> Option<String> {
    running_stack().and_then(|state| state.addresses.mail_url)
}
