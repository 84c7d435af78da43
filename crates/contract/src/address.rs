//! Reads the address of an order, and changes to it.

use serde_json::{Value, json};

use crate::{Fields, Request, Rules, schema};
use domain::{Address, AddressChange, AddressField, country_code};

/// The field names of an order's address.
pub(crate) const ADDRESS_NAMES: [&str; 2] = ["shipping_address", "address"];
const POSTAL_CODE_NAMES: [&str; 3] = ["postal_code", "zip_code", "zip"];
const BILLING_NAMES: [&str; 1] = ["billing_address"];
const MAX_STREET_LENGTH: usize = 200;
const MAX_PLACE_LENGTH: usize = 100;
const MAX_POSTAL_CODE_LENGTH: usize = 20;
const MAX_PERSON_LENGTH: usize = 200;
const MAX_PHONE_LENGTH: usize = 50;

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
        let mut nested = schema::object(names.into());
        nested["properties"]["replace"] = json!({"type": ["boolean", "null"]});
        let nested = schema::requiring(nested, &[&ADDRESS_NAMES]);
        let street = schema::not_null(schema::filled_text(MAX_STREET_LENGTH));
        json!({"anyOf": [Self::object_schema(), nested, street]})
    }
}

fn read_fields(fields: &mut Fields<'_, '_>) -> AddressChange {
    AddressChange {
        name: fields.take_text(&["name"], MAX_PERSON_LENGTH),
        company: fields.take_text(&["company"], MAX_PERSON_LENGTH),
        street: read_street(fields, &["street"]),
        street2: fields.take_text(&["street2"], MAX_STREET_LENGTH),
        city: fields.take_text(&["city"], MAX_PLACE_LENGTH),
        state: fields.take_text(&["state"], MAX_PLACE_LENGTH),
        postal_code: fields.take_text(&POSTAL_CODE_NAMES, MAX_POSTAL_CODE_LENGTH),
        country: read_country(fields, "country"),
        phone: fields.take_text(&["phone"], MAX_PHONE_LENGTH),
        ..AddressChange::default()
    }
}

fn read_street(fields: &mut Fields<'_, '_>, names: &[&str]) -> Option<String> {
    let name = fields.sent_name(names);
    if fields.rules() == Rules::Current && fields.has_line_break(name) {
        let detail = format!(
            "must be one line of at most {MAX_STREET_LENGTH} characters; send the second line as street2"
        );
        fields.reject(name, detail);
        fields.drop_fields(names);
        return None;
    }
    match names {
        [name] => fields.take_filled_text(name, MAX_STREET_LENGTH),
        names => fields.take_text(names, MAX_STREET_LENGTH),
    }
}

/// Reads a country in any spelling, as its alpha-2 code.
fn read_country(fields: &mut Fields<'_, '_>, name: &str) -> Option<String> {
    match fields.rules() {
        Rules::Current => fields.take_parsed_by(&[name], |text| {
            country_code(text)
                .map(str::to_owned)
                .ok_or("must be a country of ISO 3166, such as US, USA or United States")
        }),
        Rules::Earlier => fields.take_text(&[name], MAX_PLACE_LENGTH),
    }
}

/// Returns the fields to clear. A caller sends `null` or a blank text; the function `signal` lists
/// them for the workflow, for which `null` has always meant an omitted field.
fn read_cleared(fields: &mut Fields<'_, '_>) -> Vec<AddressField> {
    match fields.rules() {
        Rules::Earlier => fields.take_json("clear").unwrap_or_default(),
        Rules::Current => AddressField::ALL
            .into_iter()
            .filter(|field| fields.is_emptied(names_of(*field)))
            .collect(),
    }
}

fn names_of(field: AddressField) -> &'static [&'static str] {
    match field {
        AddressField::Name => &["name"],
        AddressField::Company => &["company"],
        AddressField::Street2 => &["street2"],
        AddressField::City => &["city"],
        AddressField::State => &["state"],
        AddressField::PostalCode => &POSTAL_CODE_NAMES,
        AddressField::Country => &["country"],
        AddressField::Phone => &["phone"],
    }
}

/// Reads an address update: the fields of the address, or `{"address": {…}}`. `replace` is beside
/// them.
fn read_change(fields: &mut Fields<'_, '_>) -> Option<AddressChange> {
    let replace = fields.take_flag(&["replace"]).unwrap_or_default();
    let read = |fields: &mut Fields<'_, '_>| {
        let clear = read_cleared(fields);
        Some(AddressChange {
            clear,
            replace,
            ..read_fields(fields)
        })
    };
    let (place, change) = if fields.starts_with(&ADDRESS_NAMES, '{') {
        let place = fields.sent_name(&ADDRESS_NAMES);
        (place, fields.take_object(&ADDRESS_NAMES, read)?)
    } else {
        ("", read(fields)?)
    };
    let nothing = AddressChange {
        replace,
        ..AddressChange::default()
    };
    if change == nothing && !fields.has_errors() {
        fields.reject(
            place,
            "must name at least one of name, company, street, street2, city, state, postal_code, country, phone",
        );
    }
    if replace && change.street.is_none() && !fields.has_errors() {
        fields.reject(place, "must name a street, because replace is true");
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
        street: read_street(fields, &ADDRESS_NAMES),
        street2: fields.take_text(&["shipping_street2"], MAX_STREET_LENGTH),
        city: fields.take_text(&["shipping_city"], MAX_PLACE_LENGTH),
        state: fields.take_text(&["shipping_state"], MAX_PLACE_LENGTH),
        postal_code: fields.take_text(
            &["shipping_postal_code", "shipping_zip_code", "shipping_zip"],
            MAX_POSTAL_CODE_LENGTH,
        ),
        country: read_country(fields, "shipping_country"),
        ..AddressChange::default()
    }
}

