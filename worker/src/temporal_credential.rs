//! The end of the credential with which the worker logs in to Temporal.
//!
//! The worker is the only program that has the credential and runs at all times. So it reports the time
//! that is left, and an alarm reminds the operators to rotate the credential.

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use x509_parser::pem::parse_x509_pem;

use order_client::TemporalSettings;

/// The claims of an API key that matter here. An API key of Temporal Cloud is a JSON Web Token.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: i64,
}

/// Returns the time at which the API key or the certificate expires. Returns the earlier time if there
/// are both, and `None` if neither has a readable end.
pub(crate) fn find_expiry(settings: &TemporalSettings) -> Option<DateTime<Utc>> {
    let key = settings.api_key().and_then(read_key_expiry);
    let certificate = settings
        .client_certificate()
        .and_then(read_certificate_expiry);
    [key, certificate].into_iter().flatten().min()
}

/// Reads the claim `exp`. The signature is not verified, because the key is our own.
fn read_key_expiry(key: &str) -> Option<DateTime<Utc>> {
    let claims = key.trim().split('.').nth(1)?;
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    DateTime::from_timestamp(claims.exp, 0)
}

/// Reads the end of the first certificate of a chain, which is the client's.
fn read_certificate_expiry(pem: &[u8]) -> Option<DateTime<Utc>> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let certificate = pem.parse_x509().ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn key(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()))
    }

    #[test]
    fn key_expires_at_its_claim() {
        let expiry = read_key_expiry(&key(r#"{"sub": "a", "exp": 1900000000}"#)).unwrap();
        assert_eq!(expiry.to_rfc3339(), "2030-03-17T17:46:40+00:00");
    }

    #[test]
    fn text_without_an_end_has_no_expiry() {
        for text in ["", "key", "a.b.c", &key("{}"), &key(r#"{"exp": "soon"}"#)] {
            assert_eq!(read_key_expiry(text), None, "{text}");
        }
        assert_eq!(read_certificate_expiry(b"-----BEGIN"), None);
    }

    #[test]
    fn certificate_expires_at_its_end() {
        let mut parameters = CertificateParams::new(["worker".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2026, 1, 1);
        parameters.not_after = date_time_ymd(2027, 1, 1);
        let certificate = parameters
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        let expiry = read_certificate_expiry(certificate.pem().as_bytes()).unwrap();
        assert_eq!(expiry.to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }
}
