//! HMAC-SHA256, and the comparison that takes the same time whatever is in it.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{schemes::MacEncoding, secrets::Secrets};

/// The signature of what the parts make when put together, as text.
pub(crate) fn signature(key: &[u8], parts: &[&[u8]], encoding: MacEncoding) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    let mac = mac.finalize().into_bytes();
    match encoding {
        MacEncoding::Hex => HEXLOWER.encode(&mac),
        MacEncoding::Base64 => BASE64.encode(&mac),
    }
}

/// Whether one of the candidates is the signature under one of the secrets. All are tried, whichever matches.
///
/// They are compared as texts: there is one way to write a signature, and no other is let through.
pub(crate) fn any_matches(
    secrets: &Secrets,
    parts: &[&[u8]],
    candidates: &[&str],
    encoding: MacEncoding,
) -> bool {
    let mut matched = Choice::from(0);
    for key in secrets.keys() {
        let expected = signature(key, parts, encoding);
        for candidate in candidates {
            matched |= expected.as_bytes().ct_eq(candidate.as_bytes());
        }
    }
    matched.into()
}
