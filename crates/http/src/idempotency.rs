//! `Idempotency-Key`: the caller's name for one request and its retries.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use lambda_http::http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::{Caller, Problem, ProblemCode};
use domain::{OrderId, RefundId, ReturnId};

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

    /// Returns the id of the refund of one order that this key makes: `RF-` and 20 base32 characters.
    ///
    /// # Errors
    ///
    /// Never: the id is valid.
    pub fn refund_id(&self, order_id: &OrderId) -> Result<RefundId, Problem> {
        refund_id_from(&self.digest_for(&format!("refund {order_id}")))
    }

    /// Returns the id of the return of one order that this key makes: `RT-` and 20 base32 characters.
    ///
    /// # Errors
    ///
    /// Never: the id is valid.
    pub fn return_id(&self, order_id: &OrderId) -> Result<ReturnId, Problem> {
        return_id_from(&self.digest_for(&format!("return {order_id}")))
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

/// Returns an id of a refund for a request without a key.
///
/// # Errors
///
/// Never: the id is valid.
pub fn random_refund_id(random: u128) -> Result<RefundId, Problem> {
    refund_id_from(&random.to_be_bytes())
}

fn refund_id_from(bytes: &[u8]) -> Result<RefundId, Problem> {
    let text = BASE32_NOPAD.encode(bytes);
    RefundId::parse(&format!("RF-{}", &text[..20])).map_err(Problem::internal)
}

/// Returns an id of a return for a request without a key.
///
/// # Errors
///
/// Never: the id is valid.
pub fn random_return_id(random: u128) -> Result<ReturnId, Problem> {
    return_id_from(&random.to_be_bytes())
}

fn return_id_from(bytes: &[u8]) -> Result<ReturnId, Problem> {
    let text = BASE32_NOPAD.encode(bytes);
    ReturnId::parse(&format!("RT-{}", &text[..20])).map_err(Problem::internal)
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
    fn refund_id_differs_by_order_and_caller() {
        let order = |id| OrderId::parse(id).unwrap();
        let id = |caller, of| {
            key(&["k"], caller)
                .unwrap()
                .unwrap()
                .refund_id(&order(of))
                .unwrap()
        };
        assert_eq!(id("a", "o-1"), id("a", "o-1"));
        assert_ne!(id("a", "o-1"), id("a", "o-2"));
        assert_ne!(id("a", "o-1"), id("b", "o-1"));
        assert_eq!(
            random_return_id(0).unwrap().as_str(),
            "RT-AAAAAAAAAAAAAAAAAAAA"
        );
        assert_eq!(
            random_refund_id(0).unwrap().as_str(),
            "RF-AAAAAAAAAAAAAAAAAAAA"
        );
    }

    #[test]
    fn update_id_differs_by_caller_and_operation() {
        let id = |caller, operation| key(&["k"], caller).unwrap().unwrap().update_id(operation);
        assert_eq!(id("a", "cancel"), id("a", "cancel"));
        assert_ne!(id("a", "cancel"), id("b", "cancel"));
        assert_ne!(id("a", "cancel"), id("a", "approve"));
    }
}
