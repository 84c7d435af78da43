//! The servers that all tests of a run share: one PostgreSQL with a migrated template, and one
//! Temporal.

use tokio::sync::{Mutex, OnceCell};

use devstack::{Postgres, PostgresOptions, Progress, Temporal, TemporalOptions};

pub(crate) const TEMPLATE_DATABASE: &str = "orderflow_template";

pub(crate) struct SharedServers {
    pub(crate) postgres: Postgres,
    pub(crate) temporal: Temporal,
    /// PostgreSQL copies a template for one client at a time.
    copying: Mutex<()>,
}

static SHARED: OnceCell<SharedServers> = OnceCell::const_new();

/// Starts the servers at the first call. They end with this process, even if it is killed.
pub(crate) async fn shared_servers() -> &'static SharedServers {
    SHARED
        .get_or_init(|| async {
            // Two crates of the build use rustls without a provider. An error means that one is
            // installed already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
            let template = postgres
                .create_database(TEMPLATE_DATABASE, None)
                .await
                .unwrap();
            let pool = store::connect(&template).await.unwrap();
            store::migrate(&pool).await.unwrap();
            pool.close().await;
            let temporal = Temporal::start(TemporalOptions {
                progress: Progress::stderr(),
                ..TemporalOptions::default()
            });
            SharedServers {
                postgres,
                temporal: temporal.await.unwrap(),
                copying: Mutex::default(),
            }
        })
        .await
}

impl SharedServers {
    /// Creates a migrated database.
    pub(crate) async fn create_database(&self, name: &str) -> String {
        let _one = self.copying.lock().await;
        self.postgres
            .create_database(name, Some(TEMPLATE_DATABASE))
            .await
            .unwrap()
    }
}
