//! The database that this program's settings name, and its login.

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_smithy_async::time::SystemTimeSource;

use crate::{
    PgPool, connect_lazy,
    rds_token::{RdsTokenProvider, resolve_region},
};
use settings::{DATABASE_IAM_AUTH, DATABASE_URL, Environment, SettingError};

/// A connection pool and, with IAM authentication, the source of its passwords.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    tokens: Option<Arc<RdsTokenProvider>>,
}

/// Uses the password of the pool's URL.
impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self { pool, tokens: None }
    }
}

impl Database {
    /// Reads `DATABASE_URL` and `DATABASE_IAM_AUTH`. The first use of the pool connects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] when a setting is missing or invalid. It never contains the URL, which may
    /// contain a password.
    pub fn from_env(connections: u32) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        let url = environment.require(&DATABASE_URL, "not set")?;
        let pool = connect_lazy(url, connections)
            .map_err(|_| DATABASE_URL.reject(url, "not a URL of PostgreSQL"))?;
        if environment.is_on(&DATABASE_IAM_AUTH)? {
            Self::with_iam_auth(pool)
        } else {
            Ok(pool.into())
        }
    }

    fn with_iam_auth(pool: PgPool) -> Result<Self, SettingError> {
        let provider = resolve_region(&pool).and_then(|region| {
            let (credentials, clock) = (aws::credentials_provider(), SystemTimeSource::new());
            RdsTokenProvider::new(&pool, region, credentials, clock)
        });
        let provider = provider.map_err(|error| DATABASE_URL.reject_hidden(error.to_string()))?;
        Ok(Self::with_token_provider(pool, provider))
    }

    /// Makes new connections of `pool` log in with tokens of `provider`.
    pub fn with_token_provider(pool: PgPool, provider: RdsTokenProvider) -> Self {
        Self {
            pool,
            tokens: Some(Arc::new(provider)),
        }
    }

    /// Returns the pool after it has renewed the password for new connections, if that is due.
    ///
    /// Call this function before each use of the pool. A password is valid for minutes, and a
    /// process on Lambda cannot renew it while its sandbox is frozen.
    pub async fn pool(&self) -> &PgPool {
        if let Some(tokens) = &self.tokens
            && let Err(error) = tokens.renew_if_due(&self.pool).await
        {
            // Open connections stay usable. A new connection fails and reports the rejected login.
            tracing::warn!("no IAM token for the database: {error}");
        }
        &self.pool
    }

    /// Renews the password while it is polled. For a process that passes its pool on and never
    /// sleeps.
    pub async fn keep_tokens_fresh(&self) -> Infallible {
        if self.tokens.is_some() {
            loop {
                self.pool().await;
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        }
        std::future::pending().await
    }
}
