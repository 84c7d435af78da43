//! Credentials and region from the places where AWS's own tools read them: the environment,
//! profiles, the role of a task or an instance.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use tokio::sync::OnceCell;

use crate::Http;

/// Loads the configuration of clients of the AWS SDK.
///
/// # Errors
///
/// When the HTTP client cannot be built.
pub async fn load_config() -> reqwest::Result<SdkConfig> {
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(Http::new()?)
        .load()
        .await)
}

/// A credentials provider that is resolved at its first use. Each later call asks the resolved
/// provider again, because the credentials of a task's role change every few hours.
#[derive(Debug, Default)]
pub(crate) struct Chain(OnceCell<SharedCredentialsProvider>);

impl Chain {
    async fn credentials(&self) -> aws_credential_types::provider::Result {
        let resolve = async || {
            let config = load_config().await.map_err(CredentialsError::not_loaded)?;
            config.credentials_provider().ok_or_else(|| {
                CredentialsError::not_loaded("no credentials provider is configured")
            })
        };
        self.0
            .get_or_try_init(resolve)
            .await?
            .provide_credentials()
            .await
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
