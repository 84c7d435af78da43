//! The hash of an address in the audit log.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use domain::{Address, OrderId};

/// Returns a hash of an address of this order. More people read the audit log than the order, and it
/// is kept for longer, so it does not contain the address. Equal addresses of two orders have different
/// hashes.
pub fn address_hash(order_id: &OrderId, address: &Address) -> Option<String> {
    let text = serde_json::to_vec(&(order_id, address)).ok()?;
    let hash = HEXLOWER.encode(&Sha256::digest(text)[..16]);
    Some(format!("sha256:{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::AddressChange;

    #[test]
    fn hash_depends_on_address_and_order() {
        let hash_of = |order: &str, street: &str| {
            let change = AddressChange {
                street: Some(street.to_owned()),
                ..AddressChange::default()
            };
            let address = change.into_address().unwrap();
            address_hash(&OrderId::parse(order).unwrap(), &address)
        };
        let hash = hash_of("o-1", "1 Main St");
        assert_eq!(hash, hash_of("o-1", "1 Main St"));
        assert_ne!(hash, hash_of("o-1", "2 Main St"));
        assert_ne!(hash, hash_of("o-2", "1 Main St"));
        assert!(hash.is_some_and(|hash| !hash.contains("Main")));
    }
}
