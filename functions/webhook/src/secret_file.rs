//! Providers' secrets in the format of `.env`: `WEBHOOK_SECRETS_STRIPE=whsec_…` in a line.

use std::collections::BTreeMap;

use domain::WebhookProvider;
use payment_webhooks::{SQUARE_URL, SecretError, Secrets, secrets_setting, secrets_variable};
use settings::{Environment, Setting, SettingError, WEBHOOK_SECRETS_CARRIER, WEBHOOK_URL_SQUARE};

/// Values by the names of their settings.
pub(crate) type Lines = BTreeMap<String, String>;

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A payment provider.
    Provider(WebhookProvider),
    /// The bridge to a carrier.
    Carrier,
}

impl Sender {
    /// Returns the sender with this name in the path.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "carrier" => Some(Self::Carrier),
            provider => WebhookProvider::parse(provider).map(Self::Provider),
        }
    }
}

/// The secrets of all configured providers.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProviderSecrets {
    secrets: BTreeMap<WebhookProvider, Secrets>,
    square_url: Option<String>,
    /// The secrets of the bridge to a carrier.
    carrier: Option<Secrets>,
}

impl ProviderSecrets {
    pub(crate) fn new(
        secrets: impl IntoIterator<Item = Secrets>,
        square_url: Option<String>,
    ) -> Self {
        Self {
            secrets: secrets
                .into_iter()
                .map(|secrets| (secrets.provider(), secrets))
                .collect(),
            square_url,
            carrier: None,
        }
    }

    /// Reads each provider's secrets from `lines`, or else from `environment`.
    pub(crate) fn from_lines(environment: &Lines, lines: &Lines) -> Result<Self, SettingError> {
        let get = |name: &str| {
            lines
                .get(name)
                .or_else(|| environment.get(name))
                .filter(|text| !text.is_empty())
        };
        let mut secrets = Vec::new();
        for provider in WebhookProvider::ALL {
            let setting = secrets_setting(*provider);
            let Some(text) = get(setting.name()) else {
                continue;
            };
            // `reject` does not show the value of a secret.
            let invalid = |error: SecretError| setting.reject(text, error.to_string());
            secrets.push(Secrets::parse(*provider, text).map_err(invalid)?);
        }
        let mut keys = Self::new(secrets, get(SQUARE_URL).cloned());
        if let Some(text) = get(WEBHOOK_SECRETS_CARRIER.name()) {
            let read = Secrets::parse(WebhookProvider::Standard, text);
            let invalid =
                |error: SecretError| WEBHOOK_SECRETS_CARRIER.reject(text, error.to_string());
            keys.carrier = Some(read.map_err(invalid)?);
        }
        if keys.secrets.contains_key(&WebhookProvider::Square) && keys.square_url.is_none() {
            return Err(
                WEBHOOK_URL_SQUARE.missing("not set, but WEBHOOK_SECRETS_SQUARE requires it")
            );
        }
        Ok(keys)
    }

    /// Returns the sender's secrets and, for Square, the URL that its signatures cover; `None` for a
    /// sender without secrets.
    pub(crate) fn of(&self, sender: Sender) -> Option<(Secrets, Option<String>)> {
        let provider = match sender {
            Sender::Provider(provider) => provider,
            Sender::Carrier => return Some((self.carrier.clone()?, None)),
        };
        let url = self
            .square_url
            .clone()
            .filter(|_| provider == WebhookProvider::Square);
        Some((self.secrets.get(&provider)?.clone(), url))
    }
}

/// Returns the secrets in environment variables.
pub(crate) fn lines_from_environment(environment: &Environment) -> Lines {
    WebhookProvider::ALL
        .iter()
        .map(|provider| secrets_setting(*provider))
        .chain([&WEBHOOK_URL_SQUARE, &WEBHOOK_SECRETS_CARRIER])
        .filter_map(|setting| {
            let value = environment.get(setting)?;
            Some((setting.name().to_owned(), value.to_owned()))
        })
        .collect()
}

/// Parses the text of a file or of Secrets Manager. `setting` names the source, and `place` is its
/// value. A text without a secret is an error, because it is incomplete or the wrong text.
pub(crate) fn parse_lines(
    setting: &Setting,
    place: &str,
    text: &str,
) -> Result<Lines, SettingError> {
    let invalid = || {
        setting.reject(
            place,
            "expected lines such as WEBHOOK_SECRETS_STRIPE=whsec_…,whsec_…",
        )
    };
    // The parser's error contains the line, so it is discarded.
    let lines = dotenvy::from_read_iter(text.as_bytes())
        .collect::<Result<Lines, _>>()
        .map_err(|_| invalid())?;
    let is_secret = |provider: &WebhookProvider| {
        lines
            .get(&secrets_variable(*provider))
            .is_some_and(|text| !text.is_empty())
    };
    if WebhookProvider::ALL.iter().any(is_secret) {
        Ok(lines)
    } else {
        Err(invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &str, text: &str) -> Result<ProviderSecrets, String> {
        let environment = dotenvy::from_read_iter(environment.as_bytes())
            .map(Result::unwrap)
            .collect();
        let lines = parse_lines(&settings::WEBHOOK_SECRETS_FILE, "/f", text)
            .map_err(|error| error.to_string())?;
        ProviderSecrets::from_lines(&environment, &lines).map_err(|error| error.to_string())
    }

    #[test]
    fn line_wins_over_environment() {
        let environment = "WEBHOOK_SECRETS_MOLLIE=a,b\nWEBHOOK_SECRETS_SHOPIFY=c\n";
        let keys = read(environment, "# rotated\nWEBHOOK_SECRETS_MOLLIE='d$e'\n").unwrap();
        let count = |provider| {
            keys.of(Sender::Provider(provider))
                .map(|(secrets, _)| secrets.count())
        };
        assert_eq!(count(WebhookProvider::Mollie), Some(1));
        assert_eq!(
            (
                count(WebhookProvider::Shopify),
                count(WebhookProvider::Stripe)
            ),
            (Some(1), None)
        );
    }

    #[test]
    fn error_contains_no_secret() {
        for text in [
            "",
            "\n",
            "OTHER=topsecret\n",
            "WEBHOOK_SECRETS_MOLLIE=\n",
            "topsecret\n",
            "WEBHOOK_SECRETS_MOLLIE='topsecret\n",
        ] {
            let error = read("", text).err().unwrap();
            assert!(
                error.starts_with("WEBHOOK_SECRETS_FILE=/f: expected lines such as"),
                "{error}"
            );
        }
        let error = read("", "WEBHOOK_SECRETS_ADYEN=topsecret\n").err().unwrap();
        assert!(
            error.starts_with("WEBHOOK_SECRETS_ADYEN=…: secret 1 for adyen"),
            "{error}"
        );
        let error = read("", "WEBHOOK_SECRETS_SQUARE=topsecret\n")
            .err()
            .unwrap();
        assert!(
            error.starts_with("WEBHOOK_URL_SQUARE: not set, but"),
            "{error}"
        );
    }
}
