//! A Temporal server whose workflows are in a PostgreSQL server, as in production.

use std::{ffi::OsString, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};

use super::postgres::{Postgres, USER};
use crate::{
    ports,
    process::{
        Process,
        guard::{Guard, GuardOptions},
        readiness::Readiness,
    },
    progress::Progress,
    toolchain,
};

const START: Duration = Duration::from_secs(60);
/// The databases of workflows and of the index for lists.
const DATABASES: [(&str, &str); 2] = [
    ("temporal", "postgresql/v12/temporal"),
    ("temporal_visibility", "postgresql/v12/visibility"),
];

/// Options of the server.
#[derive(Clone, Debug)]
pub struct TemporalServerOptions {
    /// The folder for configuration and logs.
    pub folder: PathBuf,
    /// The sink for progress messages.
    pub progress: Progress,
}

/// A running server. It has no namespace yet. It stops when this value is dropped or this process
/// ends.
#[derive(Debug)]
pub struct TemporalServer {
    /// The value for `TEMPORAL_ADDRESS`: `127.0.0.1:port`.
    pub address: String,
    /// The server's process, to stop or restart it.
    pub process: Arc<Process>,
}

impl TemporalServer {
    /// Builds the programs if necessary, creates the databases, starts all services of the server in
    /// one process on free ports, and waits until they respond.
    ///
    /// # Errors
    ///
    /// Returns an error if a program cannot be built or does not start, or if `postgres` already has
    /// the databases.
    pub async fn start(postgres: &Postgres, options: TemporalServerOptions) -> Result<Self> {
        let programs = toolchain::obtain_temporal_server(&options.progress).await?;
        options
            .progress
            .report("Temporal: creating its databases in PostgreSQL");
        for (database, schema) in DATABASES {
            postgres.create_database(database, None).await?;
            let setup = ["setup-schema", "-v", "0.0"];
            let update = ["update-schema", "--schema-name", schema];
            for arguments in [setup, update] {
                let mut command: Vec<OsString> = vec![programs.sql_tool.clone().into()];
                let port = postgres.port.to_string();
                let connection = [
                    "--plugin",
                    "postgres12_pgx",
                    "--ep",
                    "127.0.0.1",
                    "-p",
                    &port,
                    "-u",
                    USER,
                    "--db",
                    database,
                ];
                command.extend(connection.map(Into::into));
                command.extend(arguments.map(Into::into));
                run_sql_tool(command, &options).await?;
            }
        }
        let free = ports::free_low_port;
        let services = ["frontend", "matching", "history", "worker"];
        let mut lines = Vec::new();
        let mut addresses = None;
        for service in services {
            let (grpc, membership) = (free()?, free()?);
            let mut http = String::new();
            if service == "frontend" {
                let port = free()?;
                http = format!(", httpPort: {port}");
                addresses = Some((format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{port}")));
            }
            lines.push(format!(
                "  {service}: {{rpc: {{grpcPort: {grpc}, membershipPort: {membership}, bindOnLocalHost: true{http}}}}}"
            ));
        }
        let (address, http_address) = addresses.context("the frontend has no port")?;
        let dynamic = options.folder.join("temporal-dynamic.yaml");
        let config = options.folder.join("temporal.yaml");
        let text = configuration(
            postgres.port,
            &address,
            &lines,
            &dynamic.display().to_string(),
        );
        fs::write(&config, text)
            .and_then(|()| fs::write(&dynamic, DYNAMIC))
            .with_context(|| format!("failed to write {}", config.display()))?;
        let command = [
            programs.server.into(),
            "--config-file".into(),
            config.into(),
            "--allow-no-auth".into(),
            "start".into(),
        ];
        let process = Process::start(
            GuardOptions {
                name: "temporal".to_owned(),
                command: command.to_vec(),
                environment: Vec::new(),
                removed_environment: Vec::new(),
                log: options.folder.join("temporal.log"),
                user: None,
                stop_signal: "TERM",
                grace_period: Duration::from_secs(15),
                remove_folder: None,
            },
            Readiness::Http {
                address: http_address,
                path: "/api/v1/system-info".to_owned(),
            },
            START,
        )
        .await?;
        Ok(Self {
            address,
            process: Arc::new(process),
        })
    }

    /// Stops the server.
    pub async fn stop(&self) {
        self.process.stop().await;
    }
}

/// Runs the SQL tool to its end.
async fn run_sql_tool(command: Vec<OsString>, options: &TemporalServerOptions) -> Result<()> {
    let log = options.folder.join("temporal-sql-tool.log");
    let guard = Guard::spawn(&GuardOptions {
        environment: vec![("SQL_PASSWORD".to_owned(), USER.to_owned())],
        ..GuardOptions::tool("temporal-sql-tool", command, &log)
    })?;
    guard.wait_for_success("temporal-sql-tool", &log).await
}

/// Callers and workers receive the first task with the response, as on Temporal Cloud.
const DYNAMIC: &str = "\
system.enableEagerWorkflowStart:
  - value: true
system.enableActivityEagerExecution:
  - value: true
";

/// Returns the configuration: all services in one process, four shards of histories.
fn configuration(postgres_port: u16, address: &str, services: &[String], dynamic: &str) -> String {
    let datastore = |database: &str, connections: u32| {
        format!(
            "{{sql: {{pluginName: postgres12_pgx, databaseName: {database}, connectAddr: \"127.0.0.1:{postgres_port}\", \
             connectProtocol: tcp, user: {USER}, password: {USER}, maxConns: {connections}, \
             maxIdleConns: {connections}, maxConnLifetime: 1h}}}}"
        )
    };
    let [(workflows, _), (visibility, _)] = DATABASES;
    format!(
        "log: {{stdout: true, level: warn}}
persistence:
  defaultStore: workflows
  visibilityStore: visibility
  numHistoryShards: 4
  datastores:
    workflows: {}
    visibility: {}
global:
  membership: {{maxJoinDuration: 30s, broadcastAddress: 127.0.0.1}}
services:
{}
clusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation:
    active: {{enabled: true, initialFailoverVersion: 1, rpcName: frontend, rpcAddress: \"{address}\"}}
dcRedirectionPolicy: {{policy: noop}}
publicClient: {{hostPort: \"{address}\"}}
dynamicConfigClient: {{filepath: \"{dynamic}\", pollInterval: 60s}}
",
        datastore(workflows, 20),
        datastore(visibility, 10),
        services.join("\n"),
    )
}
