//! `Idempotency-Key`: the caller's name for one request and its retries.

use data_encoding::HEXLOWER;
use lambda_http::http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::{Caller, Problem, ProblemCode};

const HEADER: &str = "idempotency-key";
/// Longest key in characters.
pub const MAX_LENGTH: usize = 255;

/// A valid idempotency key, bound to its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    caller: String,
    key: String,
}

impl IdempotencyKey {
    pub(crate) fn from_headers(
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let key = value.to_str().unwrap_or_default().trim();
        let is_valid = (1..=MAX_LENGTH).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_valid || values.next().is_some() {
            let detail = "The header 'Idempotency-Key' must be one value of 1 to 255 visible ASCII characters.";
            return Err(Problem::new(ProblemCode::InvalidIdempotencyKey, detail));
        }
        Ok(Some(Self {
            caller: caller.name().to_owned(),
            key: key.to_owned(),
        }))
    }

    /// Returns the id of the workflow update that this key makes on one order.
    ///
    /// Another operation under the same key is another update: it must not return the response of
    /// the first operation.
    pub fn update_id(&self, operation: &str) -> String {
        HEXLOWER.encode(&self.digest_for(operation)[..16])
    }

    pub(crate) fn digest_for(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [purpose, &self.caller, &self.key] {
            hash.update(part);
            // No part can contain a zero byte, so two lists of parts never give the same hash.
            hash.update([0]);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&str], caller: &str) -> Result<Option<IdempotencyKey>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        IdempotencyKey::from_headers(&headers, &Caller::with_name(caller))
            .map_err(|problem| problem.status())
    }

    #[test]
    fn key_is_one_visible_ascii_word() {
        assert_eq!(key(&[], "a"), Ok(None));
        assert!(key(&["8e03978e-40d5"], "a").unwrap().is_some());
        for bad in [&["a b"][..], &[""], &["a", "a"], &[&"x".repeat(256)]] {
            assert_eq!(key(bad, "a"), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn update_id_differs_by_caller_and_operation() {
        let id = |caller, operation| key(&["k"], caller).unwrap().unwrap().update_id(operation);
        assert_eq!(id("a", "cancel"), id("a", "cancel"));
        assert_ne!(id("a", "cancel"), id("b", "cancel"));
        assert_ne!(id("a", "cancel"), id("a", "approve"));
    }
}
