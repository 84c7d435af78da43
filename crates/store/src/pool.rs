//! Connecting, and bringing the schema up to date.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, PgConnection, PgPool, Postgres, Transaction,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Error, error::SqlxResultExt};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// The URL as the driver wants it: other systems write the driver's name into the scheme.
pub fn normalize_database_url(url: &str) -> String {
    url.replacen("postgresql+asyncpg://", "postgres://", 1)
}

/// A pool that connects when it is first used: a function starts, and answers, without the database.
pub fn connect_lazy(url: &str, connections: u32) -> Result<PgPool, Error> {
    let url = normalize_database_url(url);
    // The driver takes any scheme for its own.
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(Error::InvalidUrl(sqlx::Error::Configuration(
            "another scheme".into(),
        )));
    }
    let connection = PgConnectOptions::from_str(&url).map_err(Error::InvalidUrl)?;
    // A caller waits for seconds, not for the driver's 30: then it says that the database is away.
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(2));
    Ok(pool.connect_lazy_with(connection))
}

/// Connects, and fails at once when the database is not there.
pub async fn connect(url: &str) -> Result<PgPool, Error> {
    let pool = connect_lazy(url, 20)?;
    check_reachable(&pool).await?;
    Ok(pool)
}

/// Fails at once when the database of `pool` is not there.
pub async fn check_reachable(pool: &PgPool) -> Result<(), Error> {
    let reached = match pool.acquire().await {
        // The pool takes a refusal for a server that is starting up, and tries until its time is over: once more, for the cause.
        Err(sqlx::Error::PoolTimedOut) => Err(once(&pool.connect_options()).await),
        reached => reached.map(|_| ()),
    };
    reached.for_operation("connect to the database")
}

async fn once(options: &PgConnectOptions) -> sqlx::Error {
    match tokio::time::timeout(Duration::from_secs(2), options.connect()).await {
        Ok(Err(error)) => error,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

/// Begins a transaction. In a task of its own: who gives up while it begins drops that task's handle, not the
/// driver's future, which would leave the connection in a transaction that nobody ends, for the next user to
/// write into what is then rolled back.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let pool = pool.clone();
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    let begun = tokio::spawn(async move { pool.begin().await });
    let begun = begun.await.map_err(|_| sqlx::Error::WorkerCrashed);
    begun.and_then(|begun| begun).for_operation("begin")
}

/// Applies what is missing of `migrations/`. Several at once wait for each other.
pub async fn migrate(pool: &PgPool) -> Result<(), Error> {
    Ok(MIGRATOR.run(pool).await?)
}

/// One file of `migrations/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
    pub is_applied: bool,
}

/// Every migration that this program knows, oldest first, and whether the database has it.
pub async fn list_migrations(pool: &PgPool) -> Result<Vec<Migration>, Error> {
    let applied = applied(
        &mut *pool
            .acquire()
            .await
            .for_operation("connect to the database")?,
    )
    .await?;
    let migration = |migration: &sqlx::migrate::Migration| Migration {
        version: migration.version,
        description: migration.description.to_string(),
        is_applied: applied.contains(&migration.version),
    };
    Ok(MIGRATOR.iter().map(migration).collect())
}

/// Whether the database has every migration that this program knows.
pub async fn is_migrated(pool: &PgPool) -> Result<bool, Error> {
    Ok(list_migrations(pool)
        .await?
        .iter()
        .all(|migration| migration.is_applied))
}

/// The newest migration that this program knows.
pub(crate) fn latest_known_version() -> i64 {
    MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// The newest migration that the database has.
pub(crate) async fn latest_applied_version(connection: &mut PgConnection) -> Result<i64, Error> {
    Ok(applied(connection)
        .await?
        .last()
        .copied()
        .unwrap_or_default())
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let there = sqlx::query_scalar!(
        "select count(*) from information_schema.tables where table_name = '_sqlx_migrations'"
    );
    if there
        .fetch_one(&mut *connection)
        .await
        .for_operation("look for migrations")?
        == Some(0)
    {
        return Ok(Vec::new());
    }
    // Not checked when compiled: the migrator makes this table, so the schema the checks see may lack it.
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(connection)
        .await
        .for_operation("read the applied migrations")
}

/// The newest migration that the database has, which may be newer than this program.
pub async fn schema_version(pool: &PgPool) -> Result<i64, Error> {
    latest_applied_version(
        &mut *pool
            .acquire()
            .await
            .for_operation("connect to the database")?,
    )
    .await
}

/// Whether the database answers.
#[tracing::instrument(name = "store.ping", skip_all)]
pub async fn ping(pool: &PgPool) -> Result<(), Error> {
    sqlx::query_scalar!("select 1 as one")
        .fetch_one(pool)
        .await
        .for_operation("reach the database")
        .map(|_| ())
}
