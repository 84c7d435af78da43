//! The settings of Stripe. The key is never shown.

use std::fs;

use secrecy::SecretString;
use url::Url;

use crate::payment::ProviderSettings;
use domain::ChargeProvider;
use settings::{
    Environment, STRIPE_API_BASE, STRIPE_API_KEY, STRIPE_API_KEY_FILE, SettingError,
    is_loopback_host,
};

/// Address and key of Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    pub(super) base: Url,
    pub(super) key: SecretString,
}

impl ProviderSettings {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        Ok(match ChargeProvider::from_setting(environment)? {
            ChargeProvider::Simulator => Self::Simulator,
            ChargeProvider::Stripe => {
                let base = parse_base(environment.get_or_default(&STRIPE_API_BASE))?;
                Self::Stripe(StripeSettings::new(base, &read_key(environment)?))
            }
        })
    }
}

impl StripeSettings {
    pub fn new(base: Url, key: &str) -> Self {
        Self {
            base,
            key: key.into(),
        }
    }
}

/// Hides the value in errors, because a key may have been set here by mistake.
fn parse_base(text: &str) -> Result<Url, SettingError> {
    let url = Url::parse(text).map_err(|_| STRIPE_API_BASE.reject_hidden("not a URL"))?;
    let is_local = url.host_str().is_some_and(is_loopback_host);
    let is_encrypted = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if is_encrypted && is_bare && is_anonymous {
        Ok(url)
    } else {
        Err(STRIPE_API_BASE.reject_hidden("not the address of a host, or not encrypted"))
    }
}

fn read_key(environment: &Environment) -> Result<String, SettingError> {
    let (setting, key) = match (
        environment.get(&STRIPE_API_KEY),
        environment.get(&STRIPE_API_KEY_FILE),
    ) {
        (Some(_), Some(path)) => {
            let problem = "STRIPE_API_KEY is set too; set only one of them";
            return Err(STRIPE_API_KEY_FILE.reject(path, problem));
        }
        (Some(key), None) => (&STRIPE_API_KEY, key.to_owned()),
        (None, Some(path)) => match fs::read_to_string(path) {
            Ok(text) => (&STRIPE_API_KEY_FILE, text),
            Err(error) => {
                let problem = format!("the file cannot be read: {error}");
                return Err(STRIPE_API_KEY_FILE.reject(path, problem));
            }
        },
        (None, None) => {
            return Err(STRIPE_API_KEY.missing("not set, but PAYMENT_PROVIDER=stripe requires it"));
        }
    };
    let key = key.trim();
    let secret = key.strip_prefix("rk_").or_else(|| key.strip_prefix("sk_"));
    let is_key = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if secret.is_some_and(is_key) {
        Ok(key.to_owned())
    } else {
        Err(setting.reject_hidden("not a key of Stripe"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ProviderSettings, String> {
        ProviderSettings::from_settings(&Environment::from_pairs(variables.iter().copied()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn simulator_is_the_default_provider() {
        assert!(matches!(read(&[]), Ok(ProviderSettings::Simulator)));
        let said = read(&[("PAYMENT_PROVIDER", "paypal")]).unwrap_err();
        assert_eq!(
            said,
            "PAYMENT_PROVIDER=paypal: unknown value; allowed: simulator, stripe"
        );
        assert!(
            read(&[("PAYMENT_PROVIDER", "stripe")])
                .unwrap_err()
                .contains("PAYMENT_PROVIDER=stripe requires it")
        );
    }

    #[test]
    fn key_is_validated_and_hidden() {
        for good in ["rk_test_a1", " sk_live_b2\n"] {
            let settings =
                read(&[("PAYMENT_PROVIDER", "stripe"), ("STRIPE_API_KEY", good)]).unwrap();
            assert!(
                !format!("{settings:?}").contains(good.trim()),
                "{settings:?}"
            );
        }
        for bad in ["pk_test_a1", "rk_", "rk_a b", "whsec_a1"] {
            let said =
                read(&[("PAYMENT_PROVIDER", "stripe"), ("STRIPE_API_KEY", bad)]).unwrap_err();
            assert!(
                said.starts_with(
                    "STRIPE_API_KEY=…: not a key of Stripe; allowed: a restricted key"
                ),
                "{said}"
            );
        }
    }

    #[test]
    fn address_is_encrypted_or_local() {
        let reached = |base| {
            let variables = [
                ("PAYMENT_PROVIDER", "stripe"),
                ("STRIPE_API_KEY", "rk_a"),
                ("STRIPE_API_BASE", base),
            ];
            read(&variables).map(|_| ())
        };
        for good in [
            "https://api.stripe.com",
            "http://127.0.0.1:8420",
            "http://localhost:12111/",
            "http://[::1]:1",
        ] {
            assert_eq!(reached(good), Ok(()), "{good}");
        }
        for bad in [
            "http://api.stripe.com",
            "https://api.stripe.com/v1",
            "https://user:word@host",
            "rk_live_1",
        ] {
            assert!(reached(bad).is_err(), "{bad}");
        }
    }
}
