//! A Temporal dev server with our search attributes.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    guard::GuardOptions, ports, process::Process, progress::Progress, readiness::Readiness,
    toolchain,
};
use domain::SEARCH_ATTRIBUTES;

/// A 250 MB program that was just built is read from disk first.
const START: Duration = Duration::from_secs(60);

/// How to run the server.
#[derive(Clone, Debug)]
pub struct TemporalOptions {
    /// `None` is a free one.
    pub port: Option<u16>,
    /// `None` is a server without its web pages.
    pub ui_port: Option<u16>,
    /// Where workflows are kept; `None` keeps them in memory, which is about 2.5 times cheaper.
    pub db_file: Option<PathBuf>,
    /// Created at the start.
    pub namespace: String,
    /// The server's log.
    pub log: Option<PathBuf>,
    /// Where to say what takes time.
    pub progress: Progress,
}

impl Default for TemporalOptions {
    fn default() -> Self {
        Self {
            port: None,
            ui_port: None,
            db_file: None,
            namespace: "default".to_owned(),
            log: None,
            progress: Progress::stderr(),
        }
    }
}

/// A running server; it ends with this value, and at the latest with this process.
#[derive(Debug)]
pub struct Temporal {
    /// `127.0.0.1:port`, for `TEMPORAL_ADDRESS`.
    pub address: String,
    /// The port of its API.
    pub port: u16,
    /// The web pages, where they were asked for.
    pub ui_url: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// The server itself, to stop, kill or restart it.
    pub process: Arc<Process>,
    _temporary: Option<TempDir>,
}

impl Temporal {
    /// Fetches the program if need be, starts the server, waits until it knows namespace and search attributes.
    pub async fn start(options: TemporalOptions) -> Result<Self> {
        let program = toolchain::obtain_temporal(&options.progress).await?;
        let port = match options.port {
            Some(port) => port,
            None => ports::free_port()?,
        };
        let address = format!("127.0.0.1:{port}");
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
        command.extend(["--namespace".into(), options.namespace.clone().into()]);
        command.extend(["--log-level", "warn", "--log-format", "json"].map(Into::into));
        for (name, kind) in SEARCH_ATTRIBUTES {
            command.extend(["--search-attribute".into(), format!("{name}={kind}").into()]);
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
                // Those of a profile for another server must not reach this one.
                removed_environment: ["TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"]
                    .map(ToOwned::to_owned)
                    .to_vec(),
                log,
                user: None,
                stop_signal: "TERM",
                grace_period: Duration::from_secs(10),
                remove_folder: temporary.as_ref().map(|folder| folder.path().to_owned()),
            },
            Readiness::Temporal {
                address: address.clone(),
                namespace: options.namespace.clone(),
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
