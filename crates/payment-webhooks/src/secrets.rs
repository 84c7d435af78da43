//! The secrets of one provider: several at a time, while one replaces another.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use secrecy::{ExposeSecret, SecretSlice};

use crate::schemes::{self, KeyEncoding};
use domain::WebhookProvider;
use settings::Setting;

/// The registered URL, which is a part of Square's signature.
pub const SQUARE_URL: &str = settings::WEBHOOK_URL_SQUARE.name();

/// Returns the setting of the provider's secrets.
pub fn secrets_setting(provider: WebhookProvider) -> &'static Setting {
    match provider {
        WebhookProvider::Stripe => &settings::WEBHOOK_SECRETS_STRIPE,
        WebhookProvider::Adyen => &settings::WEBHOOK_SECRETS_ADYEN,
        WebhookProvider::Standard => &settings::WEBHOOK_SECRETS_STANDARD,
        WebhookProvider::Square => &settings::WEBHOOK_SECRETS_SQUARE,
        WebhookProvider::Mollie => &settings::WEBHOOK_SECRETS_MOLLIE,
        WebhookProvider::GoCardless => &settings::WEBHOOK_SECRETS_GOCARDLESS,
        WebhookProvider::Checkout => &settings::WEBHOOK_SECRETS_CHECKOUT,
        WebhookProvider::Shopify => &settings::WEBHOOK_SECRETS_SHOPIFY,
    }
}

/// Returns the name of the setting of the provider's secrets.
pub fn secrets_variable(provider: WebhookProvider) -> String {
    secrets_setting(provider).name().to_owned()
}

/// Encodes random bytes as a secret in the provider's format.
pub fn made_up(provider: WebhookProvider, random: &[u8; 32]) -> String {
    match provider {
        WebhookProvider::Stripe | WebhookProvider::Standard => {
            format!("whsec_{}", BASE64.encode(random))
        }
        WebhookProvider::Adyen => HEXUPPER.encode(random),
        WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::GoCardless
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => HEXLOWER.encode(random),
    }
}

/// The keys of one provider. They cannot be read or printed outside of this crate.
#[derive(Debug, Clone)]
pub struct Secrets {
    provider: WebhookProvider,
    keys: Vec<SecretSlice<u8>>,
}

/// The error of an invalid secret. It names the position, and contains nothing of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("there is no secret for {0}")]
    None(WebhookProvider),
    #[error("secret {position} for {provider} {expected}")]
    Malformed {
        provider: WebhookProvider,
        /// The position in the list, from 1.
        position: usize,
        expected: &'static str,
    },
}

impl Secrets {
    /// Reads secrets in the provider's format. At least one is required, and all must be valid.
    pub fn new<'t>(
        provider: WebhookProvider,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, SecretError> {
        let encoding = schemes::of(provider).key;
        let keys = texts
            .into_iter()
            .enumerate()
            .map(|(index, text)| {
                decode(encoding, text.trim())
                    .map(SecretSlice::from)
                    .map_err(|expected| SecretError::Malformed {
                        provider,
                        position: index + 1,
                        expected,
                    })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SecretError::None(provider));
        }
        Ok(Self { provider, keys })
    }

    /// Parses a setting such as `WEBHOOK_SECRETS_STRIPE`: secrets separated by commas.
    pub fn parse(provider: WebhookProvider, list: &str) -> Result<Self, SecretError> {
        Self::new(
            provider,
            list.split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty()),
        )
    }

    pub fn provider(&self) -> WebhookProvider {
        self.provider
    }

    /// Returns the number of keys, at least 1.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().map(ExposeSecret::expose_secret)
    }
}

fn decode(encoding: KeyEncoding, text: &str) -> Result<Vec<u8>, &'static str> {
    let (key, expected) = match encoding {
        KeyEncoding::Text => (Some(text.as_bytes().to_vec()), "must not be empty"),
        KeyEncoding::Hex => (
            HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(),
            "must be the hexadecimal HMAC key of the webhook",
        ),
        KeyEncoding::Base64AfterPrefix => {
            let code = text.strip_prefix("whsec_").unwrap_or(text).as_bytes();
            let key = BASE64.decode(code).or_else(|_| BASE64_NOPAD.decode(code));
            (key.ok(), "must be `whsec_` and base64")
        }
    };
    key.filter(|key| !key.is_empty()).ok_or(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_two_keys_for_two_providers() {
        let text = "whsec_dGVzdF9zZWNyZXQ=";
        let key = |provider| {
            let secrets = Secrets::parse(provider, text).unwrap();
            secrets.keys().next().unwrap().to_vec()
        };
        assert_eq!(key(WebhookProvider::Stripe), text.as_bytes());
        assert_eq!(key(WebhookProvider::Standard), b"test_secret");
    }

    #[test]
    fn a_made_up_secret_is_one_and_another_each_time() {
        for provider in WebhookProvider::ALL {
            let (one, other) = (made_up(*provider, &[7; 32]), made_up(*provider, &[8; 32]));
            assert_ne!(one, other);
            assert_eq!(
                Secrets::parse(*provider, &one).unwrap().count(),
                1,
                "{provider}"
            );
            assert!(
                !one.contains(|c: char| c == '\'' || c == '$' || c == '#' || c.is_whitespace()),
                "{provider}"
            );
        }
    }

    #[test]
    fn several_secrets_stand_between_commas() {
        assert_eq!(
            Secrets::parse(WebhookProvider::Mollie, " one, two,")
                .unwrap()
                .count(),
            2
        );
        assert_eq!(
            Secrets::parse(WebhookProvider::Mollie, " ,").unwrap_err(),
            SecretError::None(WebhookProvider::Mollie)
        );
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let good = Secrets::parse(WebhookProvider::Square, "topsecret").unwrap();
        assert_eq!(
            format!("{good:?}"),
            "Secrets { provider: Square, keys: [SecretBox<[u8]>([REDACTED])] }"
        );
        for (provider, bad) in [
            (WebhookProvider::Adyen, "4478,topsecret"),
            (WebhookProvider::Standard, "whsec_AAAA,topsecret!"),
        ] {
            let error = Secrets::parse(provider, bad).unwrap_err();
            let printed = format!("{error} {error:?}");
            assert!(printed.contains("secret 2 for"), "{printed}");
            assert!(!printed.contains("topsecret"), "{printed}");
        }
    }
}
