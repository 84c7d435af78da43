//! Passwords for a database that knows its users by AWS IAM: tokens that RDS takes for fifteen minutes.

use std::{
    error::Error as StdError,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError,
};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, TimeSource};
use aws_types::{SdkConfig, region::Region};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::PgPool;
use settings::{AWS_DEFAULT_REGION, AWS_REGION, Environment};

/// After which a connection gets a newer one. RDS takes a token for 15 minutes, and its clock is not ours.
const RENEWED_AFTER: Duration = Duration::from_mins(10);

/// What is wrong with a URL for a login by IAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IamUrlError {
    #[error(
        "without sslmode=verify-full, which DATABASE_IAM_AUTH=on requires because a token is a password"
    )]
    Unverified,
    #[error("the host is not one of RDS, so DATABASE_IAM_AUTH=on requires AWS_REGION")]
    NoRegion,
}

/// Why there is no token. Without credentials in its words.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("credentials: {}", chain(.0))]
    Credentials(#[source] CredentialsError),
    #[error("signing: {}", chain(.0.as_ref()))]
    Signing(#[source] Box<dyn StdError + Send + Sync>),
}

/// Makes them for one user of one database.
#[derive(Debug)]
pub struct RdsTokenProvider {
    options: PgConnectOptions,
    region: Region,
    credentials: SharedCredentialsProvider,
    /// The wall's, not the processor's: that one may stand still while Lambda freezes a sandbox.
    clock: SharedTimeSource,
    due: Mutex<SystemTime>,
}

impl RdsTokenProvider {
    /// For the user, host and port that `pool` connects to.
    pub fn new(
        pool: &PgPool,
        region: String,
        credentials: impl ProvideCredentials + 'static,
        clock: impl TimeSource + 'static,
    ) -> Result<Self, IamUrlError> {
        let options = PgConnectOptions::clone(&pool.connect_options());
        if !matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
            return Err(IamUrlError::Unverified);
        }
        Ok(Self {
            options,
            region: Region::new(region),
            credentials: SharedCredentialsProvider::new(credentials),
            clock: SharedTimeSource::new(clock),
            due: Mutex::new(SystemTime::UNIX_EPOCH),
        })
    }

    /// Gives `pool` a new token to connect with, where the one of before is not good for long.
    pub async fn renew_if_due(&self, pool: &PgPool) -> Result<(), TokenError> {
        let now = self.clock.now();
        if now < *self.due.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        let credentials = self
            .credentials
            .provide_credentials()
            .await
            .map_err(TokenError::Credentials)?;
        // A token ends with the credentials that signed it.
        let end = credentials.expiry().unwrap_or(now + 2 * RENEWED_AFTER);
        let due = (now + RENEWED_AFTER).min(end - Duration::from_secs(30));
        let token = self
            .token(now, credentials)
            .await
            .map_err(TokenError::Signing)?;
        pool.set_connect_options(self.options.clone().password(&token));
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        Ok(())
    }

    async fn token(
        &self,
        now: SystemTime,
        credentials: impl ProvideCredentials + 'static,
    ) -> Result<String, Box<dyn StdError + Send + Sync>> {
        let config = Config::builder()
            .hostname(self.options.get_host())
            .port(self.options.get_port().into())
            .username(self.options.get_username())
            .region(self.region.clone())
            .credentials(credentials)
            .build()?;
        let at = SdkConfig::builder()
            .time_source(StaticTimeSource::new(now))
            .build();
        Ok(in_their_order(
            AuthTokenGenerator::new(config)
                .auth_token(&at)
                .await?
                .as_str(),
        ))
    }
}

/// The signature last, and escaped as in a URL: as AWS's other tools write it. What is signed knows no order.
fn in_their_order(token: &str) -> String {
    let (signature, rest): (Vec<_>, Vec<_>) = token
        .split('&')
        .partition(|part| part.starts_with("X-Amz-Signature="));
    [rest, signature]
        .concat()
        .join("&")
        .replace('+', "%20")
        .replace("%7E", "~")
}

/// Where the database of `pool` is.
pub(crate) fn resolve_region(pool: &PgPool) -> Result<String, IamUrlError> {
    region(
        pool.connect_options().get_host(),
        &Environment::from_process(),
    )
    .ok_or(IamUrlError::NoRegion)
}

/// The host's own, since a token is good where the database is: `NAME.ID.REGION.rds.amazonaws.com`.
fn region(host: &str, environment: &Environment) -> Option<String> {
    let of_host = host
        .split_once(".rds.amazonaws.com")
        .and_then(|(name, _)| name.rsplit_once('.'));
    let get = |setting| environment.get(setting).map(ToOwned::to_owned);
    of_host
        .map(|(_, region)| region.to_owned())
        .or_else(|| get(&AWS_REGION))
        .or_else(|| get(&AWS_DEFAULT_REGION))
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use chrono::DateTime;
    use serde_json::Value;

    use super::*;

    const OF_BOTO3: &str = include_str!("../../../tests/rds-tokens/of-boto3.json");

    #[tokio::test]
    async fn a_token_is_boto3s_to_the_byte() {
        let vectors: Value = serde_json::from_str(OF_BOTO3).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 18);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap().to_owned();
            let held = |name: &str| case["credentials"][name].as_str().map(str::to_owned);
            let url = format!(
                "postgres://{}@{}:{}/orderflow?sslmode=verify-full",
                text("user"),
                text("host"),
                case["port"]
            );
            let now = DateTime::parse_from_rfc3339(&text("time")).unwrap().into();
            let credentials = || {
                Credentials::new(
                    held("id").unwrap(),
                    held("secret").unwrap(),
                    held("session"),
                    None,
                    "test",
                )
            };
            let pool = crate::connect_lazy(&url, 1).unwrap();
            let tokens = RdsTokenProvider::new(
                &pool,
                text("region"),
                credentials(),
                StaticTimeSource::new(now),
            )
            .unwrap();
            assert_eq!(
                tokens.token(now, credentials()).await.unwrap(),
                text("token")
            );
        }
    }

    #[test]
    fn the_region_is_the_hosts_own() {
        let set = Environment::from_pairs([("AWS_REGION", "us-west-2")]);
        let none = Environment::from_pairs([]);
        let host = "orderflow.c1a2b3.eu-central-1.rds.amazonaws.com";
        assert_eq!(region(host, &set).as_deref(), Some("eu-central-1"));
        assert_eq!(region("db.internal", &set).as_deref(), Some("us-west-2"));
        assert_eq!(region("db.internal", &none), None);
    }
}
