//! A local PostgreSQL server on 127.0.0.1. User, password and database are `app`.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::{
    folder, ports,
    process::{
        Process,
        guard::{Guard, GuardOptions},
        readiness::Readiness,
    },
    progress::Progress,
    toolchain,
};

/// The user, the password and the database of the local server.
pub(crate) const USER: &str = "app";
const START: Duration = Duration::from_secs(60);

/// Options of the server.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The data folder; `None` is a temporary folder that is removed at the end.
    pub data_dir: Option<PathBuf>,
    /// The port; `None` is a free one.
    pub port: Option<u16>,
    /// `true` if a commit must survive a power failure. `false` is faster and fits temporary data.
    pub durable: bool,
    /// Additional settings, each as `name=value`.
    pub settings: Vec<String>,
    /// The server's log file; `None` is a file beside the data folder.
    pub log: Option<PathBuf>,
    /// The sink for progress messages.
    pub progress: Progress,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            data_dir: None,
            port: None,
            durable: false,
            settings: Vec::new(),
            log: None,
            progress: Progress::stderr(),
        }
    }
}

/// A running server. It stops when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Postgres {
    /// The URL of the database `app`, with user and password.
    pub url: String,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The server's process, to stop, kill or restart it.
    pub process: Arc<Process>,
    /// Removed last, if the guard could not remove it. Fields are dropped in order.
    _temporary: Option<TempDir>,
}

impl Postgres {
    /// Installs the programs and creates the data if necessary, starts the server and waits until it
    /// is ready.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let programs = toolchain::obtain_postgres(&options.progress).await?;
        let port = match options.port {
            Some(port) => port,
            None => ports::free_port()?,
        };
        let (data_dir, temporary) = match options.data_dir {
            Some(folder) => (folder, None),
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("orderflow-postgres-")
                    .tempdir()
                    .context("failed to create a temporary folder for PostgreSQL")?;
                // The guard removes the folder, and the guard runs as the server's user.
                folder::chown_to_server_user(folder.path())?;
                (folder.path().join("data"), Some(folder))
            }
        };
        let log = options
            .log
            .unwrap_or_else(|| data_dir.with_extension("log"));
        let doomed = temporary.as_ref().map(|folder| folder.path().to_owned());
        if !data_dir.join("PG_VERSION").is_file() {
            options
                .progress
                .report("PostgreSQL: creating the data folder");
            initialise(&programs, &data_dir, &log, doomed.clone()).await?;
        }
        let process = Process::start(
            GuardOptions {
                name: "postgres".to_owned(),
                command: command(
                    &programs,
                    &data_dir,
                    port,
                    options.durable,
                    &options.settings,
                ),
                environment: Vec::new(),
                // Variables such as PGDATA and PGPORT of the user's shell belong to another server.
                removed_environment: foreign_settings(),
                log,
                user: folder::server_user(),
                // INT is a fast shutdown that keeps the data; QUIT stops immediately.
                stop_signal: if temporary.is_some() { "QUIT" } else { "INT" },
                grace_period: Duration::from_secs(if temporary.is_some() { 5 } else { 20 }),
                remove_folder: doomed,
            },
            Readiness::Postgres {
                url: url(port, "postgres"),
            },
            START,
        )
        .await?;
        let server = Self {
            url: url(port, USER),
            port,
            data_dir,
            process: Arc::new(process),
            _temporary: temporary,
        };
        if !server.has_database(USER).await? {
            server.create_database(USER, None).await?;
        }
        Ok(server)
    }

    /// Creates a database and returns its URL. With a `template` the database is a copy of it; no
    /// client may be connected to the template.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<String> {
        let mut connection = self.connect().await?;
        let template = template.unwrap_or("template0");
        let statement = format!(
            "create database {} template {}",
            quoted(name)?,
            quoted(template)?
        );
        // Names cannot be bound as parameters; `quoted` rejects names that could end the quotes.
        connection
            .execute(AssertSqlSafe(statement))
            .await
            .with_context(|| format!("failed to create the database {name}"))?;
        connection.close().await?;
        Ok(url(self.port, name))
    }

    /// Drops a database and closes its connections.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let mut connection = self.connect().await?;
        let statement = format!("drop database if exists {} with (force)", quoted(name)?);
        connection
            .execute(AssertSqlSafe(statement))
            .await
            .with_context(|| format!("failed to drop the database {name}"))?;
        connection.close().await?;
        Ok(())
    }

    /// Stops the server and removes a temporary data folder.
    pub async fn stop(&self) {
        self.process.stop().await;
    }

    /// Stops the server and starts it again with the same port and data.
    pub async fn restart(&self) -> Result<()> {
        self.process.restart().await
    }

    async fn has_database(&self, name: &str) -> Result<bool> {
        let mut connection = self.connect().await?;
        let found: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await
                .context("failed to list the databases")?;
        connection.close().await?;
        Ok(found)
    }

    async fn connect(&self) -> Result<PgConnection> {
        PgConnection::connect(&url(self.port, "postgres"))
            .await
            .context("failed to connect to PostgreSQL")
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}:{USER}@127.0.0.1:{port}/{database}")
}

