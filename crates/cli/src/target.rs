//! Where the commands find what they talk to: the environment, else the running stack, else the defaults.

use anyhow::{Context, Result, anyhow};

use devstack::{Project, StackState};
use order_client::{OrderClient, TemporalSettings};
use settings::Setting;
use store::{Database, PgPool};

/// What a command needs at a time, at most.
const CONNECTIONS: u32 = 20;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";

fn running() -> Option<StackState> {
    Project::from_current_folder().ok()?.read_state().ok()
}

/// What the running stack's programs were told.
pub(crate) fn read_stack_setting(setting: &Setting) -> Option<String> {
    let mut values = running()?.settings.into_iter();
    values
        .find(|(name, value)| name == setting.name() && !value.is_empty())
        .map(|(_, value)| value)
}

/// The HTTP API.
pub(crate) fn api_url() -> String {
    let of_stack = || running().map(|state| state.addresses.http_url);
    settings::read(&settings::ORDERFLOW_URL)
        .or_else(of_stack)
        .unwrap_or_else(|| DEFAULT_URL.to_owned())
}

pub(crate) fn temporal_settings() -> Result<TemporalSettings> {
    let Some(state) = running() else {
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

/// The door to Temporal.
pub(crate) fn connect_orders() -> Result<OrderClient> {
    Ok(OrderClient::new(temporal_settings()?))
}

/// What Temporal's refusal means for who typed the command.
pub(crate) fn explain_temporal_error(error: order_client::Error, id: &str) -> anyhow::Error {
    match error {
        order_client::Error::NotFound => {
            anyhow!(
                "Temporal knows no workflow {id:?}, as a workflow id or an order id; `orderflow list` shows the newest"
            )
        }
        error @ (order_client::Error::Unavailable(_)
        | order_client::Error::NoWorker
        | order_client::Error::Unexpected(_)) => {
            anyhow!("{error}; look at `orderflow check`")
        }
    }
}

pub(crate) fn database_url() -> Option<String> {
    settings::read(&settings::DATABASE_URL)
        .or_else(|| running().map(|state| state.addresses.database_url))
}

/// The database. Its errors never carry the URL.
pub(crate) async fn open_database() -> Result<PgPool> {
    let url = database_url().context(
        "there is no database: start the stack with `orderflow up`, or set DATABASE_URL",
    )?;
    try_open_database(&url).await.map_err(|why| {
        anyhow!("{why}; start the stack with `orderflow up`, or correct DATABASE_URL")
    })
}

/// The database at [`database_url`], or why not.
pub(crate) async fn try_open_database(url: &str) -> Result<PgPool, String> {
    // How it is logged in to is said with the variable; a local stack has a password.
    let database = match settings::read(&settings::DATABASE_URL) {
        Some(_) => Database::from_env(CONNECTIONS).map_err(|refused| refused.to_string())?,
        None => store::connect_lazy(url, CONNECTIONS)
            .map_err(|error| format_store_error(&error))?
            .into(),
    };
    let pool = database.pool().await;
    store::check_reachable(pool)
        .await
        .map_err(|error| format_store_error(&error))?;
    Ok(pool.clone())
}

/// What failed and why, without the driver's own words, which may have the URL.
pub(crate) fn format_store_error(error: &store::Error) -> String {
    error
        .cause()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The running stack's mailbox.
pub(crate) fn mail_url() -> Option<String> {
    running().and_then(|state| state.addresses.mail_url)
}
