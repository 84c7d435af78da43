//! The secrets of the providers, as they are now: where they are kept they may change while the function runs.

use crate::keys::{self, Keys};
use domain::{SettingError, WebhookProvider};
use orderflow_http::{from_env, refused_setting};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use webhooks::Secrets;

const FILE: &str = "WEBHOOK_SECRETS_FILE";

/// `WEBHOOK_SECRETS_*` of the environment, and above them those of the file that `WEBHOOK_SECRETS_FILE` names.
pub struct Keyring {
    environment: keys::Lines,
    file: Option<PathBuf>,
    seen: Mutex<Seen>,
}

struct Seen {
    keys: Arc<Keys>,
    /// The file as it was read last, good or not; `None` where it could not be read.
    text: Option<String>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Keyring {
    pub fn from_env() -> Result<Self, SettingError> {
        let environment = keys::environment();
        let file = from_env(FILE).map(PathBuf::from);
        let (text, keys) = match &file {
            Some(path) => {
                let text = read(path)?;
                let keys = Keys::of(&environment, &lines(path, &text)?)?;
                (Some(text), keys)
            }
            None => (None, Keys::of(&environment, &keys::Lines::new())?),
        };
        Ok(Self { environment, file, seen: Mutex::new(Seen { keys: Arc::new(keys), text }) })
    }

    /// These, for as long as it lives.
    pub fn fixed(secrets: impl IntoIterator<Item = Secrets>, square_url: Option<String>) -> Self {
        let keys = Arc::new(Keys::new(secrets, square_url));
        Self { environment: keys::Lines::new(), file: None, seen: Mutex::new(Seen { keys, text: None }) }
    }

    /// The provider's secrets, and Square's registered URL; `None` for a provider that is off.
    pub(crate) fn of(&self, provider: WebhookProvider) -> Option<(Secrets, Option<String>)> {
        self.look();
        self.seen().keys.provider(provider)
    }

    /// The file is looked at for each notification: it is small, and so a change counts at once.
    fn look(&self) {
        let Some(path) = &self.file else { return };
        let read = read(path);
        let text = read.as_ref().ok().cloned();
        let mut seen = self.seen();
        if text == seen.text {
            return;
        }
        // Also what is no good: it is told once.
        seen.text = text;
        match read.and_then(|text| Keys::of(&self.environment, &lines(path, &text)?)) {
            Ok(keys) => {
                seen.keys = Arc::new(keys);
                tracing::info!("{FILE}: the secrets of webhooks are read again");
            }
            // The secrets of before stay good: an edit that went wrong must turn no payment away.
            Err(error) => tracing::error!("{error}; the secrets of before are used"),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A poisoned lock holds what was read before: good enough to go on.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<String, SettingError> {
    let refused = |_| refused_setting(FILE, &path.display().to_string(), "must be a text file that can be read");
    fs::read_to_string(path).map_err(refused)
}

fn lines(path: &Path, text: &str) -> Result<keys::Lines, SettingError> {
    keys::lines(FILE, &path.display().to_string(), text)
}
