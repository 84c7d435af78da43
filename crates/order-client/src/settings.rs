//! The settings of connections to Temporal.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use temporalio_client::{
    ClientOptions, ConnectionOptions, RetryOptions, Url,
    envconfig::{ClientConfigProfile, ConfigError, LoadClientConfigProfileOptions},
};
use temporalio_common::envconfig::load_client_config_profile;

use crate::{
    SdkMetrics,
    origin_header::SendOrigin,
    secrets::{SecretValues, TemporalSecrets},
    trace_header::SendTraceContext,
};
use settings::{
    Environment, Setting, SettingError, TEMPORAL_ADDRESS, TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE,
    TEMPORAL_TARGET,
};

/// The settings of connections to Temporal. `TEMPORAL_*` have the meaning of Temporal's own tools.
#[derive(Clone)]
pub struct TemporalSettings {
    /// Without the secrets of Secrets Manager.
    connection: ConnectionOptions,
    client: ClientOptions,
    address: String,
    source: Arc<Source>,
    /// The task queue of orders.
    pub orders_task_queue: String,
    /// The task queue of shipping.
    pub shipping_task_queue: String,
}

/// The source of a connection, which is made again for each change of a secret.
struct Source {
    /// Those of the process, because Temporal's library reads more than the table has.
    variables: HashMap<String, String>,
    reads_file: bool,
    secrets: TemporalSecrets,
}

/// Omits the connection, which may contain an API key.
impl fmt::Debug for TemporalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporalSettings")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl TemporalSettings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_env() -> Result<Self, SettingError> {
        Self::from_env_or([])
    }

    /// Reads the settings of this process. `defaults`, such as the addresses of a running stack, replace
    /// unset variables.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_env_or<const N: usize>(
        defaults: [(&'static Setting, &str); N],
    ) -> Result<Self, SettingError> {
        let mut environment = Environment::from_process();
        for (setting, value) in defaults {
            let has_alias =
                setting == &TEMPORAL_ADDRESS && environment.get(&TEMPORAL_TARGET).is_some();
            if !has_alias {
                environment = environment.or_set(setting, value);
            }
        }
        let variables = settings::process_variables()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self::read(&environment, variables)
    }

    /// `variables` are those of the process, because Temporal's library reads more than the table has.
    pub(crate) fn read(
        environment: &Environment,
        mut variables: HashMap<String, String>,
    ) -> Result<Self, SettingError> {
        variables.extend(
            environment
                .pairs()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let queue = |setting| environment.get_or_default(setting).to_owned();
        let orders_task_queue = queue(&settings::ORDER_TASK_QUEUE);
        let shipping_task_queue = queue(&settings::SHIPPING_TASK_QUEUE);
        // A configuration file is read only if a variable names it. Otherwise a profile in the home
        // folder could send local orders to a production namespace.
        let file = environment.get(&TEMPORAL_CONFIG_FILE).is_some()
            || environment.get(&TEMPORAL_PROFILE).is_some();
        if !file && environment.get(&TEMPORAL_ADDRESS).is_none() {
            let address = environment
                .get(&TEMPORAL_TARGET)
                .unwrap_or(TEMPORAL_ADDRESS.default_value());
            variables.insert(TEMPORAL_ADDRESS.name().to_owned(), address.to_owned());
        }
        let source = Source {
            variables,
            reads_file: file,
            secrets: TemporalSecrets::from_settings(environment)?,
        };
        let profile = source.load_profile(&source.variables)?;
        let address = profile
            .address
            .clone()
            .unwrap_or_else(|| TEMPORAL_ADDRESS.default_value().to_owned());
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
            source: Arc::new(source),
            orders_task_queue,
            shipping_task_queue,
        })
    }

    /// Returns the address as it was set, for messages.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn namespace(&self) -> &str {
        &self.client.namespace
    }

    /// Returns the API key, if one is set.
    pub fn api_key(&self) -> Option<&str> {
        self.connection.api_key.as_deref()
    }

    /// Returns the client's certificate in PEM format, if one is set.
    pub fn client_certificate(&self) -> Option<&[u8]> {
        let tls = self.connection.tls_options.as_ref()?;
        let client = tls.client_tls_options.as_ref()?;
        Some(&client.client_cert)
    }

    /// Adds a sink for the SDK's metrics of requests.
    #[must_use]
    pub fn with_metrics(mut self, metrics: &SdkMetrics) -> Self {
        self.connection.metrics_meter = metrics.meter();
        self
    }

    /// Returns the credentials that may change while the program runs.
    pub(crate) fn secrets(&self) -> &TemporalSecrets {
        &self.source.secrets
    }

    fn connection_with(&self, values: &SecretValues) -> Result<ConnectionOptions, SettingError> {
        if values.is_empty() {
            return Ok(self.connection.clone());
        }
        let mut variables = self.source.variables.clone();
        let secrets = values.variables();
        variables.extend(secrets.map(|(setting, value)| (setting.name().into(), value.into())));
        let mut connection = connection(self.source.load_profile(&variables)?, &self.address)?;
        connection.metrics_meter = self.connection.metrics_meter.clone();
        Ok(connection)
    }

    /// Returns the options of a worker: the SDK's timeouts and keep-alive.
    pub(crate) fn worker_options(
        &self,
        values: &SecretValues,
    ) -> Result<(ConnectionOptions, ClientOptions), SettingError> {
        Ok((self.connection_with(values)?, self.client.clone()))
    }

    /// Returns the options of a client that may be frozen between two calls and must answer soon. Nothing
    /// runs in the background. The client retries by itself, because a retry on a broken connection fails
    /// again and the connection must be replaced.
    pub(crate) fn caller_options(
        &self,
        values: &SecretValues,
    ) -> Result<(ConnectionOptions, ClientOptions), SettingError> {
        let mut connection = self.connection_with(values)?;
        connection.connect_timeout = Some(Duration::from_millis(1_500));
        connection.dns_load_balancing = None;
        connection.keep_alive = None;
        connection.retry_options = RetryOptions::no_retries();
        connection.identity = "orderflow".to_owned();
        let mut client = self.client.clone();
        client.client_interceptors = vec![Arc::new(SendTraceContext), Arc::new(SendOrigin)];
        Ok((connection, client))
    }
}

