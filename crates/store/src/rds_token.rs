//! Passwords for a database on RDS with IAM authentication: signed tokens that RDS accepts for 15
//! minutes. <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>

use std::{
    error::Error as StdError,
    iter,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::PgPool;
use settings::{AWS_DEFAULT_REGION, AWS_REGION, Environment};

/// The lifetime of a token. RDS accepts no longer one.
const LIFETIME: Duration = Duration::from_mins(15);
/// The age at which a token is replaced, well before its end: the clock of RDS may differ from
/// ours.
const RENEWAL_AGE: Duration = Duration::from_mins(10);
/// The characters that AWS escapes in a query: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A `DATABASE_URL` that is not suitable for IAM authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IamUrlError {
    #[error(
        "without sslmode=verify-full, which DATABASE_IAM_AUTH requires because a token is a password"
    )]
    Unverified,
    #[error("the host is not one of RDS, so DATABASE_IAM_AUTH requires AWS_REGION")]
    NoRegion,
}

/// The reason why no token could be made. Its text contains no credentials.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("credentials: {}", with_causes(.0))]
    Credentials(#[source] CredentialsError),
    #[error("signing: {}", with_causes(.0.as_ref()))]
    Signing(#[source] Box<dyn StdError + Send + Sync>),
}

/// A source of tokens for one user of one database.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use aws_credential_types::Credentials;
/// use aws_smithy_async::time::SystemTimeSource;
/// use store::{Database, rds_token::RdsTokenProvider};
///
/// let host = "orderflow.c1a2b3d4e5.eu-central-1.rds.amazonaws.com";
/// let url = format!("postgres://orderflow_reader@{host}:5432/orderflow?sslmode=verify-full");
/// let pool = store::connect_lazy(&url, 1)?;
/// let credentials = Credentials::new("AKIAEXAMPLE", "secret", None, None, "example");
/// let clock = SystemTimeSource::new();
/// let provider = RdsTokenProvider::new(&pool, "eu-central-1".into(), credentials, clock)?;
/// let database = Database::with_token_provider(pool, provider);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct RdsTokenProvider {
    options: PgConnectOptions,
    region: String,
    credentials: SharedCredentialsProvider,
    /// A wall clock: a monotonic clock may stop while Lambda freezes the sandbox.
    clock: SharedTimeSource,
    renewal_due: Mutex<SystemTime>,
}

impl RdsTokenProvider {
    /// Creates a provider for the user, host and port of `pool`.
    ///
    /// # Errors
    ///
    /// [`IamUrlError::Unverified`] when `pool` does not verify the server's certificate and host
    /// name.
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
            region,
            credentials: SharedCredentialsProvider::new(credentials),
            clock: SharedTimeSource::new(clock),
            renewal_due: Mutex::new(SystemTime::UNIX_EPOCH),
        })
    }

    /// Sets a new token as the password of `pool`, unless the current token is still valid for
    /// minutes.
    ///
    /// # Errors
    ///
    /// [`TokenError`] when there are no credentials or they cannot sign.
    pub async fn renew_if_due(&self, pool: &PgPool) -> Result<(), TokenError> {
        let now = self.clock.now();
        if now
            < *self
                .renewal_due
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        {
            return Ok(());
        }
        let credentials = self
            .credentials
            .provide_credentials()
            .await
            .map_err(TokenError::Credentials)?;
        // A token expires with the credentials that signed it.
        let expiry = credentials.expiry().unwrap_or(now + LIFETIME);
        let due = (now + RENEWAL_AGE).min(expiry - Duration::from_secs(30));
        let token = self
            .sign_token(now, credentials)
            .map_err(TokenError::Signing)?;
        pool.set_connect_options(self.options.clone().password(&token));
        *self
            .renewal_due
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = due;
        Ok(())
    }

    /// Returns the presigned URL, without its scheme, of a request that would connect to the
    /// database.
    fn sign_token(
        &self,
        now: SystemTime,
        credentials: Credentials,
    ) -> Result<String, Box<dyn StdError + Send + Sync>> {
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(LIFETIME);
        settings.signature_location = SignatureLocation::QueryParams;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()?;
        let address = format!(
            "{}:{}/?Action=connect&DBUser={}",
            self.options.get_host(),
            self.options.get_port(),
            utf8_percent_encode(self.options.get_username(), ESCAPED)
        );
        let url = format!("https://{address}");
        let request = SignableRequest::new("GET", url, iter::empty(), SignableBody::empty())?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        let (_, mut query) = instructions.into_parts();
        // AWS's command line puts the signature last. RDS accepts any order.
        query.sort_by_key(|(name, _)| *name == "X-Amz-Signature");
        let query = query
            .iter()
            .map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, ESCAPED)));
        Ok(iter::once(address).chain(query).collect())
    }
}