fn quoted(name: &str) -> Result<String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(allowed) {
        bail!("database name {name:?}: not valid; allowed: at most 63 letters, digits, _ and -");
    }
    Ok(format!("\"{name}\""))
}

fn command(
    programs: &Path,
    data: &Path,
    port: u16,
    durable: bool,
    additional: &[String],
) -> Vec<OsString> {
    let mut command: Vec<OsString> =
        vec![programs.join("postgres").into(), "-D".into(), data.into()];
    let port = port.to_string();
    let mut settings = vec![
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=300",
    ];
    if !durable {
        settings.extend([
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ]);
    }
    command.extend(["-p".into(), port.into()]);
    let additional = additional.iter().map(String::as_str);
    for setting in settings.into_iter().chain(additional) {
        command.extend(["-c".into(), setting.into()]);
    }
    command
}

/// Runs `initdb` under a guard and as the server's user. It creates the data beside the final folder
/// and renames it, so that an interrupted process leaves no incomplete data folder.
async fn initialise(
    programs: &Path,
    data: &Path,
    log: &Path,
    doomed: Option<PathBuf>,
) -> Result<()> {
    let fresh = data.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)
            .with_context(|| format!("failed to remove {}", fresh.display()))?;
    }
    folder::create_server_folder(&fresh)?;
    let log = log.with_file_name("initdb.log");
    let _ = fs::remove_file(&log);
    // A pipe that the server's user owns transfers the password: no file remains, and `ps` does not
    // show it.
    let script = format!("echo {USER} | \"$@\" --pwfile=/dev/stdin");
    let mut command: Vec<OsString> = ["/bin/sh", "-c", &script, "initdb"]
        .map(Into::into)
        .to_vec();
    command.extend([
        programs.join("initdb").into(),
        "-D".into(),
        fresh.clone().into(),
    ]);
    let settings = [
        "-U",
        USER,
        "-E",
        "UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
        // The password is public, so its hash needs no iterations. A program that is not optimised would
        // calculate them for a tenth of a second at each connection.
        "--set=scram_iterations=1",
        "--no-sync",
    ];
    command.extend(settings.map(Into::into));
    let guard = Guard::spawn(&GuardOptions {
        name: "initdb".to_owned(),
        command,
        environment: Vec::new(),
        removed_environment: foreign_settings(),
        log: log.clone(),
        user: folder::server_user(),
        stop_signal: "TERM",
        grace_period: Duration::from_secs(2),
        remove_folder: Some(doomed.unwrap_or_else(|| fresh.clone())),
    })?;
    let status = guard.wait_for_exit().await;
    if !status.is_some_and(|status| status.success()) {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let problem = text
            .lines()
            .find(|line| line.contains("error") || line.starts_with("initdb:"));
        bail!(
            "initdb failed: {} (see {})",
            problem.unwrap_or("no output"),
            log.display()
        );
    }
    fs::rename(&fresh, data)
        .with_context(|| format!("failed to move the data folder to {}", data.display()))
}

fn foreign_settings() -> Vec<String> {
    std::env::vars_os()
        .filter_map(|(key, _)| key.into_string().ok())
        .filter(|key| key.starts_with("PG"))
        .collect()
}
