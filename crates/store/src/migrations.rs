//! The schema's migrations, in this program and in the database.

use std::{fmt, sync::LazyLock};

use sqlx::{
    PgConnection, PgPool, Postgres,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
};

use crate::{Error, error::SqlxResultExt};

/// The migrator does not reject unknown versions; [`migrate`] does, except for newer ones.
static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../../migrations");
    migrator.set_ignore_missing(true);
    migrator
});

/// Applies the missing migrations. Concurrent calls wait for each other. A schema that is newer than
/// this program remains as it is, so that a deployment can be rolled back.
///
/// # Errors
///
/// [`Error::Migrate`] when a migration fails, when an applied migration differs from this program's,
/// or when this program lacks one that is older than its newest.
pub async fn migrate(pool: &PgPool) -> Result<(), Error> {
    let latest = latest_known_version();
    let unknown = applied(&mut *acquire(pool).await?)
        .await?
        .into_iter()
        .find(|version| *version < latest && !MIGRATOR.version_exists(*version));
    if let Some(version) = unknown {
        return Err(MigrateError::VersionMissing(version).into());
    }
    Ok(MIGRATOR.run(pool).await?)
}

/// One file of `migrations/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub version: i64,
    pub description: String,
    /// Whether the database has this migration.
    pub is_applied: bool,
}

/// The number and the name of the file, such as `0015 purge`.
impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04} {}", self.version, self.description)
    }
}

/// Lists the migrations of this program, oldest first.
pub async fn list_migrations(pool: &PgPool) -> Result<Vec<Migration>, Error> {
    let applied = applied(&mut *acquire(pool).await?).await?;
    let migration = |migration: &sqlx::migrate::Migration| Migration {
        version: migration.version,
        description: migration.description.to_string(),
        is_applied: applied.contains(&migration.version),
    };
    Ok(MIGRATOR.iter().map(migration).collect())
}

/// Whether the database has every migration of this program.
pub async fn is_migrated(pool: &PgPool) -> Result<bool, Error> {
    Ok(list_migrations(pool)
        .await?
        .iter()
        .all(|migration| migration.is_applied))
}

/// Returns the version of this program's newest migration.
pub fn latest_known_version() -> i64 {
    MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// Reads the version of the database's newest migration.
pub(crate) async fn latest_applied_version(connection: &mut PgConnection) -> Result<i64, Error> {
    Ok(applied(connection)
        .await?
        .last()
        .copied()
        .unwrap_or_default())
}

async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    pool.acquire()
        .await
        .for_operation("connect to the database")
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    let tables = sqlx::query_scalar!(
        "select count(*) from information_schema.tables where table_name = '_sqlx_migrations'"
    );
    if tables
        .fetch_one(&mut *connection)
        .await
        .for_operation("find the table of migrations")?
        == Some(0)
    {
        return Ok(Vec::new());
    }
    // Not checked at compile time, because the migrator creates this table at run time.
    sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
        .fetch_all(connection)
        .await
        .for_operation("read the applied migrations")
}

/// Reads the version of the database's newest migration, which may be newer than this program.
pub async fn schema_version(pool: &PgPool) -> Result<i64, Error> {
    latest_applied_version(&mut *acquire(pool).await?).await
}
