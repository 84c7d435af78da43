//! Connecting, and bringing the schema up to date.

use crate::{Error, error::Failed};
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// The URL as the driver wants it: other systems write the driver's name into the scheme.
pub fn database_url(url: &str) -> String {
    url.replacen("postgresql+asyncpg://", "postgres://", 1)
}

fn options(url: &str) -> Result<(PgPoolOptions, PgConnectOptions), Error> {
    let connection = PgConnectOptions::from_str(&database_url(url)).map_err(Error::Url)?;
    // A caller waits for seconds, not for the driver's 30: then it says that the database is away.
    let pool = PgPoolOptions::new().max_connections(20).acquire_timeout(Duration::from_secs(2));
    Ok((pool, connection))
}

/// Connects, and fails at once when the database is not there.
pub async fn connect(url: &str) -> Result<PgPool, Error> {
    let (pool, connection) = options(url)?;
    pool.connect_with(connection).await.failed("connect to the database")
}

/// A pool that connects when it is first used: a function starts, and answers, without the database.
pub fn connect_lazy(url: &str, connections: u32) -> Result<PgPool, Error> {
    let (pool, connection) = options(url)?;
    Ok(pool.max_connections(connections).connect_lazy_with(connection))
}

/// Applies what is missing of `migrations/`. Several at once wait for each other.
pub async fn migrate(pool: &PgPool) -> Result<(), Error> {
    Ok(MIGRATOR.run(pool).await?)
}

/// Whether the database has every migration that this program knows.
pub async fn is_migrated(pool: &PgPool) -> Result<bool, Error> {
    let applied =
        sqlx::query_scalar!("select count(*) from information_schema.tables where table_name = '_sqlx_migrations'");
    if applied.fetch_one(pool).await.failed("look for migrations")? == Some(0) {
        return Ok(false);
    }
    let known: i64 = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    // Not checked when compiled: the migrator makes this table, so the schema the checks see may lack it.
    let newest: (Option<i64>,) = sqlx::query_as("select max(version) from _sqlx_migrations where success")
        .fetch_one(pool)
        .await
        .failed("read the applied migrations")?;
    Ok(newest.0.unwrap_or_default() >= known)
}

/// Whether the database answers.
pub async fn ping(pool: &PgPool) -> Result<(), Error> {
    sqlx::query_scalar!("select 1 as one").fetch_one(pool).await.failed("reach the database").map(|_| ())
}
