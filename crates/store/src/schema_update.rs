//! The whole update of the schema for a release: migrations, then the IAM users.

use sqlx::PgPool;

use crate::{
    Error, Migration, latest_known_version, list_migrations, migrate, roles, schema_version,
};

/// Whether an update also creates the IAM users and grants their privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamUsers {
    Create,
    Omit,
}

/// The result of [`update_schema`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaUpdate {
    /// The version of the database's newest migration.
    pub schema: i64,
    /// The migrations that were applied, oldest first.
    pub applied: Vec<Migration>,
}

impl SchemaUpdate {
    /// Whether the database is newer than this program, so that the update changed nothing.
    pub fn is_newer_than_program(&self) -> bool {
        self.schema > latest_known_version()
    }

    /// Returns a sentence about the schema, for people.
    pub fn describe(&self) -> String {
        let schema = self.schema;
        if self.is_newer_than_program() {
            let known = latest_known_version();
            return format!(
                "schema {schema:04} is newer than {known:04}, the newest that this program has; nothing was changed"
            );
        }
        let state = if self.applied.is_empty() {
            "already up to date"
        } else {
            "up to date"
        };
        format!("schema {schema:04}, {state}")
    }
}

/// A failed update. Migrations that are complete stay applied.
#[derive(Debug, thiserror::Error)]
pub enum SchemaUpdateError {
    #[error("a migration failed and was rolled back")]
    Migration(#[source] Error),
    #[error("the schema is up to date, but the IAM users were not created")]
    IamUsers(#[source] Error),
    #[error(transparent)]
    Database(#[from] Error),
}

impl SchemaUpdateError {
    /// Returns the failed operation of the database.
    pub fn error(&self) -> &Error {
        match self {
            Self::Migration(error) | Self::IamUsers(error) | Self::Database(error) => error,
        }
    }
}

/// Applies the missing migrations, and creates the IAM users if `users` requires it. A repetition
/// changes nothing. A newer release has prepared the database for its own needs, so a schema that is
/// newer than this program remains as it is.
///
/// # Errors
///
/// [`SchemaUpdateError`] names the step that failed.
pub async fn update_schema(
    pool: &PgPool,
    users: IamUsers,
) -> Result<SchemaUpdate, SchemaUpdateError> {
    let missing = list_migrations(pool)
        .await?
        .into_iter()
        .filter(|migration| !migration.is_applied);
    let applied = missing.collect();
    migrate(pool).await.map_err(SchemaUpdateError::Migration)?;
    let update = SchemaUpdate {
        schema: schema_version(pool).await?,
        applied,
    };
    if users == IamUsers::Create && !update.is_newer_than_program() {
        roles::create(pool)
            .await
            .map_err(SchemaUpdateError::IamUsers)?;
    }
    Ok(update)
}
