//! The settings of the providers. Keys are never shown.

use secrecy::SecretString;
use url::Url;

use domain::ChargeProvider;
use settings::{
    ADYEN_API_BASE, ADYEN_API_KEY, ADYEN_API_KEY_FILE, ADYEN_MERCHANT_ACCOUNT, Environment,
    STRIPE_API_BASE, STRIPE_API_KEY, STRIPE_API_KEY_FILE, SettingError, parse_api_address,
    read_secret,
};

/// The payment providers of a worker, fixed when the worker starts.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    pub charging: ChargingSettings,
    /// `None`: payments at Adyen have no adapter.
    pub adyen: Option<AdyenSettings>,
}

/// The provider that charges and refunds.
#[derive(Debug, Clone)]
pub enum ChargingSettings {
    Simulator,
    Stripe(StripeSettings),
}

/// Address and key of Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    pub(crate) base: Url,
    pub(crate) key: SecretString,
}

/// Address, key and account of Adyen's Checkout API.
#[derive(Debug, Clone)]
pub struct AdyenSettings {
    pub(crate) base: Url,
    pub(crate) key: SecretString,
    pub(crate) merchant_account: String,
}

impl ProviderSettings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let charging = match ChargeProvider::from_setting(environment)? {
            ChargeProvider::Simulator => ChargingSettings::Simulator,
            ChargeProvider::Stripe => {
                ChargingSettings::Stripe(StripeSettings::from_settings(environment)?)
            }
        };
        Ok(Self {
            charging,
            adyen: AdyenSettings::from_settings(environment)?,
        })
    }
}

impl StripeSettings {
    /// The URL needs a host; its path is ignored.
    pub fn new(base: Url, key: &str) -> Self {
        Self {
            base,
            key: key.into(),
        }
    }

    fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let base = parse_api_address(environment, &STRIPE_API_BASE, false)?;
        let (setting, key) = read_secret(environment, &STRIPE_API_KEY, &STRIPE_API_KEY_FILE)?
            .ok_or_else(|| {
                STRIPE_API_KEY.missing("not set, but PAYMENT_PROVIDER=stripe requires it")
            })?;
        let secret = key.strip_prefix("rk_").or_else(|| key.strip_prefix("sk_"));
        let is_key = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if secret.is_some_and(is_key) {
            Ok(Self::new(base, &key))
        } else {
            Err(setting.reject_hidden("not a key of Stripe"))
        }
    }
}

impl AdyenSettings {
    /// The URL ends with the API's version, such as `/v71`.
    pub fn new(base: Url, key: &str, merchant_account: &str) -> Self {
        Self {
            base,
            key: key.into(),
            merchant_account: merchant_account.to_owned(),
        }
    }

    fn from_settings(environment: &Environment) -> Result<Option<Self>, SettingError> {
        let key = read_secret(environment, &ADYEN_API_KEY, &ADYEN_API_KEY_FILE)?;
        let Some((setting, key)) = key else {
            return Ok(None);
        };
        // A header can contain no other characters.
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(setting.reject_hidden("not a key of Adyen"));
        }
        let base = parse_api_address(environment, &ADYEN_API_BASE, true)?;
        let merchant_account = environment.require(
            &ADYEN_MERCHANT_ACCOUNT,
            "not set, but ADYEN_API_KEY requires it",
        )?;
        Ok(Some(Self::new(base, &key, merchant_account)))
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
        let settings = read(&[]).unwrap();
        assert!(matches!(settings.charging, ChargingSettings::Simulator));
        assert!(settings.adyen.is_none());
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

    #[test]
    fn adyen_needs_a_key_and_an_account() {
        let account = ("ADYEN_MERCHANT_ACCOUNT", "ShopEU");
        assert!(read(&[account]).unwrap().adyen.is_none());
        let settings = read(&[("ADYEN_API_KEY", "AQE-secret=="), account]).unwrap();
        let adyen = settings.adyen.as_ref().unwrap();
        assert_eq!(adyen.base.as_str(), "https://checkout-test.adyen.com/v71");
        assert_eq!(adyen.merchant_account, "ShopEU");
        assert!(!format!("{settings:?}").contains("secret"));

        let problem = read(&[("ADYEN_API_KEY", "AQE-secret==")]).unwrap_err();
        assert!(
            problem.starts_with("ADYEN_MERCHANT_ACCOUNT: not set"),
            "{problem}"
        );
        let problem = read(&[("ADYEN_API_KEY", "AQE secret"), account]).unwrap_err();
        assert!(
            problem.starts_with("ADYEN_API_KEY=…: not a key") && !problem.contains("secret"),
            "{problem}"
        );
        for bad in [
            "http://checkout-test.adyen.com/v71",
            "https://user:word@host/v71",
            "https://host/v71?a=b",
        ] {
            let settings = [("ADYEN_API_KEY", "AQE"), account, ("ADYEN_API_BASE", bad)];
            assert!(read(&settings).is_err(), "{bad}");
        }
    }
}
