//! The database of this program's settings, and how it is logged in to.

#[cfg(feature = "iam")]
use crate::rds_token::{RdsTokenProvider, resolve_region};
use std::convert::Infallible;

use crate::{PgPool, connect_lazy};
use settings::{DATABASE_IAM_AUTH, DATABASE_URL, Environment, SettingError};
#[cfg(feature = "iam")]
use std::{sync::Arc, time::Duration};

/// A pool, and what its next connection logs in with.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    #[cfg(feature = "iam")]
    tokens: Option<Arc<RdsTokenProvider>>,
}

/// For a password that stands in the URL.
impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self {
            pool,
            #[cfg(feature = "iam")]
            tokens: None,
        }
    }
}

impl Database {
    /// The database of `DATABASE_URL`, connected to when it is first used; by IAM with `DATABASE_IAM_AUTH=on`.
    pub fn from_env(connections: u32) -> Result<Self, SettingError> {
        let environment = Environment::from_process();
        let url = environment.require(&DATABASE_URL, "not set")?;
        let pool = connect_lazy(url, connections)
            .map_err(|_| DATABASE_URL.reject(url, "not a URL of PostgreSQL"))?;
        if environment.is_on(&DATABASE_IAM_AUTH)? {
            Self::by_iam(pool)
        } else {
            Ok(pool.into())
        }
    }

    #[cfg(not(feature = "iam"))]
    fn by_iam(_: PgPool) -> Result<Self, SettingError> {
        Err(DATABASE_IAM_AUTH.reject(
            "on",
            "this program was built without the feature iam (docs/settings.md)",
        ))
    }

    #[cfg(feature = "iam")]
    fn by_iam(pool: PgPool) -> Result<Self, SettingError> {
        let now = aws_smithy_async::time::SystemTimeSource::new();
        let tokens = resolve_region(&pool).and_then(|region| {
            RdsTokenProvider::new(&pool, region, aws::credentials_provider(), now)
        });
        let tokens = tokens.map_err(|error| DATABASE_URL.reject_hidden(error.to_string()))?;
        Ok(Self::with_token_provider(pool, tokens))
    }

    #[cfg(feature = "iam")]
    pub fn with_token_provider(pool: PgPool, tokens: RdsTokenProvider) -> Self {
        Self {
            pool,
            tokens: Some(Arc::new(tokens)),
        }
    }

    /// The pool, whose next connection is let in. To be asked for whenever it is used: a password may be good for
    /// minutes only, and what runs in Lambda can't renew it while it sleeps.
    #[cfg_attr(
        not(feature = "iam"),
        expect(clippy::unused_async, reason = "another build waits for credentials")
    )]
    pub async fn pool(&self) -> &PgPool {
        #[cfg(feature = "iam")]
        if let Some(tokens) = &self.tokens
            && let Err(error) = tokens.renew_if_due(&self.pool).await
        {
            // The connections that are open go on, and a new one says that it is not let in.
            tracing::warn!("no token for the database: {error}");
        }
        &self.pool
    }

    /// Renews passwords for as long as it is polled, for a program that hands its pool on and never sleeps.
    pub async fn keep_tokens_fresh(&self) -> Infallible {
        #[cfg(feature = "iam")]
        if self.tokens.is_some() {
            loop {
                self.pool().await;
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        }
        std::future::pending().await
    }
}
