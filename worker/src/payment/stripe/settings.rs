//! Where Stripe is and who we are to it, from the environment. The key is never shown.

use std::fs;

use url::Url;

use crate::payment::ProviderSettings;
use domain::{ChargeProvider, SettingError};

const DEFAULT_BASE: &str = "https://api.stripe.com";

/// How Stripe is reached.
#[derive(Clone)]
pub struct StripeSettings {
    pub(super) base: Url,
    pub(super) key: String,
}

impl std::fmt::Debug for StripeSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeSettings")
            .field("base", &self.base.as_str())
            .field("key", &"***")
            .finish()
    }
}

fn refused(name: &str, value: &str, allowed: impl Into<String>) -> SettingError {
    SettingError {
        name: name.to_owned(),
        value: value.to_owned(),
        allowed: allowed.into(),
    }
}

impl ProviderSettings {
    pub(crate) fn from_settings(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        Ok(match ChargeProvider::from_setting(&get)? {
            ChargeProvider::Simulator => Self::Simulator,
            ChargeProvider::Stripe => {
                let base =
                    base(&get("STRIPE_API_BASE").unwrap_or_else(|| DEFAULT_BASE.to_owned()))?;
                Self::Stripe(StripeSettings::new(base, &key(&get)?))
            }
        })
    }
}

impl StripeSettings {
    pub fn new(base: Url, key: &str) -> Self {
        Self {
            base,
            key: key.to_owned(),
        }
    }
}

fn base(text: &str) -> Result<Url, SettingError> {
    const ALLOWED: &str =
        "must be https://HOST with nothing behind it; http:// is for this machine's own addresses";
    // What stands in a URL's place may be anything, a key too.
    let url = Url::parse(text).map_err(|_| refused("STRIPE_API_BASE", "…", ALLOWED))?;
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if is_safe && is_bare && is_anonymous {
        Ok(url)
    } else {
        Err(refused("STRIPE_API_BASE", "…", ALLOWED))
    }
}

fn key(get: &impl Fn(&str) -> Option<String>) -> Result<String, SettingError> {
    const ALLOWED: &str = "must be a restricted key of Stripe's, rk_… (or a secret one, sk_…)";
    let (name, key) = match (get("STRIPE_API_KEY"), get("STRIPE_API_KEY_FILE")) {
        (Some(_), Some(_)) => {
            return Err(refused(
                "STRIPE_API_KEY_FILE",
                "…",
                "must not be set where STRIPE_API_KEY is",
            ));
        }
        (Some(key), None) => ("STRIPE_API_KEY", key),
        (None, Some(path)) => match fs::read_to_string(&path) {
            Ok(text) => ("STRIPE_API_KEY_FILE", text),
            Err(error) => {
                return Err(refused(
                    "STRIPE_API_KEY_FILE",
                    &path,
                    format!("can't be read: {error}"),
                ));
            }
        },
        (None, None) => {
            return Err(refused(
                "STRIPE_API_KEY",
                "",
                format!("PAYMENT_PROVIDER=stripe needs it; it {ALLOWED}"),
            ));
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
        Err(refused(name, "…", ALLOWED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ProviderSettings, String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        ProviderSettings::from_settings(find).map_err(|error| error.to_string())
    }

    #[test]
    fn payments_are_simulated_unless_stripe_is_asked_for() {
        assert!(matches!(read(&[]), Ok(ProviderSettings::Simulator)));
        let said = read(&[("PAYMENT_PROVIDER", "paypal")]).unwrap_err();
        assert_eq!(
            said,
            "PAYMENT_PROVIDER=paypal is not allowed: must be one of simulator, stripe"
        );
        assert!(
            read(&[("PAYMENT_PROVIDER", "stripe")])
                .unwrap_err()
                .contains("PAYMENT_PROVIDER=stripe needs it")
        );
    }

    #[test]
    fn a_key_is_one_that_may_charge_and_is_never_shown() {
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
                said.starts_with("STRIPE_API_KEY=… is not allowed: must be a restricted key"),
                "{said}"
            );
        }
    }

    #[test]
    fn stripe_is_reached_over_tls_or_on_this_machine() {
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
            "",
        ] {
            assert!(reached(bad).is_err(), "{bad}");
        }
    }
}
