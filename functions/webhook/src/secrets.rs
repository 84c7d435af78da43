//! The current secrets of the payment providers. They may change while the function runs.

mod refresh;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use refresh::RefreshSchedule;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    secret_file::{self, Lines, ProviderSecrets},
    secrets_manager::SecretsManager,
};
use domain::WebhookProvider;
use payment_webhooks::Secrets;
use settings::{
    Setting, SettingError, WEBHOOK_SECRETS_ARN, WEBHOOK_SECRETS_FILE, WEBHOOK_SECRETS_REFRESH,
};

/// The secrets of `WEBHOOK_SECRETS_*` in the environment. Those of a file or of AWS Secrets Manager
/// take precedence.
#[derive(Debug)]
pub struct WebhookSecrets {
    environment: Environment,
    source: Source,
    cache: Mutex<Cache>,
}

struct Environment(Lines);

#[derive(Debug)]
enum Source {
    Environment,
    File(PathBuf),
    SecretsManager(SecretsManager, RefreshSchedule),
}

#[derive(Debug, Default)]
struct Cache {
    /// `None` until the first successful read.
    keys: Option<Arc<ProviderSecrets>>,
    /// The text of the last read, valid or not.
    text: Option<SecretString>,
}

/// The error while no read has succeeded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of webhooks are not available yet")]
pub(crate) struct SecretsUnavailable;

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl WebhookSecrets {
    /// Reads the secrets of the environment and of the file. Those of Secrets Manager are read
    /// later.
    ///
    /// # Errors
    ///
    /// When a setting or a secret is invalid.
    pub fn from_env() -> Result<Self, SettingError> {
        let variables = settings::Environment::from_process();
        let environment = secret_file::lines_from_environment(&variables);
        let (source, cache) = match (
            variables.get(&WEBHOOK_SECRETS_FILE).map(PathBuf::from),
            variables.get(&WEBHOOK_SECRETS_ARN),
        ) {
            (Some(_), Some(arn)) => {
                return Err(WEBHOOK_SECRETS_ARN
                    .reject(arn, "WEBHOOK_SECRETS_FILE is set too; set only one of them"));
            }
            (Some(path), None) => {
                let text = read_file(&path)?;
                let keys = ProviderSecrets::from_lines(&environment, &parse_file(&path, &text)?)?;
                (
                    Source::File(path),
                    Cache {
                        keys: Some(Arc::new(keys)),
                        text: Some(text.into()),
                    },
                )
            }
            (None, Some(arn)) => (
                Source::SecretsManager(
                    SecretsManager::new(arn, &variables)?,
                    RefreshSchedule::new(variables.parse_or_default(&WEBHOOK_SECRETS_REFRESH)?),
                ),
                Cache::default(),
            ),
            (None, None) => {
                let keys = ProviderSecrets::from_lines(&environment, &Lines::new())?;
                (
                    Source::Environment,
                    Cache {
                        keys: Some(Arc::new(keys)),
                        text: None,
                    },
                )
            }
        };
        Ok(Self {
            environment: Environment(environment),
            source,
            cache: Mutex::new(cache),
        })
    }

    /// Creates secrets that never change.
    pub fn from_secrets(
        secrets: impl IntoIterator<Item = Secrets>,
        square_url: Option<String>,
    ) -> Self {
        let keys = Some(Arc::new(ProviderSecrets::new(secrets, square_url)));
        let (environment, source) = (Environment(Lines::new()), Source::Environment);
        Self {
            environment,
            source,
            cache: Mutex::new(Cache { keys, text: None }),
        }
    }

    /// Returns the secrets of a provider, and Square's registered URL; `None` for a provider
    /// without secrets. The first call waits until the secrets are read. A file is read in each
    /// call, because it is small and a change then takes effect immediately.
    pub(crate) async fn for_provider(
        &self,
        provider: WebhookProvider,
    ) -> Result<Option<(Secrets, Option<String>)>, SecretsUnavailable> {
        match &self.source {
            Source::Environment => {}
            Source::File(path) => self.update(
                &WEBHOOK_SECRETS_FILE,
                &path.display().to_string(),
                read_file(path),
            ),
            Source::SecretsManager(client, schedule) => {
                if self.cached().keys.is_none() {
                    schedule.run_first(|| self.fetch(client)).await;
                }
            }
        }
        self.cached()
            .keys
            .as_ref()
            .map(|keys| keys.provider(provider))
            .ok_or(SecretsUnavailable)
    }

    /// Reads Secrets Manager again if that is due. Call this function for each webhook event.
    pub(crate) async fn refresh_if_due(&self) {
        if let Source::SecretsManager(client, schedule) = &self.source {
            schedule.run_if_due(|| self.fetch(client)).await;
        }
    }

    /// Reads Secrets Manager again after a rejected webhook event, because the secret may have
    /// changed since the last read. Returns whether the event should be verified again.
    pub(crate) async fn refresh_after_rejection(&self) -> bool {
        match &self.source {
            Source::Environment | Source::File(_) => false,
            Source::SecretsManager(client, schedule) => {
                schedule.run_after_rejection(|| self.fetch(client)).await
            }
        }
    }

    /// Reads Secrets Manager and returns whether the request succeeded.
    async fn fetch(&self, client: &SecretsManager) -> bool {
        let read = client.fetch().await;
        let succeeded = read.is_ok();
        let unreadable = |why: String| {
            WEBHOOK_SECRETS_ARN.reject(client.arn(), format!("the secret cannot be read: {why}"))
        };
        self.update(&WEBHOOK_SECRETS_ARN, client.arn(), read.map_err(unreadable));
        succeeded
    }

    /// Replaces the secrets by those of a read. If the read is invalid, the previous secrets stay
    /// in use, because a wrong edit must not reject payments. Each different text is logged once.
    fn update(&self, setting: &Setting, place: &str, read: Result<String, SettingError>) {
        let text = read.as_ref().ok().cloned();
        let mut cache = self.cached();
        let cached = cache.text.as_ref().map(ExposeSecret::expose_secret);
        if text.as_deref() == cached
            && (text.is_some() || cache.keys.is_some() && matches!(self.source, Source::File(_)))
        {
            return;
        }
        match read.and_then(|text| {
            ProviderSecrets::from_lines(
                &self.environment.0,
                &secret_file::parse_lines(setting, place, &text)?,
            )
        }) {
            Ok(keys) => {
                cache.keys = Some(Arc::new(keys));
                tracing::info!("{}: read the webhook secrets", setting.name());
            }
            Err(error) if cache.keys.is_some() => {
                tracing::error!("{error}; the previous secrets stay in use")
            }
            Err(error) => tracing::error!("{error}; all webhook events are rejected"),
        }
        cache.text = text.map(SecretString::from);
    }

    fn cached(&self) -> MutexGuard<'_, Cache> {
        // A poisoned lock still holds the secrets of an earlier read, which are valid.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_file(path: &Path) -> Result<String, SettingError> {
    let unreadable = |error: std::io::Error| {
        WEBHOOK_SECRETS_FILE.reject(
            &path.display().to_string(),
            format!("the file cannot be read: {error}"),
        )
    };
    fs::read_to_string(path).map_err(unreadable)
}

fn parse_file(path: &Path, text: &str) -> Result<Lines, SettingError> {
    secret_file::parse_lines(&WEBHOOK_SECRETS_FILE, &path.display().to_string(), text)
}
