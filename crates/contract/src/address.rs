//! Reads the address of an order, and changes to it.

use serde_json::{Value, json};

use crate::{Fields, Request, schema};
use domain::AddressChange;

/// The field names of an order's address.
pub(crate) const ADDRESS_NAMES: [&str; 2] = ["shipping_address", "address"];
const POSTAL_CODE_NAMES: [&str; 3] = ["postal_code", "zip_code", "zip"];
const MAX_STREET_LENGTH: usize = 200;
const MAX_PLACE_LENGTH: usize = 100;
const MAX_POSTAL_CODE_LENGTH: usize = 20;

impl Request for AddressChange {
    const TEXT_FIELD: Option<&'static str> = Some("street");
    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        read_change(fields)
    }
    fn object_schema() -> Value {
        with_any_field(schema::object(address_properties()))
    }

    /// Either the fields of the address, or `{"address": {…}}`, or the street as a plain string.
    fn schema() -> Value {
        let address = schema::nullable(Self::object_schema());
        let names = [("address", address.clone()), ("shipping_address", address)];
        let nested = schema::requiring(schema::object(names.into()), &[&ADDRESS_NAMES]);
        let street = schema::not_null(schema::filled_text(MAX_STREET_LENGTH));
        json!({"anyOf": [Self::object_schema(), nested, street]})
    }
}

fn read_fields(fields: &mut Fields<'_, '_>) -> AddressChange {
    AddressChange {
        street: fields.take_filled_text("street", MAX_STREET_LENGTH),
        city: fields.take_text(&["city"], MAX_PLACE_LENGTH),
        state: fields.take_text(&["state"], MAX_PLACE_LENGTH),
        postal_code: fields.take_text(&POSTAL_CODE_NAMES, MAX_POSTAL_CODE_LENGTH),
        country: fields.take_text(&["country"], MAX_PLACE_LENGTH),
    }
}

/// Reads an address update: the fields of the address, or `{"address": {…}}`.
fn read_change(fields: &mut Fields<'_, '_>) -> Option<AddressChange> {
    let (place, change) = if fields.starts_with(&ADDRESS_NAMES, '{') {
        let place = fields.sent_name(&ADDRESS_NAMES);
        (
            place,
            fields.take_object(&ADDRESS_NAMES, |address| Some(read_fields(address)))?,
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

/// Reads the address of an order in any accepted spelling. The caller checks that it has a street.
pub(crate) fn read_order_address(fields: &mut Fields<'_, '_>) -> AddressChange {
    if fields.starts_with(&ADDRESS_NAMES, '{') {
        return fields
            .take_object(&ADDRESS_NAMES, |address| Some(read_fields(address)))
            .unwrap_or_default();
    }
    AddressChange {
        street: fields.take_text(&ADDRESS_NAMES, MAX_STREET_LENGTH),
        city: fields.take_text(&["shipping_city"], MAX_PLACE_LENGTH),
        state: fields.take_text(&["shipping_state"], MAX_PLACE_LENGTH),
        postal_code: fields.take_text(
            &["shipping_postal_code", "shipping_zip_code", "shipping_zip"],
            MAX_POSTAL_CODE_LENGTH,
        ),
        country: fields.take_text(&["shipping_country"], MAX_PLACE_LENGTH),
    }
}

/// Requires that at least one field of the address has a value.
fn with_any_field(mut object: Value) -> Value {
    let fields = address_properties();
    let lengths = fields.iter().map(|(name, field)| {
        let longest = field["maxLength"]
            .as_u64()
            .and_then(|length| length.try_into().ok());
        let filled = schema::filled_text(longest.unwrap_or(MAX_STREET_LENGTH));
        // Without `type`: Redoc merges this schema with the field's own and refuses two lists of
        // types, even equal ones.
        let not_null = json!({
            "not": {"type": "null"}, "minLength": filled["minLength"], "pattern": filled["pattern"],
        });
        (name, not_null)
    });
    object["anyOf"] = lengths
        .map(|(name, field)| json!({"required": [name], "properties": {(*name): field}}))
        .collect();
    object
}

fn address_properties() -> schema::Properties {
    let text = schema::text;
    [
        ("street", schema::filled_text(MAX_STREET_LENGTH)),
        ("city", text(MAX_PLACE_LENGTH)),
        ("state", text(MAX_PLACE_LENGTH)),
        ("postal_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("zip_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("zip", text(MAX_POSTAL_CODE_LENGTH)),
        ("country", text(MAX_PLACE_LENGTH)),
    ]
    .into()
}

/// Returns the schemas of the fields that [`read_order_address`] reads.
pub(crate) fn order_address_properties(has_street: bool) -> schema::Properties {
    let object = schema::object(address_properties());
    let address = if has_street {
        let object = schema::requiring(object, &[&["street"]]);
        json!({"anyOf": [object, schema::filled_text(MAX_STREET_LENGTH)]})
    } else {
        json!({"anyOf": [object, schema::text(MAX_STREET_LENGTH)]})
    };
    let text = schema::text;
    [
        ("shipping_address", address.clone()),
        ("address", address),
        ("shipping_city", text(MAX_PLACE_LENGTH)),
        ("shipping_state", text(MAX_PLACE_LENGTH)),
        ("shipping_postal_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_zip_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_zip", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_country", text(MAX_PLACE_LENGTH)),
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
    fn flat_and_nested_updates_are_equal() {
        let flat = read(r#"{"street": " 1 Main St ", "zip": "94102"}"#).unwrap();
        assert_eq!(
            flat,
            read(r#"{"address": {"street": "1 Main St", "zip_code": "94102"}}"#).unwrap()
        );
        assert_eq!(flat.postal_code.as_deref(), Some("94102"));
    }

    #[test]
    fn blank_street_is_refused_by_its_pointer() {
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
    fn empty_or_unknown_update_is_refused() {
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
