//! The addresses of an order, and changes to them.

use serde::{Deserialize, Serialize};

use crate::Customer;

/// A shipping or billing address. Each order stores its own copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The recipient. `None`: the customer ([`Address::addressed_to`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    pub street: String,
    /// The second line, such as a building or a floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street2: Option<String>,
    #[serde(default)]
    pub city: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub postal_code: Option<String>,
    /// The alpha-2 code of ISO 3166. Orders of earlier releases have free text.
    #[serde(default)]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

impl Address {
    /// Returns the address with the customer as its recipient, unless it names another one.
    #[must_use]
    pub fn addressed_to(self, customer: &Customer) -> Self {
        Self {
            name: self.name.or_else(|| customer.name.clone()),
            ..self
        }
    }
}

/// A field of an address that can be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressField {
    Name,
    Company,
    Street2,
    City,
    State,
    PostalCode,
    Country,
    Phone,
}

impl AddressField {
    pub const ALL: [Self; 8] = [
        Self::Name,
        Self::Company,
        Self::Street2,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::Phone,
    ];
}

/// A partial update of an address. An omitted field keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub street2: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The fields that lose their value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clear: Vec<AddressField>,
    /// Omitted fields lose their value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

impl AddressChange {
    /// Returns the address that consists of these fields, or `None` without a street.
    pub fn into_address(self) -> Option<Address> {
        Some(Address {
            name: self.name,
            company: self.company,
            street: self.street?,
            street2: self.street2,
            city: self.city,
            state: self.state,
            postal_code: self.postal_code,
            country: self.country,
            phone: self.phone,
        })
    }

    /// Returns the address after this change, or `None` if it has no street.
    pub fn applied_to(&self, address: Option<&Address>) -> Option<Address> {
        let Some(address) = address.filter(|_| !self.replace) else {
            return self.clone().into_address();
        };
        let merged = |field: AddressField, new: &Option<String>, old: &Option<String>| {
            let is_kept = !self.clear.contains(&field);
            new.clone().or_else(|| old.clone().filter(|_| is_kept))
        };
        Some(Address {
            name: merged(AddressField::Name, &self.name, &address.name),
            company: merged(AddressField::Company, &self.company, &address.company),
            street: self
                .street
                .clone()
                .unwrap_or_else(|| address.street.clone()),
            street2: merged(AddressField::Street2, &self.street2, &address.street2),
            city: merged(AddressField::City, &self.city, &address.city),
            state: merged(AddressField::State, &self.state, &address.state),
            postal_code: merged(
                AddressField::PostalCode,
                &self.postal_code,
                &address.postal_code,
            ),
            country: merged(AddressField::Country, &self.country, &address.country),
            phone: merged(AddressField::Phone, &self.phone, &address.phone),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn street(street: &str) -> AddressChange {
        AddressChange {
            street: Some(street.to_owned()),
            ..AddressChange::default()
        }
    }

    fn present() -> Address {
        AddressChange {
            city: Some("Anytown".to_owned()),
            state: Some("CA".to_owned()),
            postal_code: Some("94102".to_owned()),
            ..street("1 Main St")
        }
        .into_address()
        .unwrap()
    }

    #[test]
    fn omitted_field_keeps_its_value() {
        let new = street("2 Side St").applied_to(Some(&present())).unwrap();
        assert_eq!(
            (new.street.as_str(), new.city.as_deref()),
            ("2 Side St", Some("Anytown"))
        );
    }

    #[test]
    fn cleared_field_loses_its_value() {
        let change = AddressChange {
            city: Some("Hong Kong".to_owned()),
            clear: vec![AddressField::State, AddressField::PostalCode],
            ..street("18 Nathan Rd")
        };
        let new = change.applied_to(Some(&present())).unwrap();
        assert_eq!(
            (new.city.as_deref(), new.state, new.postal_code),
            (Some("Hong Kong"), None, None)
        );
    }

    #[test]
    fn replacement_needs_a_street_and_keeps_nothing() {
        let replace = |change: AddressChange| AddressChange {
            replace: true,
            ..change
        };
        let new = replace(street("2 Side St")).applied_to(Some(&present()));
        assert_eq!(new, street("2 Side St").into_address());
        let without_street = replace(AddressChange::default());
        assert_eq!(without_street.applied_to(Some(&present())), None);
    }

    #[test]
    fn addresses_of_earlier_releases_are_read() {
        let text = r#"{"street": "1 Main St", "city": null, "country": "Narnia"}"#;
        let address: Address = serde_json::from_str(text).unwrap();
        assert_eq!(address.country.as_deref(), Some("Narnia"));
        // The fingerprint of an order contains its address, so an address without the fields of later
        // releases must keep its JSON.
        let json = serde_json::to_string(&address).unwrap();
        let expected = r#"{"street":"1 Main St","city":null,"state":null,"postal_code":null,"country":"Narnia"}"#;
        assert_eq!(json, expected);
    }
}
