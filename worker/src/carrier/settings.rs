//! The settings of a carrier. The secret is never shown.

use url::Url;

use domain::WebhookProvider;
use payment_webhooks::Secrets;
use settings::{
    CARRIER_NAME, CARRIER_SECRET, CARRIER_SECRET_FILE, CARRIER_URL, Environment, SettingError,
    parse_api_address, read_secret,
};

/// The longest name of a carrier.
const MAX_NAME_LENGTH: usize = 50;

/// The carrier of a worker, fixed when the worker starts.
#[derive(Debug, Clone)]
pub enum CarrierSettings {
    Simulator,
    Http(HttpCarrierSettings),
}

/// A program of the shop that speaks the API of docs/carriers.md.
#[derive(Debug, Clone)]
pub struct HttpCarrierSettings {
    pub base: Url,
    /// The name of the carrier in responses.
    pub name: String,
    /// The secrets that sign calls. The first one signs.
    pub secrets: Secrets,
}

impl CarrierSettings {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        if environment.get(&CARRIER_URL).is_none() {
            return Ok(Self::Simulator);
        }
        let base = parse_api_address(environment, &CARRIER_URL, true)?;
        let secret = read_secret(environment, &CARRIER_SECRET, &CARRIER_SECRET_FILE)?;
        let (setting, secret) =
            secret.ok_or_else(|| CARRIER_SECRET.missing("not set, but CARRIER_URL requires it"))?;
        let secrets = Secrets::parse(WebhookProvider::Standard, &secret)
            .map_err(|_| setting.reject_hidden("not whsec_ and base64"))?;
        let name = environment.get_or_default(&CARRIER_NAME);
        let is_name = (1..=MAX_NAME_LENGTH).contains(&name.chars().count())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !is_name {
            return Err(CARRIER_NAME.reject(name, "not letters, digits, - and _"));
        }
        Ok(Self::Http(HttpCarrierSettings {
            base,
            name: name.to_owned(),
            secrets,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<CarrierSettings, String> {
        let environment = Environment::from_pairs(pairs.iter().copied());
        CarrierSettings::from_settings(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn carrier_needs_an_encrypted_address_and_a_secret() {
        assert!(matches!(read(&[]), Ok(CarrierSettings::Simulator)));
        let (url, secret) = (
            ("CARRIER_URL", "https://bridge.example/v1"),
            ("CARRIER_SECRET", "whsec_c2VjcmV0"),
        );
        let Ok(CarrierSettings::Http(carrier)) = read(&[url, secret]) else {
            panic!("not an http carrier");
        };
        assert_eq!(carrier.name, "carrier");
        for (pairs, part) in [
            (&[url][..], "CARRIER_URL requires it"),
            (
                &[("CARRIER_URL", "http://bridge.example"), secret],
                "not encrypted",
            ),
            (
                &[("CARRIER_URL", "https://user@bridge.example"), secret],
                "CARRIER_URL",
            ),
            (&[url, ("CARRIER_SECRET", "not base64!")], "whsec_"),
            (&[url, secret, ("CARRIER_NAME", "D H L")], "CARRIER_NAME"),
        ] {
            let error = read(pairs).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("not base64!"),
                "{error}"
            );
        }
    }
}
