//! What [`OrderRequest::read`] accepts, as JSON Schema.

use serde_json::{Value, json};

use super::{EMAIL, LARGEST_QUANTITY, METHOD, MOST_LINES, NAME, OrderRequest, PROFILE};
use crate::{address, schema};
use domain::{CustomerId, PaymentId, Profile, Sku};

impl OrderRequest {
    /// Of an order whose items and street must be there.
    pub fn schema() -> Value {
        let whole = schema::object(fields(1));
        schema::requiring(whole, &[&["items"], &["shipping_address", "address"]])
    }

    /// Of an order of which everything may be missing.
    pub fn partial_schema() -> Value {
        schema::object(fields(0))
    }
}

fn fields(fewest_lines: usize) -> schema::Properties {
    let mut fields: schema::Properties = [
        ("customer", customer()),
        ("customer_id", schema::identifier::<CustomerId>()),
        ("customer_name", schema::text(NAME)),
        ("customer_email", email()),
        (
            "items",
            json!({"type": ["array", "null"], "minItems": fewest_lines, "maxItems": MOST_LINES, "items": line()}),
        ),
        ("currency", schema::currency()),
        ("payment_id", schema::identifier::<PaymentId>()),
        ("payment", payment()),
        ("profile", profile()),
    ]
    .into();
    fields.append(&mut address::properties_of_order());
    fields
}

fn customer() -> Value {
    let fields = [
        ("id", schema::identifier::<CustomerId>()),
        ("name", schema::text(NAME)),
        ("email", email()),
    ];
    schema::nullable(schema::object(fields.into()))
}

fn line() -> Value {
    let fields = [
        ("sku", schema::identifier::<Sku>()),
        ("product_id", schema::identifier::<Sku>()),
        ("name", schema::text(NAME)),
        ("product_name", schema::text(NAME)),
        ("quantity", quantity()),
        ("qty", quantity()),
        ("unit_price", schema::amount()),
        ("price", schema::amount()),
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

fn quantity() -> Value {
    let whole = r"^[0-9]+(\.0+)?$";
    json!({"type": ["integer", "string", "null"], "minimum": 1, "maximum": LARGEST_QUANTITY, "pattern": whole})
}

fn payment() -> Value {
    let fields = [
        ("payment_id", schema::identifier::<PaymentId>()),
        ("method", schema::text(METHOD)),
    ];
    schema::nullable(schema::object(fields.into()))
}

fn email() -> Value {
    let pattern = r"^[^\s<>,;]+@[^\s<>,;@]+$";
    json!({"type": ["string", "null"], "maxLength": EMAIL, "pattern": pattern})
}

fn profile() -> Value {
    let names: Vec<_> = Profile::ALL
        .iter()
        .map(|profile| profile.as_str())
        .collect();
    let blank = json!({"description": "Blank counts as absent.", "type": "string", "maxLength": PROFILE, "pattern": r"^\s*$"});
    json!({"anyOf": [{"enum": names}, blank, {"type": "null"}]})
}
