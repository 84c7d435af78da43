//! The database that this program's settings name, and its login.

use std::{convert::Infallible, sync::Arc, time::Duration};

use aws_smithy_async::time::SystemTimeSource;

use crate::{
    Error, PgPool, check_reachable, connect_lazy,
    rds_token::{RdsTokenProvider, resolve_region},
};
use aws::Secret;
use settings::{
    DATABASE_IAM_AUTH, DATABASE_URL, DATABASE_URL_SECRET_ARN, Environment, SettingError,
};

/// A connection pool and, with IAM authentication, the source of its passwords.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PoolSource,
    tokens: Option<Arc<RdsTokenProvider>>,
    /// The source of a password that [`Database::connect`] uses after a refusal.
    fallback: Option<Arc<RdsTokenProvider>>,
}

#[derive(Debug, Clone)]
enum PoolSource {
    Given(PgPool),
    /// A new URL makes a new pool. Calls that use the previous pool finish with it.
    Secret(Secret<PgPool>),
}

/// A value of `DATABASE_IAM_AUTH`.
#[derive(Clone, Copy)]
enum Login {
    Password,
    Token,
    /// A password, and a token if the database refuses it.
    PasswordOrToken,
}

/// Uses the password of the pool's URL.
impl From<PgPool> for Database {
    fn from(pool: PgPool) -> Self {
        Self {
            pool: PoolSource::Given(pool),
            tokens: None,
            fallback: None,
        }
    }
}

impl Database {
    /// Reads `DATABASE_URL` or `DATABASE_URL_SECRET_ARN`, and `DATABASE_IAM_AUTH`. The first use of
    /// the pool reads the secret and connects.
    ///
    /// # Errors
    ///
    /// [`SettingError`] when a setting is missing or invalid. It never contains the URL, which may
    /// contain a password.
    pub fn from_env(connections: u32) -> Result<Self, SettingError> {
        Self::from_settings(&Environment::from_process(), connections)
    }

    fn from_settings(environment: &Environment, connections: u32) -> Result<Self, SettingError> {
        let connect = move |url: &str| {
            connect_lazy(url.trim(), connections)
                .map_err(|_| DATABASE_URL.reject(url, "not a URL of PostgreSQL"))
        };
        if let Some(secret) = Secret::from_setting(&DATABASE_URL_SECRET_ARN, environment, connect)?
        {
            let conflict = [(&DATABASE_URL, "set"), (&DATABASE_IAM_AUTH, "on")]
                .into_iter()
                .find(|(setting, _)| !matches!(environment.get(setting), None | Some("off")));
            return match conflict {
                Some((setting, is)) => Err(setting.reject_hidden(format!(
                    "{is}, but DATABASE_URL_SECRET_ARN is set too; set only one of them"
                ))),
                None => Ok(Self {
                    pool: PoolSource::Secret(secret),
                    tokens: None,
                    fallback: None,
                }),
            };
        }
        let pool = connect(environment.require(&DATABASE_URL, "not set")?)?;
        let meanings = [
            ("off", Login::Password),
            ("on", Login::Token),
            ("fallback", Login::PasswordOrToken),
        ];
        match environment.choose(&DATABASE_IAM_AUTH, &meanings)? {
            Login::Password => Ok(pool.into()),
            Login::Token => {
                let provider = create_token_provider(&pool)?;
                Ok(Self::with_token_provider(pool, provider))
            }
            Login::PasswordOrToken => {
                let fallback = Some(Arc::new(create_token_provider(&pool)?));
                Ok(Self {
                    fallback,
                    ..pool.into()
                })
            }
        }
    }

    /// Makes new connections of `pool` log in with tokens of `provider`.
    pub fn with_token_provider(pool: PgPool, provider: RdsTokenProvider) -> Self {
        Self {
            pool: PoolSource::Given(pool),
            tokens: Some(Arc::new(provider)),
            fallback: None,
        }
    }

