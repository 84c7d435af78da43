//! The address of an endpoint, which receives messages about orders.

use std::{net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use domain::is_public_address;

/// The maximum length of an address, in characters.
const MAX_ENDPOINT_URL: usize = 2_000;

/// The addresses to which messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedAddresses {
    /// Addresses of the public internet, and only with TLS.
    Public,
    /// All addresses, also those of private networks and of this machine.
    Any,
}

/// An `http` or `https` URL without a user name and a fragment.
///
/// # Examples
///
/// ```
/// use contract::{AllowedAddresses, EndpointUrl};
///
/// let url: EndpointUrl = "https://shop.example/hooks?shop=1".parse().unwrap();
/// assert_eq!(url.check(AllowedAddresses::Public), Ok(()));
/// let local: EndpointUrl = "http://127.0.0.1:8080/".parse().unwrap();
/// assert!(local.check(AllowedAddresses::Public).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl(Url);

/// The reason why a text is not the address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointUrlError {
    #[error("must be a URL such as https://shop.example/hooks")]
    Malformed,
    #[error("must begin with https:// or http://")]
    Scheme,
    #[error("must not contain a user name or a password")]
    Credentials,
    #[error("must not contain a fragment")]
    Fragment,
    #[error("must be at most {MAX_ENDPOINT_URL} characters long")]
    TooLong,
    #[error("must begin with https://")]
    NotEncrypted,
    #[error("must not name this machine or a private network")]
    NotPublic,
}

impl EndpointUrl {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Rejects an address that is not allowed. A host name is resolved only when a message is sent, and
    /// its addresses are checked then.
    ///
    /// # Errors
    ///
    /// The URL has no TLS, or names an address that is not public.
    pub fn check(&self, allowed: AllowedAddresses) -> Result<(), EndpointUrlError> {
        if allowed == AllowedAddresses::Any {
            return Ok(());
        }
        let is_public = match self.0.host() {
            Some(Host::Ipv4(address)) => is_public_address(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => is_public_address(IpAddr::V6(address)),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name != "localhost" && !name.ends_with(".localhost")
            }
            None => false,
        };
        match (is_public, self.0.scheme()) {
            (false, _) => Err(EndpointUrlError::NotPublic),
            (true, "https") => Ok(()),
            (true, _) => Err(EndpointUrlError::NotEncrypted),
        }
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, EndpointUrlError> {
        if text.chars().count() > MAX_ENDPOINT_URL {
            return Err(EndpointUrlError::TooLong);
        }
        let is_hidden = |c: char| c.is_control() || c.is_whitespace();
        if text.contains(is_hidden) {
            return Err(EndpointUrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| EndpointUrlError::Malformed)?;
        // The parser also accepts `https:shop.example`.
        let has_authority = text[url.scheme().len()..].starts_with("://");
        if !has_authority || !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointUrlError::Fragment);
        }
        // Escaped characters can make it longer.
        if url.as_str().len() > MAX_ENDPOINT_URL {
            return Err(EndpointUrlError::TooLong);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = EndpointUrlError;

    fn try_from(text: String) -> Result<Self, EndpointUrlError> {
        text.parse()
    }
}

impl From<EndpointUrl> for String {
    fn from(url: EndpointUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_url_has_its_reason() {
        for (text, expected) in [
            ("", EndpointUrlError::Malformed),
            ("shop.example/hooks", EndpointUrlError::Malformed),
            ("https://", EndpointUrlError::Malformed),
            ("https://a\nb.example", EndpointUrlError::Malformed),
            ("ftp://shop.example", EndpointUrlError::Scheme),
            ("https:shop.example", EndpointUrlError::Scheme),
            ("file:///etc/passwd", EndpointUrlError::Scheme),
            ("https://user@shop.example", EndpointUrlError::Credentials),
            (
                "https://:secret@shop.example",
                EndpointUrlError::Credentials,
            ),
            ("https://shop.example/#top", EndpointUrlError::Fragment),
        ] {
            assert_eq!(text.parse::<EndpointUrl>(), Err(expected), "{text}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(MAX_ENDPOINT_URL));
        assert_eq!(long.parse::<EndpointUrl>(), Err(EndpointUrlError::TooLong));
    }

    #[test]
    fn private_address_is_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "localhost",
            "LOCALHOST.",
            "shop.localhost",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fd00::1]",
            "１２７.0.0.1",
        ] {
            let url: EndpointUrl = format!("https://{host}/").parse().unwrap();
            assert_eq!(
                url.check(AllowedAddresses::Public),
                Err(EndpointUrlError::NotPublic),
                "{host}"
            );
            assert_eq!(url.check(AllowedAddresses::Any), Ok(()), "{host}");
        }
    }

    #[test]
    fn public_address_needs_tls() {
        let check = |text: &str| {
            let url: EndpointUrl = text.parse().unwrap();
            url.check(AllowedAddresses::Public)
        };
        assert_eq!(check("https://shop.example:8443/hooks?a=b"), Ok(()));
        assert_eq!(check("https://93.184.215.14/"), Ok(()));
        assert_eq!(
            check("http://shop.example/"),
            Err(EndpointUrlError::NotEncrypted)
        );
    }
}
