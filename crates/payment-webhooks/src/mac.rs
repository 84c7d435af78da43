//! HMAC-SHA256, and a comparison in constant time.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{schemes::MacEncoding, secrets::Secrets};

/// Returns the signature of the concatenated parts, as text.
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

/// Returns whether a candidate is the signature under one of the secrets. All pairs are compared,
/// so the time does not depend on the match.
///
/// Signatures are compared as texts, because each signature has exactly one valid spelling.
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
