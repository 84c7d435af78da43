//! The secrets of the providers, as they are now: where they are kept they may change while the function runs.

mod refresh;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use refresh::RefreshSchedule;

use crate::{
    secret_file::{self, Lines, ProviderSecrets},
    secrets_manager::SecretsManager,
};
use domain::WebhookProvider;
use payment_webhooks::Secrets;
use settings::{
    Setting, SettingError, WEBHOOK_SECRETS_ARN, WEBHOOK_SECRETS_FILE, WEBHOOK_SECRETS_REFRESH,
};

/// `WEBHOOK_SECRETS_*` of the environment, and above them those of a file or of AWS Secrets Manager.
#[derive(Debug)]
pub struct WebhookSecrets {
    environment: Environment,
    source: Source,
    seen: Mutex<Seen>,
}

struct Environment(Lines);

#[derive(Debug)]
enum Source {
    Environment,
    File(PathBuf),
    Vault(SecretsManager, RefreshSchedule),
}

#[derive(Default)]
struct Seen {
    /// `None` until they could be read for the first time.
    keys: Option<Arc<ProviderSecrets>>,
    /// What was read last, good or not.
    text: Option<String>,
}

/// Nobody can say yet what the secrets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of webhooks could not be read yet")]
pub(crate) struct SecretsUnavailable;

/// One provider's secrets, and Square's registered URL; `None` for a provider that is off.
pub(crate) type Known = Option<(Secrets, Option<String>)>;

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl WebhookSecrets {
    /// Fails on secrets that are none; what Secrets Manager has is asked for later.
    pub fn from_env() -> Result<Self, SettingError> {
        let variables = settings::Environment::from_process();
        let environment = secret_file::read_environment(&variables);
        let (source, seen) = match (
            variables.get(&WEBHOOK_SECRETS_FILE).map(PathBuf::from),
            variables.get(&WEBHOOK_SECRETS_ARN),
        ) {
            (Some(_), Some(arn)) => {
                return Err(WEBHOOK_SECRETS_ARN
                    .reject(arn, "WEBHOOK_SECRETS_FILE is set too; set only one of them"));
            }
            (Some(path), None) => {
                let text = read(&path)?;
                let keys = ProviderSecrets::from_lines(&environment, &lines(&path, &text)?)?;
                (
                    Source::File(path),
                    Seen {
                        keys: Some(Arc::new(keys)),
                        text: Some(text),
                    },
                )
            }
            (None, Some(arn)) => (
                Source::Vault(
                    SecretsManager::new(arn, &variables)?,
                    RefreshSchedule::new(variables.parse_or_default(&WEBHOOK_SECRETS_REFRESH)?),
                ),
                Seen::default(),
            ),
            (None, None) => {
                let keys = ProviderSecrets::from_lines(&environment, &Lines::new())?;
                (
                    Source::Environment,
                    Seen {
                        keys: Some(Arc::new(keys)),
                        text: None,
                    },
                )
            }
        };
        Ok(Self {
            environment: Environment(environment),
            source,
            seen: Mutex::new(seen),
        })
    }

    /// These, for as long as it lives.
    pub fn from_secrets(
        secrets: impl IntoIterator<Item = Secrets>,
        square_url: Option<String>,
    ) -> Self {
        let keys = Some(Arc::new(ProviderSecrets::new(secrets, square_url)));
        let (environment, source) = (Environment(Lines::new()), Source::Environment);
        Self {
            environment,
            source,
            seen: Mutex::new(Seen { keys, text: None }),
        }
    }

    /// What is known of a provider. Who is the first waits until the secrets are read; a file is looked at each time:
    /// it is small, and so a change counts at once.
    pub(crate) async fn for_provider(
        &self,
        provider: WebhookProvider,
    ) -> Result<Known, SecretsUnavailable> {
        match &self.source {
            Source::Environment => {}
            Source::File(path) => self.take(
                &WEBHOOK_SECRETS_FILE,
                &path.display().to_string(),
                read(path),
            ),
            Source::Vault(vault, pace) => {
                if self.seen().keys.is_none() {
                    pace.run_first(|| self.fetch(vault)).await;
                }
            }
        }
        self.seen()
            .keys
            .as_ref()
            .map(|keys| keys.provider(provider))
            .ok_or(SecretsUnavailable)
    }

    /// Beside each notification: looks at Secrets Manager again when it is time to.
    pub(crate) async fn refresh_if_due(&self) {
        if let Source::Vault(vault, pace) = &self.source {
            pace.run_if_due(|| self.fetch(vault)).await;
        }
    }

    /// A notification was refused, which also a secret does that was changed a moment ago. Whether it is worth trying again.
    pub(crate) async fn refresh_after_rejection(&self) -> bool {
        match &self.source {
            Source::Environment | Source::File(_) => false,
            Source::Vault(vault, pace) => pace.run_after_rejection(|| self.fetch(vault)).await,
        }
    }

    /// Whether it could be asked.
    async fn fetch(&self, vault: &SecretsManager) -> bool {
        let read = vault.fetch().await;
        let could = read.is_ok();
        let refused = |why: String| {
            WEBHOOK_SECRETS_ARN.reject(vault.arn(), format!("the secret cannot be read: {why}"))
        };
        self.take(&WEBHOOK_SECRETS_ARN, vault.arn(), read.map_err(refused));
        could
    }

    /// Goes by what was read from now on, if it is good. The secrets of before stay good otherwise: an edit that went wrong
    /// must turn no payment away. It is told once.
    fn take(&self, setting: &Setting, place: &str, read: Result<String, SettingError>) {
        let text = read.as_ref().ok().cloned();
        let mut seen = self.seen();
        if text == seen.text
            && (text.is_some() || seen.keys.is_some() && matches!(self.source, Source::File(_)))
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
                seen.keys = Some(Arc::new(keys));
                tracing::info!("{}: the webhook secrets were read", setting.name());
            }
            Err(error) if seen.keys.is_some() => {
                tracing::error!("{error}; the secrets of before are used")
            }
            Err(error) => tracing::error!("{error}; no webhook can be taken"),
        }
        seen.text = text;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A poisoned lock holds what was read before: good enough to go on.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<String, SettingError> {
    let refused = |error: std::io::Error| {
        WEBHOOK_SECRETS_FILE.reject(
            &path.display().to_string(),
            format!("the file cannot be read: {error}"),
        )
    };
    fs::read_to_string(path).map_err(refused)
}

fn lines(path: &Path, text: &str) -> Result<Lines, SettingError> {
    secret_file::parse_lines(&WEBHOOK_SECRETS_FILE, &path.display().to_string(), text)
}