/// Returns the region in which the database of `pool` is.
///
/// # Errors
///
/// [`IamUrlError::NoRegion`] when neither the host nor the environment names a region.
pub(crate) fn resolve_region(pool: &PgPool) -> Result<String, IamUrlError> {
    region_of_host(
        pool.connect_options().get_host(),
        &Environment::from_process(),
    )
    .ok_or(IamUrlError::NoRegion)
}

/// Returns the region in a host name such as `NAME.ID.REGION.rds.amazonaws.com`, else the region of
/// the environment. The host name comes first because a token is valid only in the region of the
/// database.
fn region_of_host(host: &str, environment: &Environment) -> Option<String> {
    let in_host = host
        .split_once(".rds.amazonaws.com")
        .and_then(|(name, _)| name.rsplit_once('.'));
    let get = |setting| environment.get(setting).map(ToOwned::to_owned);
    in_host
        .map(|(_, region)| region.to_owned())
        .or_else(|| get(&AWS_REGION))
        .or_else(|| get(&AWS_DEFAULT_REGION))
}

/// Returns the messages of an error and of its causes in one line.
fn with_causes(error: &dyn StdError) -> String {
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
    use aws_smithy_async::time::StaticTimeSource;
    use chrono::DateTime;
    use serde_json::Value;

    use super::*;

    const BOTO3_VECTORS: &str = include_str!("../../../tests/rds-tokens/of-boto3.json");

    #[tokio::test]
    async fn token_equals_boto3_byte_for_byte() {
        let vectors: Value = serde_json::from_str(BOTO3_VECTORS).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 18);
        for case in cases {
            let text = |name: &str| case[name].as_str().unwrap().to_owned();
            let credential = |name: &str| case["credentials"][name].as_str().map(str::to_owned);
            let url = format!(
                "postgres://{}@{}:{}/orderflow?sslmode=verify-full",
                text("user"),
                text("host"),
                case["port"]
            );
            let now = DateTime::parse_from_rfc3339(&text("time")).unwrap().into();
            let credentials = Credentials::new(
                credential("id").unwrap(),
                credential("secret").unwrap(),
                credential("session"),
                None,
                "test",
            );
            let pool = crate::connect_lazy(&url, 1).unwrap();
            let clock = StaticTimeSource::new(now);
            let provider =
                RdsTokenProvider::new(&pool, text("region"), credentials.clone(), clock).unwrap();
            assert_eq!(
                provider.sign_token(now, credentials).unwrap(),
                text("token")
            );
        }
    }

    #[test]
    fn region_of_host_wins_over_environment() {
        let set = Environment::from_pairs([("AWS_REGION", "us-west-2")]);
        let none = Environment::from_pairs([]);
        let host = "orderflow.c1a2b3.eu-central-1.rds.amazonaws.com";
        assert_eq!(region_of_host(host, &set).as_deref(), Some("eu-central-1"));
        assert_eq!(
            region_of_host("db.internal", &set).as_deref(),
            Some("us-west-2")
        );
        assert_eq!(region_of_host("db.internal", &none), None);
    }
}
