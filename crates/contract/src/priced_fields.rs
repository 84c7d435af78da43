//! The fields of an order that decide what it costs. A quote sets them; a customer's caller does not.

use serde_json::{Map, Value, json};

use crate::{FieldError, InvalidFields};

/// The fields of an order that decide its price.
const OF_ORDER: [&str; 7] = [
    "currency",
    "shipping_amount",
    "tax_amount",
    "prices_include_tax",
    "discounts",
    "fees",
    "profile",
];
/// The fields of a line item that decide its price.
const OF_LINE: [&str; 3] = ["unit_price", "price", "discount_amount"];

/// The fields of an order that name its customer, whom a quote sets.
const OF_CUSTOMER: [&str; 2] = ["customer_id", "customer_email"];
/// The same fields in the object `customer`.
const IN_CUSTOMER: [&str; 2] = ["id", "email"];
/// The names of a line item, which a quote can set.
const NAMES_OF_LINE: [&str; 2] = ["name", "product_name"];

/// The fields of an order that a quote sets.
pub const QUOTED_FIELDS: [&str; 10] = [
    "items",
    "currency",
    "shipping_amount",
    "tax_amount",
    "prices_include_tax",
    "discounts",
    "fees",
    "profile",
    "customer_id",
    "customer_email",
];

/// Returns the pointers of all fields in the body of a request that decide what the order costs. The
/// body can be invalid.
pub fn priced_fields(body: &Value) -> Vec<String> {
    let mut found: Vec<String> = present(body, &OF_ORDER)
        .map(|name| format!("/{name}"))
        .collect();
    for (index, line) in lines(body).iter().enumerate() {
        found.extend(present(line, &OF_LINE).map(|name| format!("/items/{index}/{name}")));
    }
    found
}

/// Returns the pointers of all fields in the body of a request that a quote can set, except its items.
fn quoted_fields(body: &Value) -> Vec<String> {
    let mut found = priced_fields(body);
    found.extend(present(body, &OF_CUSTOMER).map(|name| format!("/{name}")));
    if let Some(customer) = body.get("customer") {
        found.extend(present(customer, &IN_CUSTOMER).map(|name| format!("/customer/{name}")));
    }
    for (index, line) in lines(body).iter().enumerate() {
        found.extend(present(line, &NAMES_OF_LINE).map(|name| format!("/items/{index}/{name}")));
    }
    found
}

/// A field with `null` or a blank text counts as absent.
fn present<'n>(object: &Value, names: &'n [&'n str]) -> impl Iterator<Item = &'n str> {
    names
        .iter()
        .filter(|name| match object.get(**name) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
        })
        .copied()
}

