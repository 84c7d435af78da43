//! PostgreSQL and Temporal, which all phases share.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use sqlx::{Connection, Executor, PgConnection};
use temporalio_client::{
    Client, ClientOptions, Connection as TemporalConnection, ConnectionOptions, Url,
    tonic::IntoRequest,
};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType, operatorservice::v1::AddSearchAttributesRequest,
    workflowservice::v1::RegisterNamespaceRequest,
};
use tokio::time::{Instant, sleep};

use crate::{
    options::{BenchOptions, TemporalKind},
    plain,
    target::Design,
};
use devstack::{
    Postgres, PostgresOptions, Process, Progress, Temporal, TemporalOptions, TemporalServer,
    TemporalServerOptions,
};
use domain::{SEARCH_ATTRIBUTES, SearchAttributeType};

/// The namespace of the orders.
pub(crate) const NAMESPACE: &str = "default";
/// The retention of closed workflows; the shortest that the server accepts.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// The time in which a new server learns of a namespace.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(60);

/// The running servers. They stop when this value is dropped or this process ends.
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    temporal: TemporalProcess,
    pub(crate) client: Client,
    pub(crate) orders_url: String,
    pub(crate) plain_url: String,
    logs: PathBuf,
}

impl Servers {
    /// Starts the servers on free ports and creates the tables of both designs.
    pub(crate) async fn start(
        options: &BenchOptions,
        logs: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        progress.report(format!(
            "starting PostgreSQL and {}",
            options.temporal.describe()
        ));
        let postgres = Postgres::start(PostgresOptions {
            // As in production, a commit is on the disk.
            durable: true,
            settings: vec!["shared_buffers=512MB".to_owned()],
            log: Some(logs.join("postgres.log")),
            progress: progress.clone(),
            ..PostgresOptions::default()
        })
        .await?;
        let temporal = TemporalProcess::start(options.temporal, &postgres, logs, progress).await?;
        let client = connect_to_temporal(temporal.address()).await?;
        if options.temporal == TemporalKind::Postgres {
            register_namespace(&client).await?;
            // The server reads its list of namespaces and of search attributes every few seconds. A new
            // process reads both immediately.
            temporal.process().restart().await?;
        }
        let (orders_url, plain_url) = create_databases(&postgres).await?;
        Ok(Self {
            postgres,
            temporal,
            client,
            orders_url,
            plain_url,
            logs: logs.to_owned(),
        })
    }

    /// Returns the address of Temporal, as `host:port`.
    pub(crate) fn temporal_address(&self) -> &str {
        self.temporal.address()
    }

    /// Returns the process of Temporal.
    pub(crate) async fn temporal_pid(&self) -> Result<u32> {
        let pid = self.temporal.process().pid().await;
        pid.with_context(|| format!("temporal: it has exited; see {}", self.log("temporal")))
    }

    /// Returns the process of PostgreSQL.
    pub(crate) async fn postgres_pid(&self) -> Result<u32> {
        let pid = self.postgres.process.pid().await;
        pid.with_context(|| format!("postgres: it has exited; see {}", self.log("postgres")))
    }

    fn log(&self, service: &str) -> String {
        self.logs
            .join(format!("{service}.log"))
            .display()
            .to_string()
    }

    /// Stops the servers and waits until they have exited.
    pub(crate) async fn stop(self) {
        self.temporal.process().stop().await;
        self.postgres.stop().await;
    }
}

/// The process of one of the two servers.
enum TemporalProcess {
    Dev(Temporal),
    Postgres(TemporalServer),
}

impl TemporalProcess {
    async fn start(
        kind: TemporalKind,
        postgres: &Postgres,
        logs: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        match kind {
            TemporalKind::Dev => {
                let started = Temporal::start(TemporalOptions {
                    log: Some(logs.join("temporal.log")),
                    progress: progress.clone(),
                    ..TemporalOptions::default()
                });
                started.await.map(Self::Dev)
            }
            TemporalKind::Postgres => {
                let options = TemporalServerOptions {
                    folder: logs.to_owned(),
                    progress: progress.clone(),
                };
                let started = TemporalServer::start(postgres, options);
                started.await.map(Self::Postgres)
            }
        }
    }

    fn address(&self) -> &str {
        match self {
            Self::Dev(server) => &server.address,
            Self::Postgres(server) => &server.address,
        }
    }

    fn process(&self) -> &Process {
        match self {
            Self::Dev(server) => &server.process,
            Self::Postgres(server) => &server.process,
        }
    }
}

/// Creates the databases with the tables of both designs, and returns their URLs.
pub(crate) async fn create_databases(postgres: &Postgres) -> Result<(String, String)> {
    let orders = postgres
        .create_database(Design::Orderflow.database(), None)
        .await?;
    let pool = store::connect(&orders).await?;
    store::migrate(&pool)
        .await
        .context("failed to migrate the database of the orders")?;
    pool.close().await;
    let plain = postgres
        .create_database(Design::Plain.database(), None)
        .await?;
    let mut connection = PgConnection::connect(&plain).await?;
    connection
        .execute(plain::SCHEMA)
        .await
        .context("failed to create the tables of the plain design")?;
    connection.close().await?;
    Ok((orders, plain))
}

async fn connect_to_temporal(address: &str) -> Result<Client> {
    let url =
        Url::parse(&format!("http://{address}")).context("the address of Temporal is not valid")?;
    let connection = TemporalConnection::connect(ConnectionOptions::new(url).build())
        .await
        .context("failed to connect to Temporal")?;
    Ok(Client::new(
        connection,
        ClientOptions::new(NAMESPACE).build(),
    )?)
}

/// Creates the namespace and its search attributes.
async fn register_namespace(client: &Client) -> Result<()> {
    let request = RegisterNamespaceRequest {
        namespace: NAMESPACE.to_owned(),
        workflow_execution_retention_period: RETENTION.try_into().ok(),
        ..RegisterNamespaceRequest::default()
    };
    client
        .connection()
        .workflow_service()
        .register_namespace(request.into_request())
        .await
        .context("failed to register the namespace")?;
    let kind = |kind| match kind {
        SearchAttributeType::Keyword => IndexedValueType::Keyword,
        SearchAttributeType::Int => IndexedValueType::Int,
    };
    let search_attributes: HashMap<String, i32> = SEARCH_ATTRIBUTES
        .into_iter()
        .map(|(name, of)| (name.to_owned(), kind(of).into()))
        .collect();
    let end = Instant::now() + NAMESPACE_TIMEOUT;
    loop {
        let request = AddSearchAttributesRequest {
            search_attributes: search_attributes.clone(),
            namespace: NAMESPACE.to_owned(),
        };
        let mut service = client.connection().operator_service();
        match service.add_search_attributes(request.into_request()).await {
            Ok(_) => return Ok(()),
            // The server does not know the namespace for a few seconds.
            Err(_) if Instant::now() < end => sleep(Duration::from_millis(200)).await,
            Err(error) => return Err(error).context("failed to register the search attributes"),
        }
    }
}
