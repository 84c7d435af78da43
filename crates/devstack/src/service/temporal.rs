//! A Temporal development server with our search attributes.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    ports,
    process::{Process, guard::GuardOptions, readiness::Readiness},
    progress::Progress,
    toolchain,
};
use domain::SEARCH_ATTRIBUTES;

/// The longest start; a new program of 250 MB must first be read from disk.
const START: Duration = Duration::from_secs(60);

/// The worker that completes a workflow task gets the activities that it scheduled with the response.
/// This saves a state transition and a request for each activity.
const EAGER_ACTIVITIES: &str = "system.enableActivityEagerExecution=true";

/// Options of the server.
#[derive(Clone, Debug)]
pub struct TemporalOptions {
    /// The port; `None` is a free one.
    pub port: Option<u16>,
    /// The port of the web pages; `None` starts none.
    pub ui_port: Option<u16>,
    /// The file for workflows; `None` keeps them in memory, which needs about 2.5 times less work.
    pub db_file: Option<PathBuf>,
    /// The namespace, created at the start.
    pub namespace: String,
    /// Values of the server's dynamic configuration, such as limits.
    pub dynamic_config: Vec<(String, String)>,
    /// The server's log file.
    pub log: Option<PathBuf>,
    /// The sink for progress messages.
    pub progress: Progress,
}

impl Default for TemporalOptions {
    fn default() -> Self {
        Self {
            port: None,
            ui_port: None,
            db_file: None,
            namespace: "default".to_owned(),
            dynamic_config: Vec::new(),
            log: None,
            progress: Progress::stderr(),
        }
    }
}

/// A running server. It stops when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Temporal {
    /// The value for `TEMPORAL_ADDRESS`: `127.0.0.1:port`.
    pub address: String,
    /// The port of the API.
    pub port: u16,
    /// The URL of the web pages, if they were started.
    pub ui_url: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// The server's process, to stop, kill or restart it.
    pub process: Arc<Process>,
    _temporary: Option<TempDir>,
}

impl Temporal {
    /// Installs the program if necessary, starts the server, and waits until it has the namespace and the
    /// search attributes.
    pub async fn start(options: TemporalOptions) -> Result<Self> {
        let program = toolchain::obtain_temporal(&options.progress).await?;
        let port = match options.port {
            Some(port) => port,
            None => ports::free_port()?,
        };
        let address = format!("127.0.0.1:{port}");
        let http_port = ports::free_port()?;
        let (log, temporary) = match options.log {
            Some(log) => (log, None),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("orderflow-temporal-")
                    .tempdir()
                    .context("failed to create a temporary folder for Temporal's log")?;
                (folder.path().join("temporal.log"), Some(folder))
            }
        };
        let mut command: Vec<OsString> = vec![program.into()];
        command.extend(["server", "start-dev", "--ip", "127.0.0.1"].map(Into::into));
        command.extend(["--port".into(), port.to_string().into()]);
        command.extend(["--http-port".into(), http_port.to_string().into()]);
        command.extend(["--namespace".into(), options.namespace.clone().into()]);
        command.extend(["--dynamic-config-value", EAGER_ACTIVITIES].map(Into::into));
        command.extend(["--log-level", "warn", "--log-format", "json"].map(Into::into));
        for (name, kind) in SEARCH_ATTRIBUTES {
            command.extend(["--search-attribute".into(), format!("{name}={kind}").into()]);
        }
        for (key, value) in &options.dynamic_config {
            command.extend([
                "--dynamic-config-value".into(),
                format!("{key}={value}").into(),
            ]);
        }
        match options.ui_port {
            Some(port) => command.extend(["--ui-port".into(), port.to_string().into()]),
            None => command.push("--headless".into()),
        }
        if let Some(file) = &options.db_file {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("failed to create {}", folder.display()))?;
            }
            command.extend(["--db-filename".into(), file.into()]);
        }
        let process = Process::start(
            GuardOptions {
                name: "temporal".to_owned(),
                command,
                environment: Vec::new(),
                // The user may have set these for another server.
                removed_environment: [&settings::TEMPORAL_ADDRESS, &settings::TEMPORAL_NAMESPACE]
                    .map(|setting| setting.name().to_owned())
                    .to_vec(),
                log,
                user: None,
                stop_signal: "TERM",
                grace_period: Duration::from_secs(10),
                remove_folder: temporary.as_ref().map(|folder| folder.path().to_owned()),
            },
            Readiness::Temporal {
                address: address.clone(),
                http_address: format!("127.0.0.1:{http_port}"),
                namespace: options.namespace.clone(),
                search_attributes: SEARCH_ATTRIBUTES.map(|(name, _)| name).to_vec(),
            },
            START,
        )
        .await?;
        Ok(Self {
            address,
            port,
            ui_url: options
                .ui_port
                .map(|port| format!("http://127.0.0.1:{port}")),
            namespace: options.namespace,
            process: Arc::new(process),
            _temporary: temporary,
        })
    }

    /// Stops the server.
    pub async fn stop(&self) {
        self.process.stop().await;
    }
}
