//! Order ids that the API generates.

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;

use crate::{IdempotencyKey, Problem};
use domain::OrderId;

/// Returns `ORD-` and 20 base32 characters: 100 bits of the hash of caller and key.
///
/// The same caller and key always give the same id, so a retry reaches the same order.
pub fn order_id_from_key(key: &IdempotencyKey) -> Result<OrderId, Problem> {
    let text = BASE32_NOPAD.encode(&key.digest_for("order"));
    OrderId::parse(&format!("ORD-{}", &text[..20])).map_err(Problem::internal)
}

/// Returns `ORD-YYYYMMDD-HHMMSS-XXXX`.
///
/// One second has about a million ids; after a collision the caller generates another one.
pub fn random_order_id(now: DateTime<Utc>, random: u32) -> Result<OrderId, Problem> {
    let text = BASE32_NOPAD.encode(&random.to_be_bytes());
    OrderId::parse(&format!(
        "ORD-{}-{}",
        now.format("%Y%m%d-%H%M%S"),
        &text[..4]
    ))
    .map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderMap;

    use super::*;
    use crate::Caller;

    #[test]
    fn random_id_contains_the_time() {
        let now = "2026-11-21T09:08:07.6Z".parse().unwrap();
        assert_eq!(
            random_order_id(now, 0).unwrap().as_str(),
            "ORD-20261121-090807-AAAA"
        );
        assert_eq!(
            random_order_id(now, u32::MAX).unwrap().as_str(),
            "ORD-20261121-090807-7777"
        );
    }

    #[test]
    fn same_key_gives_the_same_id() {
        let headers: HeaderMap = [("idempotency-key".parse().unwrap(), "key-1".parse().unwrap())]
            .into_iter()
            .collect();
        let key = IdempotencyKey::from_headers(&headers, &Caller::anonymous())
            .unwrap()
            .unwrap();
        assert_eq!(
            order_id_from_key(&key).unwrap().as_str(),
            "ORD-NPC3SJVUARQTD357TSYV"
        );
    }
}