/// Reads the billing address of an order, which must have a street.
pub(crate) fn read_billing_address(fields: &mut Fields<'_, '_>) -> Option<Address> {
    fields.take_object(&BILLING_NAMES, |address| {
        address.require_any(&["street"]);
        read_fields(address).into_address()
    })
}

/// Returns the schema of the field that [`read_billing_address`] reads.
pub(crate) fn billing_address_property() -> (&'static str, Value) {
    let address = schema::requiring(schema::object(address_properties()), &[&["street"]]);
    (BILLING_NAMES[0], schema::nullable(address))
}

/// Requires that at least one field of the address is named.
fn with_any_field(mut object: Value) -> Value {
    let names = address_properties();
    object["anyOf"] = names
        .keys()
        .map(|name| match *name {
            // Without `type`: Redoc merges this schema with the field's own and refuses two lists of
            // types, even equal ones.
            "street" => {
                json!({"required": [name], "properties": {(*name): {"not": {"type": "null"}}}})
            }
            _ => json!({"required": [name]}),
        })
        .collect();
    object["properties"]["replace"] = json!({"type": ["boolean", "null"]});
    object
}

fn country_schema() -> Value {
    json!({"anyOf": [schema::text(MAX_PLACE_LENGTH), schema::blank()]})
}

fn address_properties() -> schema::Properties {
    let text = schema::text;
    [
        ("name", text(MAX_PERSON_LENGTH)),
        ("company", text(MAX_PERSON_LENGTH)),
        ("street", schema::filled_text(MAX_STREET_LENGTH)),
        ("street2", text(MAX_STREET_LENGTH)),
        ("city", text(MAX_PLACE_LENGTH)),
        ("state", text(MAX_PLACE_LENGTH)),
        ("postal_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("zip_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("zip", text(MAX_POSTAL_CODE_LENGTH)),
        ("country", country_schema()),
        ("phone", text(MAX_PHONE_LENGTH)),
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
        ("shipping_street2", text(MAX_STREET_LENGTH)),
        ("shipping_city", text(MAX_PLACE_LENGTH)),
        ("shipping_state", text(MAX_PLACE_LENGTH)),
        ("shipping_postal_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_zip_code", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_zip", text(MAX_POSTAL_CODE_LENGTH)),
        ("shipping_country", country_schema()),
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
        assert_eq!(read(r#"{"street": null}"#), Err(vec![String::new()]));
    }

    #[test]
    fn null_or_blank_clears_an_optional_field() {
        let change = read(
            r#"{"street": "18 Nathan Rd", "city": "Hong Kong", "country": "Hong Kong", "state": null, "zip": ""}"#,
        )
        .unwrap();
        assert_eq!(
            change.clear,
            [AddressField::State, AddressField::PostalCode]
        );
        assert_eq!(change.country.as_deref(), Some("HK"));
        let only = read(r#"{"address": {"state": null}}"#).unwrap();
        assert_eq!(only.clear, [AddressField::State]);
        let both = read(r#"{"zip": null, "postal_code": "94102"}"#).unwrap();
        assert_eq!(
            (both.clear, both.postal_code.as_deref()),
            (vec![], Some("94102"))
        );
    }

    #[test]
    fn message_lists_what_it_clears() {
        let change = read(r#"{"street": "1 A", "state": null, "replace": true}"#).unwrap();
        let message = serde_json::to_string(&change).unwrap();
        assert_eq!(
            AddressChange::parse_with(&message, Rules::Earlier),
            Ok(change)
        );
        // `null` has always meant an omitted field in messages.
        let omitted =
            AddressChange::parse_with(r#"{"street": "1 A", "state": null}"#, Rules::Earlier);
        assert_eq!(omitted.unwrap().clear, []);
    }

    #[test]
    fn replacement_must_name_a_street() {
        assert_eq!(
            read(r#"{"replace": true, "city": "Anytown"}"#),
            Err(vec![String::new()])
        );
        assert_eq!(
            read(r#"{"replace": true, "address": {"city": "Anytown"}}"#),
            Err(vec!["/address".to_owned()])
        );
        assert!(
            read(r#"{"replace": true, "address": {"street": "1 A"}}"#)
                .unwrap()
                .replace
        );
    }

    #[test]
    fn second_line_belongs_into_street2() {
        let error = AddressChange::parse(r#"{"street": "12 Rue\nBâtiment B"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "is not valid: /street must be one line of at most 200 characters; send the second line as street2"
        );
        let change = read(r#"{"street": "12 Rue", "street2": "Bâtiment B"}"#).unwrap();
        assert_eq!(change.street2.as_deref(), Some("Bâtiment B"));
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
