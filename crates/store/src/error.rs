//! What can go wrong between us and the database.

/// An error of the database, with what we were about to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to {operation}")]
    Query { operation: &'static str, source: sqlx::Error },
    #[error("failed to apply the migrations")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("failed to read {table} row {key}: column {column} is not valid")]
    Inconsistent { table: &'static str, key: String, column: &'static str, source: serde_json::Error },
    #[error("only a query (select, with, values, table, show, explain) can be run here, one at a time")]
    NotAQuery,
    /// What somebody typed, in the database's own words.
    #[error("the database refuses the query: {0}")]
    Question(String),
    #[error("DATABASE_URL is not valid: it must be postgres://user:password@host:port/name")]
    Url(#[source] sqlx::Error),
}

impl Error {
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
            Self::Migrate(_) | Self::Inconsistent { .. } | Self::NotAQuery | Self::Question(_) | Self::Url(_) => false,
        }
    }
}

/// Names the operation that an error came from.
pub(crate) trait Failed<T> {
    fn failed(self, operation: &'static str) -> Result<T, Error>;
}

impl<T> Failed<T> for Result<T, sqlx::Error> {
    fn failed(self, operation: &'static str) -> Result<T, Error> {
        self.map_err(|source| {
            // No line of the log: that is written once, where it is handled. It marks the span around it as failed.
            tracing::info!(target: "span_failed", operation);
            Error::Query { operation, source }
        })
    }
}
