//! The whole stack: starts PostgreSQL, Temporal, mail server, worker and API, and restarts each one that exits.

pub(crate) mod addresses;
pub mod control;
pub(crate) mod launcher;
pub(crate) mod project;
mod rotation;
pub mod settings;
pub(crate) mod status;
pub(crate) mod supervisor;
mod webhook_secrets;

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use addresses::StackAddresses;
use anyhow::{Context, Result, bail};
use project::Project;
use status::{ServiceStatus, require_service, stopped_services};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{
    folder,
    ports::{self, Port},
    process::{Process, guard::GuardOptions, readiness::Readiness, restarter},
    progress::Progress,
    service::{
        mail::{Mail, MailOptions},
        postgres::{Postgres, PostgresOptions},
        temporal::{Temporal, TemporalOptions},
    },
};

/// The time for which Temporal may fail its readiness check before it is restarted. It is longer than a
/// pause that a busy machine causes.
const TEMPORAL_STUCK: Duration = Duration::from_secs(30);

/// The longest start of a debug build of the worker on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The time in which the worker finishes its running activities.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options of a stack.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// The program and its arguments, before `serve worker` and `serve api`.
    pub program: Vec<OsString>,
    /// The profile of the orders; `None` is the local default.
    pub profile: Option<String>,
    /// The port of the HTTP API.
    pub http_port: Port,
    /// The port of Temporal's API.
    pub temporal_port: Port,
    /// The port of Temporal's web pages.
    pub ui_port: Port,
    /// The port of the API's metrics.
    pub metrics_port: Port,
    /// The port of the database.
    pub postgres_port: Port,
    /// The port of the mail server's web page; `None` starts no mail server, and mail is off.
    pub mail_port: Option<Port>,
    /// `true` starts a worker; without one, orders wait for the user's worker.
    pub worker: bool,
    /// The user's database; `None` starts a server.
    pub database_url: Option<String>,
    /// The project for data, logs and state; `None` keeps nothing.
    pub project: Option<Project>,
}

impl StackOptions {
    /// Returns the options of a temporary stack, on the default ports where they are free.
    pub fn in_memory() -> Result<Self> {
        Ok(Self {
            program: vec![this_program()?],
            profile: None,
            http_port: Port::Prefer(8000),
            temporal_port: Port::Prefer(7233),
            ui_port: Port::Prefer(8233),
            metrics_port: Port::Prefer(9464),
            postgres_port: Port::Free,
            mail_port: None,
            worker: true,
            database_url: settings::external_database_url(),
            project: None,
        })
    }

    /// Returns the options of a project's stack on the default ports. Its orders survive a restart.
    pub fn for_project(project: Project) -> Result<Self> {
        Ok(Self {
            http_port: Port::Fixed(8000),
            temporal_port: Port::Fixed(7233),
            ui_port: Port::Fixed(8233),
            mail_port: Some(Port::Prefer(8025)),
            project: Some(project),
            ..Self::in_memory()?
        })
    }
}

fn this_program() -> Result<OsString> {
    let program = std::env::current_exe().context("failed to find the file of this program")?;
    Ok(program.into())
}

/// A running stack. It stops when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Stack {
    /// The addresses of all services.
    pub addresses: StackAddresses,
    /// The settings of worker and API.
    pub settings: Vec<(String, String)>,
    services: Vec<Arc<Process>>,
    keepers: Vec<JoinHandle<()>>,
    postgres: Option<Postgres>,
    _temporal: Temporal,
    _mail: Option<Mail>,
    _logs: Option<TempDir>,
}

impl Stack {
    /// The names of all services, in the order of their start.
    pub const SERVICES: [&str; 5] = status::SERVICES;

