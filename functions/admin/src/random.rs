//! Random ids and secrets.

use data_encoding::{BASE64, HEXLOWER};

/// Returns a new secret in the format of Standard Webhooks, with 256 random bits.
pub(crate) fn secret() -> String {
    format!("whsec_{}", BASE64.encode(&rand::random::<[u8; 32]>()))
}

pub(crate) fn endpoint_id() -> String {
    format!("ep_{}", HEXLOWER.encode(&rand::random::<[u8; 12]>()))
}

/// Returns the id of a message that no audit event causes.
pub(crate) fn message_id() -> String {
    format!("msg_{}", HEXLOWER.encode(&rand::random::<[u8; 16]>()))
}
