//! Reads the address of an order, and a change to it.

use serde_json::{Value, json};

use crate::{Fields, Request, schema};
use domain::AddressChange;

/// The names of an order's address.
pub(crate) const ADDRESS: [&str; 2] = ["shipping_address", "address"];
const POSTAL_CODE: [&str; 3] = ["postal_code", "zip_code", "zip"];
const STREET: usize = 200;
const PLACE: usize = 100;
const CODE: usize = 20;

impl Request for AddressChange {
    const TEXT_FIELD: Option<&'static str> = Some("street");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        read_change(fields)
    }
    fn object_schema() -> Value {
        change_schema()
    }
}

fn read_fields(fields: &mut Fields<'_, '_>) -> AddressChange {
    AddressChange {
        street: fields.take_filled_text("street", STREET),
        city: fields.take_text(&["city"], PLACE),
        state: fields.take_text(&["state"], PLACE),
        postal_code: fields.take_text(&POSTAL_CODE, CODE),
        country: fields.take_text(&["country"], PLACE),
    }
}

/// The body of an address update: `{"street": …}`, flat fields, or `{"address": {…}}`.
fn read_change(fields: &mut Fields<'_, '_>) -> Option<AddressChange> {
    let (place, change) = if fields.starts_with(&ADDRESS, '{') {
        let place = fields.sent_name(&ADDRESS);
        (
            place,
            fields.take_object(&ADDRESS, |address| Some(read_fields(address)))?,
        )
    } else {
        ("", read_fields(fields))
    };
    if change == AddressChange::default() && !fields.has_errors() {
        fields.reject(
            place,
            "must name at least one of street, city, state, postal_code, country",
        );
    }
    Some(change)
}

/// The address of an order in any of the accepted spellings; the street is what makes it one.
pub(crate) fn read_address_of_order(fields: &mut Fields<'_, '_>) -> AddressChange {
    if fields.starts_with(&ADDRESS, '{') {
        return fields
            .take_object(&ADDRESS, |address| Some(read_fields(address)))
            .unwrap_or_default();
    }
    AddressChange {
        street: fields.take_text(&ADDRESS, STREET),
        city: fields.take_text(&["shipping_city"], PLACE),
        state: fields.take_text(&["shipping_state"], PLACE),
        postal_code: fields.take_text(
            &["shipping_postal_code", "shipping_zip_code", "shipping_zip"],
            CODE,
        ),
        country: fields.take_text(&["shipping_country"], PLACE),
    }
}

/// What [`read_change`] accepts.
fn change_schema() -> Value {
    let address = schema::nullable(schema::object(properties()));
    let mut fields = properties();
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

/// The fields of an order that [`read_address_of_order`] takes.
pub(crate) fn properties_of_order() -> schema::Properties {
    let address = json!({"anyOf": [schema::object(properties()), schema::text(STREET)]});
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    fn read(text: &str) -> Result<AddressChange, Vec<String>> {
        let refused = |invalid: crate::InvalidFields| {
            invalid.0.into_iter().map(|e| e.pointer).collect::<Vec<_>>()
        };
        Document::parse(text)
            .unwrap()
            .read_object(read_change)
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
