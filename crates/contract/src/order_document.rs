//! The canonical JSON document of an order.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Document, DocumentError, FieldError, InvalidFields, OrderRequest, Rules};
use domain::{Decimal, LineItem, Order, Sku};

/// One line item, as in responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItemView {
    pub sku: Sku,
    pub name: Option<String>,
    pub quantity: u32,
    pub unit_price: Decimal,
}

impl From<&LineItem> for LineItemView {
    fn from(line: &LineItem) -> Self {
        Self {
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.decimal(),
        }
    }
}

/// Reads an order document in any accepted spelling.
///
/// # Errors
///
/// Returns all missing and invalid fields.
pub fn parse_order(text: &str) -> Result<Order, InvalidFields> {
    parse(text, Rules::Current)
}

/// Reads the document of an order that an earlier release accepted, with the rules of that time.
///
/// # Errors
///
/// Returns all missing and invalid fields.
pub fn parse_earlier_order(text: &str) -> Result<Order, InvalidFields> {
    parse(text, Rules::Earlier)
}

fn parse(text: &str, rules: Rules) -> Result<Order, InvalidFields> {
    let not_json = |error: DocumentError| {
        InvalidFields(vec![FieldError {
            pointer: String::new(),
            detail: error.to_string(),
        }])
    };
    Document::parse_with(text, rules)
        .map_err(not_json)?
        .read_object(OrderRequest::from_fields)?
        .into_order()
}

/// Returns the order's canonical document, which [`parse_order`] reads.
pub fn order_document(order: &Order) -> Value {
    json!({
        "customer": order.customer,
        "items": order.lines.iter().map(line_document).collect::<Vec<_>>(),
        "currency": order.currency,
        "shipping_address": order.shipping_address,
        "payment": {"payment_id": order.payment_id, "method": order.payment_method},
    })
}

/// Returns the JSON of one line item, as in responses.
pub fn line_document(line: &LineItem) -> Value {
    json!(LineItemView::from(line))
}

/// Returns the SHA-256 of the canonical document and `salt`, in hexadecimal. Requests that mean the
/// same order have the same fingerprint.
pub fn order_fingerprint(order: &Order, salt: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(order_document(order).to_string());
    hash.update([0]);
    hash.update(salt);
    HEXLOWER.encode(&hash.finalize())
}