    /// Starts all services and returns when all are ready. On failure the started services are stopped.
    pub async fn start(options: StackOptions, progress: &Progress) -> Result<Self> {
        let http_port = options.http_port.resolve("--http-port")?;
        let temporal_port = options.temporal_port.resolve("--temporal-port")?;
        let ui_port = options.ui_port.resolve("--ui-port")?;
        let mail_port = options
            .mail_port
            .map(|port| port.resolve("--mail-port"))
            .transpose()?;
        let metrics_port = options.metrics_port.resolve("--metrics-port")?;
        let (logs, temporary) = match &options.project {
            Some(project) => (project.logs(), None),
            None => {
                let folder = tempfile::Builder::new().prefix("orderflow-logs-").tempdir();
                let folder = folder.context("failed to create a temporary folder for logs")?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let log = |service: &str| logs.join(format!("{service}.log"));

        progress.report("starting PostgreSQL and Temporal");
        let (postgres, temporal, mail) = tokio::try_join!(
            start_postgres(&options, log("postgres"), progress),
            Temporal::start(TemporalOptions {
                port: Some(temporal_port),
                ui_port: Some(ui_port),
                db_file: options
                    .project
                    .as_ref()
                    .map(|project| project.temporal_file()),
                log: Some(log("temporal")),
                progress: progress.clone(),
                ..TemporalOptions::default()
            }),
            start_mail(&options, mail_port, log("mail"), progress)
        )?;
        let database_url = match (&postgres, &options.database_url) {
            (Some(postgres), _) => postgres.url.clone(),
            (None, Some(url)) => url.clone(),
            (None, None) => bail!("the stack has neither a PostgreSQL server nor a DATABASE_URL"),
        };
        let health_address = match options.worker {
            true => Some(format!("127.0.0.1:{}", ports::free_port()?)),
            false => None,
        };
        let addresses = StackAddresses {
            http_url: format!("http://127.0.0.1:{http_port}"),
            temporal_address: temporal.address.clone(),
            temporal_namespace: temporal.namespace.clone(),
            ui_url: format!("http://127.0.0.1:{ui_port}"),
            database_url,
            worker_health_url: health_address
                .as_ref()
                .map(|address| format!("http://{address}")),
            metrics_url: format!("http://127.0.0.1:{metrics_port}"),
            database_folder: postgres.as_ref().map(|postgres| postgres.data_dir.clone()),
            smtp_url: mail.as_ref().map(|mail| mail.smtp_url.clone()),
            mail_url: mail.as_ref().map(|mail| mail.ui_url.clone()),
        };

        progress.report("migrating the database");
        migrate(&addresses.database_url).await?;

        progress.report(match options.worker {
            true => "starting the worker and the HTTP API",
            false => "starting the HTTP API without a worker",
        });
        let environment = settings::service_environment(&addresses, options.profile.as_deref());
        // Only the API needs the webhook secrets.
        let signed =
            webhook_secrets::webhook_environment(options.project.as_ref(), &addresses.http_url)?;
        let of_api: Vec<_> = environment.iter().cloned().chain(signed).collect();
        let serve = |service: &str, environment: &[(String, String)], readiness: String| {
            let mut command = options.program.clone();
            command.extend(["serve".into(), service.into()]);
            Process::start(
                GuardOptions {
                    name: service.to_owned(),
                    command,
                    environment: environment.to_vec(),
                    removed_environment: Vec::new(),
                    log: log(service),
                    user: None,
                    stop_signal: "TERM",
                    grace_period: PATIENCE,
                    remove_folder: temporary.as_ref().map(|folder| folder.path().to_owned()),
                },
                Readiness::Http {
                    address: readiness,
                    path: "/health".to_owned(),
                },
                START,
            )
        };
        let worker = async {
            match health_address {
                Some(address) => serve("worker", &environment, address).await.map(Some),
                None => Ok(None),
            }
        };
        let (worker, api) = tokio::try_join!(
            worker,
            serve("api", &of_api, format!("127.0.0.1:{http_port}"))
        )?;

        let services: Vec<_> = postgres
            .iter()
            .map(|postgres| Arc::clone(&postgres.process))
            .chain([Arc::clone(&temporal.process)])
            .chain(mail.iter().map(|mail| Arc::clone(&mail.process)))
            .chain(worker.into_iter().chain([api]).map(Arc::new))
            .collect();
        let mut keepers: Vec<_> = services
            .iter()
            .map(|service| {
                tokio::spawn(restarter::keep_running(
                    Arc::clone(service),
                    progress.clone(),
                ))
            })
            .collect();
        keepers.push(tokio::spawn(restarter::replace_stuck(
            Arc::clone(&temporal.process),
            TEMPORAL_STUCK,
            progress.clone(),
        )));
        let settings = settings::list_settings(&of_api);
        Ok(Self {
            addresses,
            settings,
            services,
            keepers,
            postgres,
            _temporal: temporal,
            _mail: mail,
            _logs: temporary,
        })
    }

    /// Returns one of [`Self::SERVICES`], or `None` if the stack did not start it.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Process> {
        self.services
            .iter()
            .find(|service| service.name() == name)
            .map(Arc::as_ref)
    }

    /// Returns the database server, if the stack started it.
    #[must_use]
    pub fn postgres(&self) -> Option<&Postgres> {
        self.postgres.as_ref()
    }

    /// Returns the status of all services.
    #[must_use]
    pub fn status(&self) -> Vec<ServiceStatus> {
        let mut status = stopped_services();
        for line in &mut status {
            line.url = match line.service.as_str() {
                "postgres" => self.addresses.database_url.clone(),
                "temporal" => format!("http://{}", self.addresses.temporal_address),
                "mail" => self.addresses.mail_url.clone().unwrap_or_default(),
                "worker" => self.addresses.worker_health_url.clone().unwrap_or_default(),
                _ => self.addresses.http_url.clone(),
            };
            if line.service == "temporal" {
                line.ui = Some(self.addresses.ui_url.clone());
            }
            line.metrics = match line.service.as_str() {
                "worker" => self
                    .addresses
                    .worker_health_url
                    .as_ref()
                    .map(|url| format!("{url}/metrics")),
                "api" => Some(format!("{}/metrics", self.addresses.metrics_url)),
                _ => None,
            };
            if line.service == "postgres" {
                line.data.clone_from(&self.addresses.database_folder);
            }
            let (state, pid) = match self.service(&line.service) {
                Some(service) => service.state(),
                None if line.service == "mail" && !settings::has_external_mail() => ("off", None),
                None => ("external", None),
            };
            line.pid = pid;
            state.clone_into(&mut line.state);
        }
        status
    }

    /// Restarts one service, `app` (worker and API) or, without a name, all services in the order of start.
    pub async fn restart(&self, name: Option<&str>, progress: &Progress) -> Result<()> {
        let wanted = match name {
            None => Self::SERVICES.to_vec(),
            Some("app") => vec!["worker", "api"],
            Some(name) => vec![require_service(name)?],
        };
        if name == Some("postgres") && self.postgres.is_none() {
            bail!("the stack did not start the database of DATABASE_URL; restart it yourself");
        }
        if name == Some("mail") && self.service("mail").is_none() {
            bail!("the stack did not start a mail server");
        }
        if name == Some("worker") && self.service("worker").is_none() {
            bail!("the stack was started without a worker; restart your worker yourself");
        }
        for name in wanted {
            if let Some(service) = self.service(name) {
                progress.report(format!("restarting {name}"));
                service.restart().await?;
            }
        }
        Ok(())
    }

    /// Stops all services, waits until they have exited, and removes temporary data.
    pub async fn stop(self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
        // The worker needs the database and Temporal to finish its activities.
        for names in [["api", "worker", ""], ["temporal", "postgres", "mail"]] {
            let [first, second, third] = names.map(|name| stop_if_ours(self.service(name)));
            tokio::join!(first, second, third);
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for keeper in &self.keepers {
            keeper.abort();
        }
    }
}

async fn stop_if_ours(service: Option<&Process>) {
    if let Some(service) = service {
        service.stop().await;
    }
}

async fn start_postgres(
    options: &StackOptions,
    log: PathBuf,
    progress: &Progress,
) -> Result<Option<Postgres>> {
    if options.database_url.is_some() {
        progress.report("using the database of DATABASE_URL");
        return Ok(None);
    }
    let data_dir = match &options.project {
        Some(project) => Some(folder::database_folder(project.folder())?),
        None => None,
    };
    let postgres = Postgres::start(PostgresOptions {
        durable: data_dir.is_some(),
        data_dir,
        port: Some(options.postgres_port.resolve("--postgres-port")?),
        log: Some(log),
        progress: progress.clone(),
        ..PostgresOptions::default()
    });
    postgres.await.map(Some)
}

/// Starts the mail server. On failure the stack runs without mail.
async fn start_mail(
    options: &StackOptions,
    ui_port: Option<u16>,
    log: PathBuf,
    progress: &Progress,
) -> Result<Option<Mail>> {
    if ui_port.is_none() || settings::has_external_mail() {
        return Ok(None);
    }
    let folder = options
        .project
        .as_ref()
        .map(|project| project.folder().join("mail"));
    let mail = Mail::start(MailOptions {
        ui_port,
        folder,
        log: Some(log),
        progress: progress.clone(),
        program: None,
    });
    Ok(mail
        .await
        .inspect_err(|error| {
            progress.report(format!(
                "mail is off because the mail server did not start: {error:#}"
            ))
        })
        .ok())
}

async fn migrate(database_url: &str) -> Result<()> {
    let pool = store::connect(database_url)
        .await
        .context("failed to connect to the database; check DATABASE_URL")?;
    store::migrate(&pool).await.context(
        "failed to migrate the database; `orderflow reset` removes all data and creates an empty database",
    )?;
    pool.close().await;
    Ok(())
}