fn lines(body: &Value) -> &[Value] {
    body.get("items")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The claims of a verified quote that set fields of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotedFields {
    /// The id of the quote, and of the key that has signed it.
    pub id: String,
    pub key_id: String,
    pub claims: Map<String, Value>,
}

/// Returns the body with the fields of the quote.
///
/// # Errors
///
/// The body has a field that the quote sets, or other line items than the quote.
pub fn with_quote(body: &Value, quote: &QuotedFields) -> Result<Value, InvalidFields> {
    let error = |pointer: String, detail: &str| FieldError {
        pointer,
        detail: detail.to_owned(),
    };
    let mut errors: Vec<FieldError> = quoted_fields(body)
        .into_iter()
        .map(|pointer| error(pointer, "must be absent, because the quote sets it"))
        .collect();
    let quoted = quote.claims.get("items").map(quantities);
    let sent = lines(body);
    if !sent.is_empty() && Some(quantities(&body["items"])) != quoted {
        errors.push(error(
            "/items".to_owned(),
            "must be absent, or have the SKUs and the quantities of the quote",
        ));
    }
    if !errors.is_empty() {
        return Err(InvalidFields(errors));
    }
    let mut merged = body.as_object().cloned().unwrap_or_default();
    for name in OF_ORDER.iter().chain(&["items"]) {
        merged.remove(*name);
        if let Some(value) = quote.claims.get(*name) {
            merged.insert((*name).to_owned(), value.clone());
        }
    }
    keep_metadata(&mut merged, sent);
    for (claim, field) in [("customer_id", "customer_id"), ("email", "customer_email")] {
        if let Some(value) = quote.claims.get(claim) {
            merged.insert(field.to_owned(), value.clone());
        }
    }
    merged.insert(
        "quote".to_owned(),
        json!({"id": quote.id, "key_id": quote.key_id}),
    );
    Ok(Value::Object(merged))
}

/// Adds the metadata of the sent line items, which the quote does not set.
fn keep_metadata(merged: &mut Map<String, Value>, sent: &[Value]) {
    let quoted = merged.get_mut("items").and_then(Value::as_array_mut);
    for (line, sent) in quoted.into_iter().flatten().zip(sent) {
        if let (Some(line), Some(metadata)) = (line.as_object_mut(), sent.get("metadata")) {
            line.insert("metadata".to_owned(), metadata.clone());
        }
    }
}

/// Returns SKU and quantity of each line item, as texts.
fn quantities(items: &Value) -> Vec<(String, String)> {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .map(|line| {
            let of = |one: &str, other: &str| text(line.get(one).or_else(|| line.get(other)));
            (of("sku", "product_id"), of("quantity", "qty"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_price_is_found() {
        let body = json!({
            "items": [{"sku": "A", "price": 1}, {"sku": "B", "unit_price": "0.01", "discount_amount": 1, "quantity": 2}],
            "currency": "KWD", "fees": [], "discounts": null, "profile": " ", "total_amount": 3,
        });
        assert_eq!(
            priced_fields(&body),
            [
                "/currency",
                "/fees",
                "/items/0/price",
                "/items/1/unit_price",
                "/items/1/discount_amount"
            ]
        );
        assert!(priced_fields(&json!([1])).is_empty());
    }

    #[test]
    fn quote_sets_prices_of_same_items() {
        let claims = json!({
            "customer_id": "C-1", "currency": "EUR", "aud": "orderflow",
            "items": [{"sku": "A", "quantity": 2, "unit_price": "10.00"}],
        });
        let quote = QuotedFields {
            id: "q".to_owned(),
            key_id: "k".to_owned(),
            claims: claims.as_object().unwrap().clone(),
        };
        let merged = with_quote(
            &json!({
                "items": [{"sku": "A", "qty": "2", "metadata": {"color": "red"}, "name": " "}],
                "customer": {"name": "Ada", "email": null}, "note": "hi",
            }),
            &quote,
        );
        let mut items = claims["items"].clone();
        items[0]["metadata"] = json!({"color": "red"});
        assert_eq!(
            merged.unwrap(),
            json!({
                "customer_id": "C-1", "currency": "EUR", "items": items, "note": "hi",
                "customer": {"name": "Ada", "email": null},
                "quote": {"id": "q", "key_id": "k"},
            })
        );
        let pointers = |body: Value| -> Vec<String> {
            let refused = with_quote(&body, &quote).unwrap_err();
            refused.0.into_iter().map(|error| error.pointer).collect()
        };
        assert_eq!(
            pointers(json!({"currency": "EUR", "items": [{"sku": "A", "quantity": 3}]})),
            ["/currency", "/items"]
        );
        assert_eq!(
            pointers(json!({
                "customer_id": "C-1", "customer_email": "a@b.example",
                "customer": {"id": "C-1", "name": "Ada", "email": "a@b.example"},
                "items": [{"sku": "A", "quantity": 2, "name": "Mug", "product_name": "Mug"}],
            })),
            [
                "/customer_id",
                "/customer_email",
                "/customer/id",
                "/customer/email",
                "/items/0/name",
                "/items/0/product_name"
            ]
        );
    }
}
