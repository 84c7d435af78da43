//! Connections to the database.

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, Connection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Error, error::SqlxResultExt};

/// The idle time after which a connection is checked before its next use. A function's sandbox may be
/// frozen meanwhile, and a proxy may close the connection.
const UNCHECKED_IDLE_TIME: Duration = Duration::from_secs(10);

/// Replaces the scheme `postgresql+asyncpg`, which other systems use, by one that the driver
/// accepts.
pub fn normalize_database_url(url: &str) -> String {
    url.replacen("postgresql+asyncpg://", "postgres://", 1)
}

/// Creates a pool that connects at its first use, so that a function starts and responds without
/// the database.
///
/// # Errors
///
/// [`Error::InvalidUrl`] when `url` is not a PostgreSQL URL.
pub fn connect_lazy(url: &str, connections: u32) -> Result<PgPool, Error> {
    let url = normalize_database_url(url);
    // The driver accepts every scheme.
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Err(Error::InvalidUrl(sqlx::Error::Configuration(
            "the scheme is not postgres".into(),
        )));
    }
    let connection = PgConnectOptions::from_str(&url).map_err(Error::InvalidUrl)?;
    // After the driver's default of 30 s the caller would have given up. Report an unavailable
    // database earlier.
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(2))
        // A check costs a round trip. Only a connection that was idle for long may be dead.
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > UNCHECKED_IDLE_TIME {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    Ok(pool.connect_lazy_with(connection))
}

/// Limits each statement on new connections of `pool`, and its wait for a lock. A caller that gives up
/// leaves its statement behind, which would keep its place in the queue for the lock.
pub fn limit_statements(pool: &PgPool, statement: Duration, lock: Duration) {
    let options = pool.connect_options().as_ref().clone().options([
        ("statement_timeout", format!("{}ms", statement.as_millis())),
        ("lock_timeout", format!("{}ms", lock.as_millis())),
    ]);
    pool.set_connect_options(options);
}

/// Creates a pool and connects.
///
/// # Errors
///
/// When the URL is invalid or the database is unreachable.
pub async fn connect(url: &str) -> Result<PgPool, Error> {
    let pool = connect_lazy(url, 20)?;
    check_reachable(&pool).await?;
    Ok(pool)
}

/// Connects, unless the pool has an open connection.
///
/// # Errors
///
/// When the database is unreachable.
pub async fn check_reachable(pool: &PgPool) -> Result<(), Error> {
    let reached = match pool.acquire().await {
        // The pool retries a refused connection until its time limit, as the server may be
        // starting. Connect once more to get the cause.
        Err(sqlx::Error::PoolTimedOut) => Err(connection_error(&pool.connect_options()).await),
        reached => reached.map(|_| ()),
    };
    reached.for_operation("connect to the database")
}

async fn connection_error(options: &PgConnectOptions) -> sqlx::Error {
    match tokio::time::timeout(Duration::from_secs(2), options.connect()).await {
        Ok(Err(error)) => error,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

/// Begins a transaction in a separate task. If the caller is cancelled meanwhile, it drops only the
/// task's handle. Dropping the driver's future would leave the connection in an open transaction,
/// and the writes of its next user would be rolled back.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let pool = pool.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "the only caller of the driver's begin"
    )]
    let begun = tokio::spawn(async move { pool.begin().await });
    let begun = begun.await.map_err(|_| sqlx::Error::WorkerCrashed);
    begun.and_then(|begun| begun).for_operation("begin")
}

/// Runs a trivial query.
///
/// # Errors
///
/// When the database does not respond.
#[tracing::instrument(name = "store.ping", skip_all)]
pub async fn ping(pool: &PgPool) -> Result<(), Error> {
    sqlx::query_scalar!("select 1 as one")
        .fetch_one(pool)
        .await
        .for_operation("reach the database")
        .map(|_| ())
}
