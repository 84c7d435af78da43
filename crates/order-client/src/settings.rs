//! Where Temporal is and which task queues orders use, from the environment.

use std::{collections::HashMap, env, fmt, time::Duration};

use temporalio_client::{
    ClientOptions, ConnectionOptions, RetryOptions, Url,
    envconfig::{ClientConfigProfile, ConfigError, LoadClientConfigProfileOptions},
};
use temporalio_common::envconfig::load_client_config_profile;

use crate::SdkMetrics;
use domain::SettingError;
use workflows::{ORDERS_TASK_QUEUE, SHIPPING_TASK_QUEUE};

const ADDRESS: &str = "TEMPORAL_ADDRESS";
/// What other systems call the address.
const ADDRESS_ALIAS: &str = "TEMPORAL_TARGET";
const DEFAULT_ADDRESS: &str = "127.0.0.1:7233";

/// How to reach Temporal. `TEMPORAL_*` is read as Temporal's own tools read it.
#[derive(Clone)]
pub struct TemporalSettings {
    connection: ConnectionOptions,
    client: ClientOptions,
    address: String,
    /// Where orders run.
    pub orders_task_queue: String,
    /// Where their shipping runs.
    pub shipping_task_queue: String,
}

/// Without the connection: it may hold an API key.
impl fmt::Debug for TemporalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporalSettings")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl TemporalSettings {
    pub fn from_env() -> Result<Self, SettingError> {
        Self::from_env_or([])
    }

    /// The environment, and `defaults` (such as a running stack's addresses) for what it does not set.
    pub fn from_env_or<const N: usize>(defaults: [(&str, &str); N]) -> Result<Self, SettingError> {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let mut variables: HashMap<String, String> = env::vars_os()
            .filter_map(utf8)
            .filter(|(_, value)| !value.is_empty())
            .collect();
        for (name, value) in defaults {
            let is_set = variables.contains_key(name)
                || (name == ADDRESS && variables.contains_key(ADDRESS_ALIAS));
            if !is_set {
                variables.insert(name.to_owned(), value.to_owned());
            }
        }
        Self::read(variables)
    }

    fn read(mut variables: HashMap<String, String>) -> Result<Self, SettingError> {
        let queue = |name: &str, default: &str| {
            variables
                .get(name)
                .map_or(default, String::as_str)
                .to_owned()
        };
        let orders_task_queue = queue("ORDER_TASK_QUEUE", ORDERS_TASK_QUEUE);
        let shipping_task_queue = queue("SHIPPING_TASK_QUEUE", SHIPPING_TASK_QUEUE);
        // A file is read only where somebody named one: a stray profile in a home folder must not
        // send local orders to somebody's production.
        let file = variables.contains_key("TEMPORAL_CONFIG_FILE")
            || variables.contains_key("TEMPORAL_PROFILE");
        if !file && !variables.contains_key(ADDRESS) {
            let address = variables
                .get(ADDRESS_ALIAS)
                .map_or(DEFAULT_ADDRESS, String::as_str)
                .to_owned();
            variables.insert(ADDRESS.to_owned(), address);
        }
        let options = LoadClientConfigProfileOptions::builder()
            .disable_file(!file)
            .build();
        let profile = load_client_config_profile(options, Some(&variables)).map_err(refused)?;
        let address = profile
            .address
            .clone()
            .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let namespace = profile
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let connection = connection(profile, &address)?;
        let client = ClientOptions::new(namespace).build();
        Ok(Self {
            connection,
            client,
            address,
            orders_task_queue,
            shipping_task_queue,
        })
    }

    /// As it was set, for people to read.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn namespace(&self) -> &str {
        &self.client.namespace
    }

    /// With what the SDK measures of its requests going to `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: &SdkMetrics) -> Self {
        self.connection.metrics_meter = metrics.meter();
        self
    }

    /// For a worker, which stays: the SDK's own patience and keep-alive.
    pub(crate) fn worker_options(&self) -> (ConnectionOptions, ClientOptions) {
        (self.connection.clone(), self.client.clone())
    }

    /// For a caller, which may be frozen between two calls and must answer soon: nothing runs in the
    /// background, and retries are ours, since a connection lost silently must be replaced, not retried.
    pub(crate) fn caller_options(&self) -> (ConnectionOptions, ClientOptions) {
        let mut connection = self.connection.clone();
        connection.connect_timeout = Some(Duration::from_millis(1_500));
        connection.dns_load_balancing = None;
        connection.keep_alive = None;
        connection.retry_options = RetryOptions::no_retries();
        connection.identity = "orderflow".to_owned();
        (connection, self.client.clone())
    }
}

fn connection(
    profile: ClientConfigProfile,
    address: &str,
) -> Result<ConnectionOptions, SettingError> {
    // Checked here, since the SDK's own message does not name the variable.
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    if !Url::parse(&url).is_ok_and(|url| url.has_host()) {
        return Err(SettingError {
            name: ADDRESS.to_owned(),
            value: address.to_owned(),
            allowed: "must be HOST:PORT such as 127.0.0.1:7233".to_owned(),
        });
    }
    ConnectionOptions::try_from(profile).map_err(refused)
}

fn refused(error: ConfigError) -> SettingError {
    SettingError {
        name: "TEMPORAL_*".to_owned(),
        value: "…".to_owned(),
        allowed: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<TemporalSettings, SettingError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        TemporalSettings::read(variables.iter().map(owned).collect())
    }

    #[test]
    fn both_names_of_the_address_are_read_and_ours_wins() {
        assert_eq!(
            read(&[]).unwrap().connection.target.as_str(),
            "http://127.0.0.1:7233/"
        );
        let alias = read(&[("TEMPORAL_TARGET", "temporal:7000")]).unwrap();
        assert_eq!(
            (alias.address(), alias.namespace()),
            ("temporal:7000", "default")
        );
        let both = read(&[
            ("TEMPORAL_TARGET", "a:1"),
            ("TEMPORAL_ADDRESS", "b:2"),
            ("TEMPORAL_NAMESPACE", "n"),
        ])
        .unwrap();
        assert_eq!((both.address(), both.namespace()), ("b:2", "n"));
    }

    #[test]
    fn an_api_key_turns_tls_on_and_is_not_printed() {
        let settings = read(&[
            ("TEMPORAL_ADDRESS", "eu.example:7233"),
            ("TEMPORAL_API_KEY", "secret"),
        ])
        .unwrap();
        assert_eq!(settings.connection.target.scheme(), "https");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_bad_address_is_named() {
        let error = read(&[("TEMPORAL_ADDRESS", "http://")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "TEMPORAL_ADDRESS=http:// is not allowed: must be HOST:PORT such as 127.0.0.1:7233"
        );
    }

    #[test]
    fn task_queues_have_the_contracts_defaults() {
        let queues =
            |settings: TemporalSettings| (settings.orders_task_queue, settings.shipping_task_queue);
        assert_eq!(
            queues(read(&[]).unwrap()),
            ("orders-tq".to_owned(), "shipping-tq".to_owned())
        );
        assert_eq!(
            queues(read(&[("ORDER_TASK_QUEUE", "main-tq")]).unwrap()).0,
            "main-tq"
        );
    }
}
