//! Credentials and region from wherever AWS's own tools look for them: environment, profile, the role of a task.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use tokio::sync::OnceCell;

use crate::Http;

/// Settings for a client of the SDK.
pub async fn load_config() -> reqwest::Result<SdkConfig> {
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(Http::new()?)
        .load()
        .await)
}

/// Found when first asked for; what is found asks anew each time, since a task's role has others every few hours.
#[derive(Debug, Default)]
pub(crate) struct Chain(OnceCell<SharedCredentialsProvider>);

impl Chain {
    async fn credentials(&self) -> aws_credential_types::provider::Result {
        let found = async {
            let config = load_config().await.map_err(CredentialsError::not_loaded)?;
            config
                .credentials_provider()
                .ok_or_else(|| CredentialsError::not_loaded("there is no place to look"))
        };
        self.0
            .get_or_try_init(async || found.await)
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
