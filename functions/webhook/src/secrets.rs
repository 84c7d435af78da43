//! The current secrets of the payment providers. They may change while the function runs.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret, SecretString};

use crate::secret_file::{self, Lines, ProviderSecrets};
use aws::{Secret, SecretUnavailable};
use payment_webhooks::Secrets;
use settings::{SettingError, WEBHOOK_SECRETS_ARN, WEBHOOK_SECRETS_FILE};

/// The secrets of `WEBHOOK_SECRETS_*` in the environment. Those of a file or of AWS Secrets Manager
/// take precedence.
#[derive(Debug)]
pub struct WebhookSecrets(Source);

#[derive(Debug)]
enum Source {
    Given(Arc<ProviderSecrets>),
    File(SecretFile),
    SecretsManager(Secret<ProviderSecrets>),
}

/// A file that is read for each webhook event, because it is small and a change then takes effect
/// immediately.
#[derive(Debug)]
struct SecretFile {
    path: PathBuf,
    environment: Environment,
    cache: Mutex<Cache>,
}

struct Environment(Lines);

#[derive(Debug)]
struct Cache {
    keys: Arc<ProviderSecrets>,
    /// The text of the last read, valid or not; `None` after a failed read.
    text: Option<SecretString>,
}

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
        let source = match (
            variables.get(&WEBHOOK_SECRETS_FILE).map(PathBuf::from),
            variables.get(&WEBHOOK_SECRETS_ARN).map(str::to_owned),
        ) {
            (Some(_), Some(arn)) => {
                return Err(WEBHOOK_SECRETS_ARN.reject(
                    &arn,
                    "WEBHOOK_SECRETS_FILE is set too; set only one of them",
                ));
            }
            (Some(path), None) => {
                let text = read_file(&path)?;
                let keys = ProviderSecrets::from_lines(&environment, &parse_file(&path, &text)?)?;
                Source::File(SecretFile {
                    path,
                    environment: Environment(environment),
                    cache: Mutex::new(Cache {
                        keys: Arc::new(keys),
                        text: Some(text.into()),
                    }),
                })
            }
            (None, arn) => {
                let parse = {
                    let environment = environment.clone();
                    move |text: &str| {
                        let place = arn.as_deref().unwrap_or_default();
                        let lines = secret_file::parse_lines(&WEBHOOK_SECRETS_ARN, place, text)?;
                        ProviderSecrets::from_lines(&environment, &lines)
                    }
                };
                match Secret::from_setting(&WEBHOOK_SECRETS_ARN, &variables, parse)? {
                    Some(secret) => Source::SecretsManager(secret),
                    None => {
                        let keys = ProviderSecrets::from_lines(&environment, &Lines::new())?;
                        Source::Given(Arc::new(keys))
                    }
                }
            }
        };
        Ok(Self(source))
    }

    /// Creates secrets that never change.
    pub fn from_secrets(
        secrets: impl IntoIterator<Item = Secrets>,
        square_url: Option<String>,
    ) -> Self {
        let keys = ProviderSecrets::new(secrets, square_url);
        Self(Source::Given(Arc::new(keys)))
    }

    /// Returns the current secrets. The first call waits until the secrets are read.
    pub(crate) async fn current(&self) -> Result<Arc<ProviderSecrets>, SecretUnavailable> {
        match &self.0 {
            Source::Given(keys) => Ok(Arc::clone(keys)),
            Source::File(file) => Ok(file.read_again()),
            Source::SecretsManager(secret) => secret.current().await,
        }
    }

    /// Returns secrets that differ from `used`, which have rejected a webhook event; `None` if there
    /// are none.
    pub(crate) async fn replacement(
        &self,
        used: &Arc<ProviderSecrets>,
    ) -> Option<Arc<ProviderSecrets>> {
        match &self.0 {
            Source::Given(_) | Source::File(_) => None,
            Source::SecretsManager(secret) => secret.replacement(used).await,
        }
    }
}

impl SecretFile {
    /// Replaces the secrets by those of the file. If the file is invalid, the previous secrets stay
    /// in use, because a wrong edit must not reject payments. Each different text is logged once.
    fn read_again(&self) -> Arc<ProviderSecrets> {
        let read = read_file(&self.path);
        let text = read.as_ref().ok().cloned();
        // A poisoned lock still holds the secrets of an earlier read, which are valid.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.text.as_ref().map(ExposeSecret::expose_secret);
        if text.as_deref() == cached {
            return Arc::clone(&cache.keys);
        }
        let keys = read.and_then(|text| {
            ProviderSecrets::from_lines(&self.environment.0, &parse_file(&self.path, &text)?)
        });
        match keys {
            Ok(keys) => {
                cache.keys = Arc::new(keys);
                tracing::info!("{}: read the webhook secrets", WEBHOOK_SECRETS_FILE.name());
            }
            Err(error) => tracing::error!("{error}; the previous secrets stay in use"),
        }
        cache.text = text.map(SecretString::from);
        Arc::clone(&cache.keys)
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
