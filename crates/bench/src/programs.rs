//! Worker and API of a design. Each phase starts them again, so all phases begin in the same state.

use std::{ffi::OsString, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{options::BenchOptions, servers::NAMESPACE, target::Design};
use devstack::{Process, Readiness, guard::GuardOptions, ports};
use settings::Setting;

/// The longest start of a program on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The time in which a worker finishes its running activities.
const PATIENCE: Duration = Duration::from_secs(15);

/// The running programs of a design. They stop when this value is dropped or this process ends.
pub(crate) struct Programs {
    worker: Process,
    api: Option<Process>,
    pub(crate) api_url: Option<String>,
}

impl Programs {
    /// Starts worker and API on free ports and returns when both are ready.
    pub(crate) async fn start(
        design: Design,
        options: &BenchOptions,
        temporal_address: &str,
        database_url: &str,
        logs: &Path,
    ) -> Result<Self> {
        let health_address = format!("127.0.0.1:{}", ports::free_port()?);
        let api_address = format!("127.0.0.1:{}", ports::free_port()?);
        let metrics_address = format!("127.0.0.1:{}", ports::free_port()?);
        let delivery = format!("auto:{}", options.delivery);
        let mut environment = settings_of([
            (&settings::DATABASE_URL, database_url),
            (&settings::TEMPORAL_ADDRESS, temporal_address),
            (&settings::TEMPORAL_NAMESPACE, NAMESPACE),
            (&settings::ORDERFLOW_HEALTH_ADDRESS, &health_address),
            (&settings::ORDERFLOW_HTTP_ADDRESS, &api_address),
            (&settings::ORDERFLOW_METRICS_ADDRESS, &metrics_address),
            (&settings::DELIVERY, &delivery),
            (&settings::DEFAULT_STOCK, "1000000000"),
            (&settings::API_AUTH, "none"),
            (&settings::MAIL, "off"),
            (&settings::LOG_LEVEL, "warn"),
        ]);
        for (name, value) in &options.settings {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), value.clone()));
        }
        let start = |name: &str, command: Vec<OsString>, address: String| {
            Process::start(
                GuardOptions {
                    name: name.to_owned(),
                    command,
                    removed_environment: users_settings(&environment),
                    environment: environment.clone(),
                    log: logs.join(format!("{}-{name}.log", design.as_str())),
                    user: None,
                    stop_signal: "TERM",
                    grace_period: PATIENCE,
                    remove_folder: None,
                },
                Readiness::Http {
                    address,
                    path: "/health".to_owned(),
                },
                START,
            )
        };
        let serve = |service: &str| -> Vec<OsString> {
            vec![
                options.program.clone().into(),
                "serve".into(),
                service.into(),
            ]
        };
        match design {
            Design::Orderflow => {
                let (worker, api) = tokio::try_join!(
                    start("worker", serve("worker"), health_address),
                    start("api", serve("api"), api_address.clone()),
                )?;
                Ok(Self {
                    worker,
                    api: Some(api),
                    api_url: Some(format!("http://{api_address}")),
                })
            }
            Design::Plain => {
                let command = vec![options.plain_worker.clone().into()];
                Ok(Self {
                    worker: start("worker", command, health_address).await?,
                    api: None,
                    api_url: None,
                })
            }
        }
    }

    /// Returns the process of the worker.
    pub(crate) async fn worker_pid(&self) -> Result<u32> {
        self.worker.pid().await.context("the worker has exited")
    }

    /// Returns the process of the API, if the design has one.
    pub(crate) async fn api_pid(&self) -> Result<Option<u32>> {
        match &self.api {
            Some(api) => api.pid().await.context("the API has exited").map(Some),
            None => Ok(None),
        }
    }

    /// Stops both and waits until they have exited.
    pub(crate) async fn stop(self) {
        if let Some(api) = &self.api {
            api.stop().await;
        }
        self.worker.stop().await;
    }
}

fn settings_of<const N: usize>(pairs: [(&'static Setting, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(setting, value)| (setting.name().to_owned(), value.to_owned()))
        .to_vec()
}

/// Returns the settings that the user may have set for another stack and that `environment` lacks.
fn users_settings(environment: &[(String, String)]) -> Vec<String> {
    settings::ALL
        .iter()
        .map(|setting| setting.name().to_owned())
        .filter(|name| !environment.iter().any(|(known, _)| known == name))
        .collect()
}
