//! Where an order goes, and a change to it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Fields, schema};

/// The names of an order's address.
pub(crate) const ADDRESS: [&str; 2] = ["shipping_address", "address"];
const POSTAL_CODE: [&str; 3] = ["postal_code", "zip_code", "zip"];
const STREET: usize = 200;
const PLACE: usize = 100;
const CODE: usize = 20;

/// A shipping address: a snapshot that belongs to its order.
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

/// Some fields of an address; a field that is left out keeps its value.
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
    fn fields(fields: &mut Fields<'_, '_>) -> Self {
        Self {
            street: fields.filled("street", STREET),
            city: fields.text(&["city"], PLACE),
            state: fields.text(&["state"], PLACE),
            postal_code: fields.text(&POSTAL_CODE, CODE),
            country: fields.text(&["country"], PLACE),
        }
    }

    /// The body of an address update: `{"street": …}`, flat fields, or `{"address": {…}}`.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let (place, change) = if fields.starts_with(&ADDRESS, '{') {
            let place = fields.sent_as(&ADDRESS);
            (
                place,
                fields.object(&ADDRESS, |address| Some(Self::fields(address)))?,
            )
        } else {
            ("", Self::fields(fields))
        };
        if change == Self::default() && !fields.any_refused() {
            fields.refuse(
                place,
                "must name at least one of street, city, state, postal_code, country",
            );
        }
        Some(change)
    }

    /// The address of an order in any of the accepted spellings; the street is what makes it one.
    pub(crate) fn read_of_order(fields: &mut Fields<'_, '_>) -> Self {
        if fields.starts_with(&ADDRESS, '{') {
            return fields
                .object(&ADDRESS, |address| Some(Self::fields(address)))
                .unwrap_or_default();
        }
        Self {
            street: fields.text(&ADDRESS, STREET),
            city: fields.text(&["shipping_city"], PLACE),
            state: fields.text(&["shipping_state"], PLACE),
            postal_code: fields.text(
                &["shipping_postal_code", "shipping_zip_code", "shipping_zip"],
                CODE,
            ),
            country: fields.text(&["shipping_country"], PLACE),
        }
    }

    /// What [`Self::read`] accepts.
    pub fn schema() -> Value {
        let address = schema::nullable(schema::object(Self::properties()));
        let mut fields = Self::properties();
        fields.extend([("address", address.clone()), ("shipping_address", address)]);
        schema::object(fields)
    }

    fn properties() -> schema::Properties {
        let text = schema::text;
        let mut street = text(STREET);
        street["minLength"] = json!(1);
        [
            ("street", street),
            ("city", text(PLACE)),
            ("state", text(PLACE)),
            ("postal_code", text(CODE)),
            ("zip_code", text(CODE)),
            ("zip", text(CODE)),
            ("country", text(PLACE)),
        ]
        .into()
    }

    /// The fields of an order that [`Self::read_of_order`] takes.
    pub(crate) fn properties_of_order() -> schema::Properties {
        let address = json!({"anyOf": [schema::object(Self::properties()), schema::text(STREET)]});
        let text = schema::text;
        [
            ("shipping_address", address.clone()),
            ("address", address),
            ("shipping_city", text(PLACE)),
            ("shipping_state", text(PLACE)),
            ("shipping_postal_code", text(CODE)),
            ("shipping_zip_code", text(CODE)),
            ("shipping_zip", text(CODE)),
            ("shipping_country", text(PLACE)),
        ]
        .into()
    }

    /// The whole address that these fields make, or `None` without a street.
    pub fn into_address(self) -> Option<Address> {
        Some(Address {
            street: self.street?,
            city: self.city,
            state: self.state,
            postal_code: self.postal_code,
            country: self.country,
        })
    }

    /// The address after this change; `None` when there was none and the change names no street.
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
    use crate::Document;

    fn read(text: &str) -> Result<AddressChange, Vec<String>> {
        let refused =
            |invalid: crate::Invalid| invalid.0.into_iter().map(|e| e.pointer).collect::<Vec<_>>();
        Document::parse(text)
            .unwrap()
            .read(AddressChange::read)
            .map_err(refused)
    }

    #[test]
    fn flat_and_nested_updates_mean_the_same() {
        let flat = read(r#"{"street": " 1 Main St ", "zip": "94102"}"#).unwrap();
        assert_eq!(
            flat,
            read(r#"{"address": {"street": "1 Main St", "zip_code": "94102"}}"#).unwrap()
        );
        assert_eq!(flat.postal_code.as_deref(), Some("94102"));
    }

    #[test]
    fn what_is_left_out_keeps_its_value() {
        let old = read(r#"{"street": "1 Main St", "city": "Anytown"}"#)
            .unwrap()
            .into_address();
        let new = read(r#"{"street": "2 Side St"}"#)
            .unwrap()
            .applied_to(old.as_ref())
            .unwrap();
        assert_eq!(
            (new.street.as_str(), new.city.as_deref()),
            ("2 Side St", Some("Anytown"))
        );
    }

    #[test]
    fn a_blank_street_is_refused_where_it_stands() {
        for (blank, pointer) in [
            (r#"{"street": ""}"#, "/street"),
            (r#"{"street": " \t", "city": "Anytown"}"#, "/street"),
            (r#"{"address": {"street": ""}}"#, "/address/street"),
            (
                r#"{"shipping_address": {"street": "", "city": "Anytown"}}"#,
                "/shipping_address/street",
            ),
        ] {
            assert_eq!(read(blank), Err(vec![pointer.to_owned()]), "{blank}");
        }
        assert_eq!(
            read(r#"{"street": null, "city": "Anytown"}"#)
                .unwrap()
                .street,
            None
        );
    }

    #[test]
    fn an_update_that_says_nothing_or_something_else_is_refused() {
        assert_eq!(read("{}"), Err(vec![String::new()]));
        assert_eq!(read(r#"{"address": {}}"#), Err(vec!["/address".to_owned()]));
        assert_eq!(read(r#"{"street": 5}"#), Err(vec!["/street".to_owned()]));
        assert_eq!(
            read(r#"{"street": "a", "strasse": "b"}"#),
            Err(vec!["/strasse".to_owned()])
        );
        assert_eq!(
            read(r#"{"zip": "1", "zip_code": "2"}"#),
            Err(vec!["/zip".to_owned()])
        );
    }
}