    /// Connects, and returns the pool. With `DATABASE_IAM_AUTH=fallback`, logs in with a token if the
    /// database refuses the password. The token is valid for 15 minutes and is not renewed, so this is
    /// for commands.
    ///
    /// RDS refuses the password of a member of `rds_iam`. The owner becomes one when it creates the
    /// worker's role, because since PostgreSQL 16 the creator of a role is its member.
    ///
    /// # Errors
    ///
    /// When the database is unreachable or refuses the login.
    pub async fn connect(&self) -> Result<PgPool, Error> {
        let pool = self.pool().await?;
        let Err(error) = check_reachable(&pool).await else {
            return Ok(pool);
        };
        let Some(tokens) = self.fallback.as_ref().filter(|_| error.is_login_refused()) else {
            return Err(error);
        };
        if let Err(failure) = tokens.renew_if_due(&pool).await {
            tracing::warn!("no IAM token for the database: {failure}");
            return Err(error);
        }
        check_reachable(&pool).await?;
        Ok(pool)
    }

    /// Returns the pool after it has renewed the password for new connections, if that is due.
    ///
    /// Call this function before each use of the pool. A password is valid for minutes, and a
    /// process on Lambda cannot renew it while its sandbox is frozen.
    ///
    /// # Errors
    ///
    /// [`Error::NoUrl`] when the URL is in a secret that cannot be read.
    pub async fn pool(&self) -> Result<PgPool, Error> {
        let pool = match &self.pool {
            PoolSource::Given(pool) => pool.clone(),
            PoolSource::Secret(secret) => {
                PgPool::clone(&*secret.current().await.map_err(Error::NoUrl)?)
            }
        };
        if let Some(tokens) = &self.tokens
            && let Err(error) = tokens.renew_if_due(&pool).await
        {
            // Open connections stay usable. A new connection fails and reports the rejected login.
            tracing::warn!("no IAM token for the database: {error}");
        }
        Ok(pool)
    }

    /// Renews the password while it is polled. For a process that passes its pool on and never
    /// sleeps.
    pub async fn keep_tokens_fresh(&self) -> Infallible {
        if self.tokens.is_some() {
            loop {
                // A failure is logged, and the next call tries again.
                let _ = self.pool().await;
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        }
        std::future::pending().await
    }
}

fn create_token_provider(pool: &PgPool) -> Result<RdsTokenProvider, SettingError> {
    let provider = resolve_region(pool).and_then(|region| {
        let (credentials, clock) = (aws::credentials_provider(), SystemTimeSource::new());
        RdsTokenProvider::new(pool, region, credentials, clock)
    });
    provider.map_err(|error| DATABASE_URL.reject_hidden(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use tokio::{net::TcpListener, time::timeout};

    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:url-AbCdEf";

    fn read(pairs: &[(&str, &str)]) -> Result<Database, SettingError> {
        let credentials = [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ];
        let pairs = pairs.iter().copied().chain(credentials);
        Database::from_settings(&Environment::from_pairs(pairs), 1)
    }

    #[tokio::test]
    async fn changed_url_makes_a_new_pool() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let text = Arc::new(Mutex::new("postgres://reader:old@one:5432/orders"));
        let shared = Arc::clone(&text);
        let manager = Router::new()
            .fallback(async move || format!(r#"{{"SecretString":"{}"}}"#, shared.lock().unwrap()));
        tokio::spawn(async move { axum::serve(listener, manager).await.unwrap() });
        let database = read(&[
            ("DATABASE_URL_SECRET_ARN", ARN),
            ("SECRETS_REFRESH", "200ms"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ]);
        let database = database.unwrap();
        let host = async || {
            let pool = database.pool().await.unwrap();
            pool.connect_options().get_host().to_owned()
        };
        assert_eq!(host().await, "one");
        *text.lock().unwrap() = "postgres://reader:new@two:5432/orders";
        let changed = async {
            while host().await != "two" {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), changed).await.unwrap();
    }

    #[tokio::test]
    async fn unreadable_url_is_an_unavailable_database() {
        let arn = ("DATABASE_URL_SECRET_ARN", ARN);
        let database = read(&[arn, ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]).unwrap();
        let error = database.pool().await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!(
            error.to_string().contains("DATABASE_URL_SECRET_ARN"),
            "{error}"
        );
        for other in [
            ("DATABASE_URL", "postgres://a@b/c"),
            ("DATABASE_IAM_AUTH", "on"),
        ] {
            let error = read(&[arn, other]).unwrap_err().to_string();
            assert!(error.contains("set only one of them"), "{error}");
        }
    }
}
