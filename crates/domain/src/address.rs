//! The shipping address of an order, and changes to it.

use serde::{Deserialize, Serialize};

/// A shipping address. Each order stores its own copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub street: String,
    #[serde(default)]
    pub city: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub postal_code: Option<String>,
    #[serde(default)]
    pub country: Option<String>,
}

/// A partial update of an address. An omitted field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl AddressChange {
    /// Returns the address that consists of these fields, or `None` without a street.
    pub fn into_address(self) -> Option<Address> {
        Some(Address {
            street: self.street?,
            city: self.city,
            state: self.state,
            postal_code: self.postal_code,
            country: self.country,
        })
    }

    /// Returns the address after this change, or `None` if neither has a street.
    pub fn applied_to(&self, address: Option<&Address>) -> Option<Address> {
        let Some(address) = address else {
            return self.clone().into_address();
        };
        let or = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Some(Address {
            street: self
                .street
                .clone()
                .unwrap_or_else(|| address.street.clone()),
            city: or(&self.city, &address.city),
            state: or(&self.state, &address.state),
            postal_code: or(&self.postal_code, &address.postal_code),
            country: or(&self.country, &address.country),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omitted_field_keeps_its_value() {
        let street = |street: &str| AddressChange {
            street: Some(street.to_owned()),
            ..AddressChange::default()
        };
        let old = AddressChange {
            city: Some("Anytown".to_owned()),
            ..street("1 Main St")
        }
        .into_address();
        let new = street("2 Side St").applied_to(old.as_ref()).unwrap();
        assert_eq!(
            (new.street.as_str(), new.city.as_deref()),
            ("2 Side St", Some("Anytown"))
        );
    }
}
