//! The JSON Schemas of the documents that [`OrderRequest::from_fields`] accepts.

use serde_json::{Value, json};

use super::{
    MAX_LINE_ITEMS, MAX_METHOD_LENGTH, MAX_NAME_LENGTH, MAX_PROFILE_LENGTH, OrderRequest, charges,
    notes,
};
use crate::{address, item_quantity::quantity_schema, metadata::metadata_schema, schema};
use domain::{CustomerId, Email, PaymentId, Profile, Sku};

impl OrderRequest {
    /// Returns the schema of an order with items and an address.
    pub fn schema() -> Value {
        let whole = schema::object(fields(true));
        schema::requiring(whole, &[&["items"], &["shipping_address", "address"]])
    }

    /// Returns the schema of an order in which every field is optional.
    pub fn partial_schema() -> Value {
        schema::object(fields(false))
    }
}

fn fields(is_complete: bool) -> schema::Properties {
    let mut fields: schema::Properties = [
        ("customer", customer()),
        ("customer_id", schema::identifier::<CustomerId>()),
        ("customer_name", schema::text(MAX_NAME_LENGTH)),
        ("customer_email", email()),
        (
            "items",
            json!({"type": ["array", "null"], "minItems": usize::from(is_complete), "maxItems": MAX_LINE_ITEMS, "items": line()}),
        ),
        ("currency", schema::currency()),
        ("payment_id", schema::identifier::<PaymentId>()),
        ("payment", payment()),
        ("profile", profile()),
    ]
    .into();
    fields.append(&mut address::order_address_properties(is_complete));
    fields.extend([
        address::billing_address_property(),
        ("total_amount", schema::amount()),
    ]);
    fields.extend(charges::properties());
    fields.extend(notes::properties());
    fields
}

fn customer() -> Value {
    let fields = [
        ("id", schema::identifier::<CustomerId>()),
        ("name", schema::text(MAX_NAME_LENGTH)),
        ("email", email()),
    ];
    schema::nullable(schema::object(fields.into()))
}

fn line() -> Value {
    let fields = [
        ("sku", schema::identifier::<Sku>()),
        ("product_id", schema::identifier::<Sku>()),
        ("name", schema::text(MAX_NAME_LENGTH)),
        ("product_name", schema::text(MAX_NAME_LENGTH)),
        ("quantity", quantity_schema(1)),
        ("qty", quantity_schema(1)),
        ("unit_price", schema::amount()),
        ("price", schema::amount()),
        ("discount_amount", schema::amount()),
        ("metadata", metadata_schema()),
    ];
    schema::requiring(
        schema::object(fields.into()),
        &[
            &["sku", "product_id"],
            &["quantity", "qty"],
            &["unit_price", "price"],
        ],
    )
}

fn payment() -> Value {
    let fields = [
        ("payment_id", schema::identifier::<PaymentId>()),
        ("method", schema::text(MAX_METHOD_LENGTH)),
    ];
    schema::nullable(schema::object(fields.into()))
}

fn email() -> Value {
    let address = r"[^\s<>,;\u0000-\u001f\u007f-\u009f]+@[^\s<>,;@\u0000-\u001f\u007f-\u009f]+";
    json!({"type": ["string", "null"], "maxLength": Email::MAX_LENGTH, "pattern": schema::padded(address)})
}

fn profile() -> Value {
    let names: Vec<_> = Profile::ALL
        .iter()
        .map(|profile| profile.as_str())
        .collect();
    let blank =
        json!({"allOf": [schema::not_null(schema::text(MAX_PROFILE_LENGTH)), schema::blank()]});
    json!({"anyOf": [{"enum": names}, blank, {"type": "null"}]})
}
