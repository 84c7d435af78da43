//! Errors of this crate.

use sqlx::migrate::MigrateError;

/// A failed operation on the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {operation}")]
    Query {
        operation: &'static str,
        source: sqlx::Error,
    },
    #[error("failed to apply the migrations")]
    Migrate(#[from] MigrateError),
    #[error("failed to read {table} row {key}: invalid value in column {column}")]
    InvalidColumn {
        table: &'static str,
        key: String,
        column: &'static str,
        source: serde_json::Error,
    },
    #[error(
        "unsupported statement; only one query can be run at a time (select, with, values, table, show, explain)"
    )]
    UnsupportedStatement,
    /// PostgreSQL's message about a query that a person typed.
    #[error("query rejected by the database: {0}")]
    QueryRejected(String),
    #[error(
        "no role rds_iam in the database; IAM roles need a database on RDS with IAM authentication"
    )]
    NotRds,
    /// The database lacks audit events of the order that it acknowledged earlier, or has newer ones
    /// that this write does not know.
    #[error(
        "the database has the order's events up to number {have}; later ones must be sent again"
    )]
    MissingEvents { have: u32 },
    #[error("the database has another order with this id")]
    OtherOrder,
    #[error("DATABASE_URL is invalid; it must be postgres://USER:PASSWORD@HOST:PORT/NAME")]
    InvalidUrl(#[source] sqlx::Error),
    /// The secret with the URL cannot be read.
    #[error("the URL of the database is unavailable: {0}")]
    NoUrl(aws::SecretUnavailable),
}

impl Error {
    /// Returns the cause in our own words, if it is one that people can act on. The driver's text
    /// may contain the URL and its password.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Query { source, .. } => cause(source),
            Self::NoUrl(error) => Some(error.to_string()),
            Self::Migrate(error) => Some(migration_cause(error)),
            Self::InvalidColumn { .. }
            | Self::UnsupportedStatement
            | Self::QueryRejected(_)
            | Self::NotRds
            | Self::MissingEvents { .. }
            | Self::OtherOrder
            | Self::InvalidUrl(_) => None,
        }
    }

    /// Returns the driver's error of a failed query.
    fn query_error(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Query { source, .. } => Some(source),
            Self::Migrate(_)
            | Self::NoUrl(_)
            | Self::InvalidColumn { .. }
            | Self::UnsupportedStatement
            | Self::QueryRejected(_)
            | Self::NotRds
            | Self::MissingEvents { .. }
            | Self::OtherOrder
            | Self::InvalidUrl(_) => None,
        }
    }

    /// Whether the database refused the user or the password.
    pub(crate) fn is_login_refused(&self) -> bool {
        let source = self.query_error().and_then(sqlx::Error::as_database_error);
        let code = source.and_then(|error| error.code());
        code.is_some_and(|code| code == "28P01" || code == "28000")
    }

    /// Whether the connection ended during the operation, or the server accepts none at the moment.
    pub fn is_connection_lost(&self) -> bool {
        if let Self::Migrate(
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
        ) = self
        {
            return is_connection_lost(source);
        }
        matches!(self, Self::NoUrl(_)) || self.query_error().is_some_and(is_connection_lost)
    }

    /// Whether a repeated attempt may succeed, because the database is unavailable or overloaded.
    pub fn is_unavailable(&self) -> bool {
        let may_succeed = |source: &sqlx::Error| {
            !matches!(
                source,
                sqlx::Error::RowNotFound
                    | sqlx::Error::TypeNotFound { .. }
                    | sqlx::Error::ColumnIndexOutOfBounds { .. }
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::Encode(_)
                    | sqlx::Error::Decode(_)
            )
        };
        matches!(self, Self::NoUrl(_)) || self.query_error().is_some_and(may_succeed)
    }
}

/// Returns the number of the migration and the cause of its failure. PostgreSQL's own text may contain
/// values of a row.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other errors have texts of sqlx without values"
)]
fn migration_cause(error: &MigrateError) -> String {
    let describe = |source| cause(source).unwrap_or_else(|| "unexpected response".to_owned());
    match error {
        MigrateError::Execute(source) => describe(source),
        MigrateError::ExecuteMigration(source, version) => {
            format!("migration {version:04}: {}", describe(source))
        }
        other => other.to_string(),
    }
}

/// Connection exceptions, shutdowns and too many connections (PostgreSQL's manual, appendix A).
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other errors are about the statement"
)]
fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "53300"
        }),
        _ => false,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only errors that people can act on have a text"
)]
fn cause(error: &sqlx::Error) -> Option<String> {
    match error {
        // The resolver's error has no `ErrorKind`.
        sqlx::Error::Io(error) if error.to_string().contains("lookup address") => {
            Some("the host is unknown".to_owned())
        }
        sqlx::Error::Io(error) => Some(error.kind().to_string()),
        sqlx::Error::Tls(_) => Some("TLS failed".to_owned()),
        sqlx::Error::PoolTimedOut => Some("no connection within the time limit".to_owned()),
        sqlx::Error::Database(error) => error.code().map(|code| sqlstate_text(&code)),
        _ => None,
    }
}

/// Returns the text of the codes that people meet most often (PostgreSQL's manual, appendix A).
fn sqlstate_text(code: &str) -> String {
    let text = match code {
        "28P01" => "wrong password",
        "28000" => "the user is not allowed to connect",
        "3D000" => "the database does not exist",
        "42501" => "the user lacks a privilege",
        "42P01" | "42703" => "the schema is not up to date",
        "53300" => "too many connections",
        "57P03" => "the server is starting up or shutting down",
        _ => return format!("SQLSTATE {code}"),
    };
    format!("{text} (SQLSTATE {code})")
}

/// Adds the failed operation to an error of the driver.
pub(crate) trait SqlxResultExt<T> {
    /// `operation` is an infinitive with its object, such as "read the order".
    fn for_operation(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> SqlxResultExt<T> for Result<T, sqlx::Error> {
    fn for_operation(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|source| {
            // This event marks the current span as failed. It is not a log line, because the caller
            // logs the error once.
            tracing::info!(target: "span_failed", operation);
            Error::Query { operation, source }
        })
    }
}
