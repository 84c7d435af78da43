//! The secrets of the providers, as they are now: a file of them may change while the function runs.

use domain::{SettingError, WebhookProvider};
use orderflow_http::from_env;
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};
use webhooks::{SecretError, Secrets};

/// How long a change of the file may go unseen.
const LOOK: Duration = Duration::from_secs(2);

const FILE: &str = "WEBHOOK_SECRETS_FILE";
const SQUARE_URL: &str = "WEBHOOK_URL_SQUARE";

fn variable(provider: WebhookProvider) -> String {
    format!("WEBHOOK_SECRETS_{}", provider.as_str().to_uppercase())
}

/// What is known of the providers at one time.
#[derive(Clone, Default)]
struct Keys {
    secrets: BTreeMap<WebhookProvider, Secrets>,
    square_url: Option<String>,
}

struct Seen {
    keys: Keys,
    modified: Option<SystemTime>,
    looked: Instant,
}

/// `WEBHOOK_SECRETS_*` of the environment, and above them those of the file that `WEBHOOK_SECRETS_FILE` names.
pub struct Keyring {
    environment: BTreeMap<String, String>,
    file: Option<PathBuf>,
    seen: Mutex<Seen>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Keyring {
    pub fn from_env() -> Result<Self, SettingError> {
        let names = WebhookProvider::ALL.iter().map(|provider| variable(*provider)).chain([SQUARE_URL.to_owned()]);
        let environment: BTreeMap<_, _> = names.filter_map(|name| Some((name.clone(), from_env(&name)?))).collect();
        let file = from_env(FILE).map(PathBuf::from);
        let (of_file, modified) = match &file {
            Some(path) => read(path)?,
            None => (BTreeMap::new(), None),
        };
        let keys = keys(&environment, &of_file)?;
        Ok(Self { environment, file, seen: Mutex::new(Seen { keys, modified, looked: Instant::now() }) })
    }

    /// The provider's secrets, and Square's registered URL; `None` for a provider that is off.
    pub(crate) fn of(&self, provider: WebhookProvider) -> Option<(Secrets, Option<String>)> {
        let keys = self.now();
        let url = keys.square_url.clone().filter(|_| provider == WebhookProvider::Square);
        Some((keys.secrets.get(&provider)?.clone(), url))
    }

    fn now(&self) -> Keys {
        // A poisoned lock holds what was read before: good enough to go on.
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(path) = self.file.as_ref().filter(|_| seen.looked.elapsed() >= LOOK) {
            seen.looked = Instant::now();
            let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
            if modified != seen.modified {
                match read(path).and_then(|(of_file, modified)| Ok((keys(&self.environment, &of_file)?, modified))) {
                    Ok((keys, modified)) => (seen.keys, seen.modified) = (keys, modified),
                    // The secrets of before stay good: an edit that went wrong must turn no payment away.
                    Err(error) => tracing::error!("{FILE}: {error}; the secrets of before are used"),
                }
            }
        }
        seen.keys.clone()
    }
}

type Variables = BTreeMap<String, String>;

/// Lines like those of `.env`.
fn read(path: &Path) -> Result<(Variables, Option<SystemTime>), SettingError> {
    let refused = |allowed: &str| SettingError {
        name: FILE.to_owned(),
        value: path.display().to_string(),
        allowed: allowed.to_owned(),
    };
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
    let lines = dotenvy::from_path_iter(path).map_err(|_| refused("must be a file that can be read"))?;
    let lines = lines.collect::<Result<Variables, _>>();
    Ok((lines.map_err(|_| refused("must have lines like WEBHOOK_SECRETS_STRIPE=whsec_…,whsec_…"))?, modified))
}

fn keys(environment: &Variables, of_file: &Variables) -> Result<Keys, SettingError> {
    let get = |name: &str| of_file.get(name).or_else(|| environment.get(name)).filter(|text| !text.is_empty());
    let mut keys = Keys { square_url: get(SQUARE_URL).cloned(), ..Keys::default() };
    for provider in WebhookProvider::ALL {
        let name = variable(*provider);
        let Some(text) = get(&name) else { continue };
        let secrets = Secrets::parse(*provider, text).map_err(|error: SecretError| SettingError {
            name: name.clone(),
            // Never shown.
            value: "…".to_owned(),
            allowed: error.to_string(),
        })?;
        keys.secrets.insert(*provider, secrets);
    }
    if keys.secrets.contains_key(&WebhookProvider::Square) && keys.square_url.is_none() {
        let allowed = "must be the notification URL as it is registered at Square".to_owned();
        return Err(SettingError { name: SQUARE_URL.to_owned(), value: String::new(), allowed });
    }
    Ok(keys)
}
