//! What can go wrong between us and the database.

/// An error of the database, with what we were about to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {operation}")]
    Query {
        operation: &'static str,
        source: sqlx::Error,
    },
    #[error("failed to apply the migrations")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("failed to read {table} row {key}: column {column} is not valid")]
    InvalidColumn {
        table: &'static str,
        key: String,
        column: &'static str,
        source: serde_json::Error,
    },
    #[error(
        "only a query (select, with, values, table, show, explain) can be run here, one at a time"
    )]
    UnsupportedStatement,
    /// What somebody typed, in the database's own words.
    #[error("the database refuses the query: {0}")]
    QueryRejected(String),
    #[error("the database has no role rds_iam: it is not one of RDS with IAM authentication")]
    NotRds,
    #[error("DATABASE_URL is not valid: it must be postgres://user:password@host:port/name")]
    InvalidUrl(#[source] sqlx::Error),
}

impl Error {
    /// What the driver or the server says of the cause, in words of ours: its own may have the URL, and so a password.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Query { source, .. } => cause(source),
            Self::Migrate(_)
            | Self::InvalidColumn { .. }
            | Self::UnsupportedStatement
            | Self::QueryRejected(_)
            | Self::NotRds
            | Self::InvalidUrl(_) => None,
        }
    }

    /// Whether the same may work later: the database is away, or too busy.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Query { source, .. } => !matches!(
                source,
                sqlx::Error::RowNotFound
                    | sqlx::Error::TypeNotFound { .. }
                    | sqlx::Error::ColumnIndexOutOfBounds { .. }
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::Encode(_)
                    | sqlx::Error::Decode(_)
            ),
            Self::Migrate(_)
            | Self::InvalidColumn { .. }
            | Self::UnsupportedStatement
            | Self::QueryRejected(_)
            | Self::NotRds
            | Self::InvalidUrl(_) => false,
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the driver's many errors, those that people can do something about"
)]
fn cause(error: &sqlx::Error) -> Option<String> {
    match error {
        // The resolver's error has no kind of its own.
        sqlx::Error::Io(error) if error.to_string().contains("lookup address") => {
            Some("there is no such host".to_owned())
        }
        sqlx::Error::Io(error) => Some(error.kind().to_string()),
        sqlx::Error::Tls(_) => Some("TLS failed".to_owned()),
        sqlx::Error::PoolTimedOut => Some("no connection in time".to_owned()),
        sqlx::Error::Database(error) => error.code().map(|code| said(&code)),
        _ => None,
    }
}

/// What people meet of PostgreSQL's codes (its manual, appendix A).
fn said(code: &str) -> String {
    let words = match code {
        "28P01" => "wrong password",
        "28000" => "this user may not connect",
        "3D000" => "there is no such database",
        "42501" => "this user may not do that",
        "42P01" | "42703" => "the schema is not up to date",
        "53300" => "too many connections",
        "57P03" => "the server is starting up or shutting down",
        _ => return format!("SQLSTATE {code}"),
    };
    format!("{words} (SQLSTATE {code})")
}

/// Names the operation that an error came from.
pub(crate) trait SqlxResultExt<T> {
    fn for_operation(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> SqlxResultExt<T> for Result<T, sqlx::Error> {
    fn for_operation(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|source| {
            // No line of the log: that is written once, where it is handled. It marks the span around it as failed.
            tracing::info!(target: "span_failed", operation);
            Error::Query { operation, source }
        })
    }
}
