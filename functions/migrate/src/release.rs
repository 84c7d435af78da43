//! The preparation of database and Temporal for a release.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::ExposeSecret;

use crate::{
    Failure, OwnerPassword, Work,
    retry::{Retries, retry},
};
use order_client::{AttributeError, OrderClient, TemporalSettings};
use settings::{Environment, Program};
use store::{Database, IamUsers, PgPool, SchemaUpdate, SchemaUpdateError, owner_session};

/// The time for a database that restarts or changes its zone, and for a role that is seconds old.
const RETRY_DATABASE: Retries = Retries {
    limit: Duration::from_secs(180),
    pause: Duration::from_secs(5),
};

/// The time for Temporal to become available.
const RETRY_TEMPORAL: Retries = Retries {
    limit: Duration::from_secs(60),
    pause: Duration::from_secs(5),
};

/// One session migrates; the other one can end it.
const CONNECTIONS: u32 = 2;

/// The remedy of a failure that the operator must read about.
const READ_RUNBOOK: &str = "follow \"A migration failed\" in docs/runbook.md, then release again";

/// The work of the function: migrations, IAM users, search attributes.
#[derive(Debug)]
pub struct Release {
    /// The name of its sessions in the database.
    session: String,
    /// The connections, once the database has accepted one.
    pool: Mutex<Option<PgPool>>,
}

impl Release {
    /// `id` is the id of the invocation.
    pub fn new(id: &str) -> Self {
        Self {
            session: format!("orderflow-migrate {id}"),
            pool: Mutex::default(),
        }
    }

    fn connections(&self) -> MutexGuard<'_, Option<PgPool>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn update_schema(&self, environment: &Environment) -> Result<SchemaUpdate, Failure> {
        let database =
            Database::from_env(CONNECTIONS).map_err(|error| Failure::from_setting(&error))?;
        let pool = database
            .pool()
            .await
            .map_err(|error| describe_login(&error))?;
        owner_session::name_sessions(&pool, &self.session);
        if let Some(password) = OwnerPassword::read(environment).await? {
            owner_session::set_password(&pool, password.secret().expose_secret());
        }
        let pool = database
            .connect()
            .await
            .map_err(|error| describe_login(&error))?;
        *self.connections() = Some(pool.clone());
        store::update_schema(&pool, IamUsers::Create)
            .await
            .map_err(|error| describe_update(&error))
    }
}

impl Work for Release {
    async fn run(&self) -> Result<String, Failure> {
        let environment = Environment::from_process();
        environment
            .check(Program::Migrate)
            .map_err(|error| Failure::from_setting(&error))?;
        let update = retry(RETRY_DATABASE, || self.update_schema(&environment)).await?;
        for migration in &update.applied {
            tracing::info!("applied the migration {migration}");
        }
        if update.is_newer_than_program() {
            return Ok(update.describe());
        }
        let attributes = retry(RETRY_TEMPORAL, set_up_temporal).await?;
        Ok(format!("{}; {attributes}", update.describe()))
    }

    async fn stop(&self) {
        let Some(pool) = self.connections().clone() else {
            return;
        };
        if let Err(error) = owner_session::end_sessions(&pool, &self.session).await {
            let error = telemetry::format_error_chain(&error);
            tracing::warn!("the sessions in the database were not ended: {error}");
        }
    }
}

/// A refusal may be temporary too: the role is new, or RDS is changing the password. The driver's own
/// text may contain the URL.
fn describe_login(error: &store::Error) -> Failure {
    let cause = error.cause().unwrap_or_else(|| error.to_string());
    Failure::new(
        format!("the database refuses the connection: {cause}"),
        READ_RUNBOOK,
    )
    .transient(true)
}

fn describe_update(error: &SchemaUpdateError) -> Failure {
    let cause = match error.error().cause() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::new(cause, READ_RUNBOOK)
        .with_detail(error)
        .transient(error.error().is_connection_lost())
}

async fn set_up_temporal() -> Result<String, Failure> {
    let settings = TemporalSettings::from_env().map_err(|error| Failure::from_setting(&error))?;
    let setup = OrderClient::new(settings).set_up_search_attributes().await;
    setup
        .map(|setup| setup.describe())
        .map_err(|error| describe_attributes(&error))
}

fn describe_attributes(error: &AttributeError) -> Failure {
    match error {
        AttributeError::Refused { command, .. } => Failure::new(
            "search attributes are missing, and Temporal lets no program create them",
            format!("on Temporal Cloud run `{command}`, then release again"),
        ),
        AttributeError::NotUsable(_) | AttributeError::Temporal(_) => Failure::new(
            telemetry::format_error_chain(error),
            "check address and credentials of Temporal, then release again",
        )
        .transient(true),
    }
    .with_detail(error)
}