impl Source {
    fn load_profile(
        &self,
        variables: &HashMap<String, String>,
    ) -> Result<ClientConfigProfile, SettingError> {
        let options = LoadClientConfigProfileOptions::builder()
            .disable_file(!self.reads_file)
            .build();
        load_client_config_profile(options, Some(variables)).map_err(refused)
    }
}

fn connection(
    profile: ClientConfigProfile,
    address: &str,
) -> Result<ConnectionOptions, SettingError> {
    let has_port = |address: &str| {
        address
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    if !address.contains("://") && !has_port(address) {
        return Err(TEMPORAL_ADDRESS.reject(address, "without a port"));
    }
    // The message of the SDK does not name the variable.
    let url = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    if !Url::parse(&url).is_ok_and(|url| url.has_host()) {
        return Err(TEMPORAL_ADDRESS.reject(address, "not an address"));
    }
    ConnectionOptions::try_from(profile).map_err(refused)
}

fn refused(error: ConfigError) -> SettingError {
    SettingError::from_group("TEMPORAL_*", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<TemporalSettings, SettingError> {
        let environment = Environment::from_pairs(variables.iter().copied());
        TemporalSettings::read(&environment, HashMap::new())
    }

    #[test]
    fn first_name_of_the_address_wins() {
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
    fn api_key_turns_tls_on_and_is_hidden() {
        let settings = read(&[
            ("TEMPORAL_ADDRESS", "eu.example:7233"),
            ("TEMPORAL_API_KEY", "secret"),
        ])
        .unwrap();
        assert_eq!(settings.connection.target.scheme(), "https");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn bad_address_is_rejected() {
        assert_eq!(
            read(&[("TEMPORAL_ADDRESS", "foo")])
                .unwrap_err()
                .to_string(),
            "TEMPORAL_ADDRESS=foo: without a port; allowed: HOST:PORT, such as 127.0.0.1:7233"
        );
        let error = read(&[("TEMPORAL_ADDRESS", "http://")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "TEMPORAL_ADDRESS=http://: not an address; allowed: HOST:PORT, such as 127.0.0.1:7233"
        );
    }

    #[test]
    fn task_queues_have_the_defaults_of_the_workflows() {
        let names = [
            settings::ORDER_TASK_QUEUE.default_value(),
            settings::SHIPPING_TASK_QUEUE.default_value(),
        ];
        assert_eq!(
            names,
            [workflows::ORDERS_TASK_QUEUE, workflows::SHIPPING_TASK_QUEUE]
        );
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
