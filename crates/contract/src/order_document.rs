//! The canonical JSON document of an order.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Document, DocumentError, FieldError, InvalidFields, OrderRequest, Rules};
use domain::{
    Address, Adjustment, Charges, Customer, Decimal, LineItem, Metadata, Money, Notes, Order,
    OrderState, Sku,
};

/// One line item, as in responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItemView {
    pub sku: Sku,
    pub name: Option<String>,
    pub quantity: u32,
    pub unit_price: Decimal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount_amount: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// The amounts of an order beside its line items, as in requests and responses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargesView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_amount: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_amount: Option<Decimal>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prices_include_tax: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<AdjustmentView>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<AdjustmentView>,
}

/// A discount or a fee, as in requests and responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustmentView {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub amount: Decimal,
}

impl From<&Charges> for ChargesView {
    fn from(charges: &Charges) -> Self {
        let views = |adjustments: &[Adjustment]| {
            adjustments
                .iter()
                .map(|adjustment| AdjustmentView {
                    code: adjustment.code.clone(),
                    description: adjustment.description.clone(),
                    amount: adjustment.amount.decimal(),
                })
                .collect()
        };
        Self {
            shipping_amount: charges.shipping.map(Money::decimal),
            tax_amount: charges.tax.map(Money::decimal),
            prices_include_tax: charges.prices_include_tax,
            discounts: views(&charges.discounts),
            fees: views(&charges.fees),
        }
    }
}

impl From<&LineItem> for LineItemView {
    fn from(line: &LineItem) -> Self {
        Self {
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.decimal(),
            discount_amount: line.discount.map(Money::decimal),
            metadata: line.metadata.clone(),
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

/// The parts of an order that most orders do not have, as in requests and responses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDetails {
    #[serde(flatten)]
    pub charges: ChargesView,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    #[serde(flatten)]
    pub notes: Notes,
    /// The reason of the cancellation for the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

impl OrderDetails {
    /// Returns the details as a response shows them.
    #[must_use]
    pub fn addressed_to(self, customer: &Customer) -> Self {
        Self {
            billing_address: self
                .billing_address
                .map(|address| address.addressed_to(customer)),
            ..self
        }
    }

    /// Returns the details of an order, or `None` if it has none.
    pub fn of(order: &Order) -> Option<Self> {
        let details = Self {
            charges: ChargesView::from(&order.charges),
            billing_address: order.billing_address.clone(),
            notes: order.notes.clone(),
            public_reason: None,
        };
        (details != Self::default()).then_some(details)
    }

    /// Returns the details of an order and of its cancellation, or `None` if it has none.
    pub fn of_state(state: &OrderState) -> Option<Self> {
        let details = Self {
            public_reason: state.public_reason.clone(),
            ..state.order.as_ref().and_then(Self::of).unwrap_or_default()
        };
        (details != Self::default()).then_some(details)
    }
}

/// Returns the order's canonical document, which [`parse_order`] reads. It has only the details that
/// the order has, so that the fingerprint of an order without details is that of earlier releases.
pub fn order_document(order: &Order) -> Value {
    let mut document = json!({
        "customer": order.customer,
        "items": order.lines.iter().map(line_document).collect::<Vec<_>>(),
        "currency": order.currency,
        "shipping_address": order.shipping_address,
        "payment": {"payment_id": order.payment_id, "method": order.payment_method},
    });
    let details = OrderDetails::of(order).map(|details| json!(details));
    if let (Some(document), Some(Value::Object(details))) = (document.as_object_mut(), details) {
        document.extend(details);
    }
    if let Some(quote) = &order.quote {
        document["quote"] = json!(quote);
    }
    document
}

/// Returns the JSON of one line item, as in responses.
pub fn line_document(line: &LineItem) -> Value {
    json!(LineItemView::from(line))
}

/// Returns the document with the amounts as earlier releases wrote them, so that a repeated start of an
/// older order has the same fingerprint: `25.0` in a currency with decimals.
fn earlier_spelling(document: Value, order: &Order) -> Value {
    const AMOUNTS: [&str; 5] = [
        "unit_price",
        "discount_amount",
        "shipping_amount",
        "tax_amount",
        "amount",
    ];
    fn respell(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    let whole = field.as_i64().filter(|_| AMOUNTS.contains(&name.as_str()));
                    // An amount has at most 15 digits, which a double keeps.
                    let double = whole.and_then(|whole| whole.to_string().parse::<f64>().ok());
                    if let Some(double) = double {
                        *field = json!(double);
                    } else if name != "metadata" {
                        respell(field);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(respell),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut document = document;
    if order.currency.exponent() > 0 {
        respell(&mut document);
    }
    document
}

/// Returns the SHA-256 of the canonical document and `salt`, in hexadecimal. Requests that mean the
/// same order have the same fingerprint.
pub fn order_fingerprint(order: &Order, salt: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(earlier_spelling(order_document(order), order).to_string());
    hash.update([0]);
    hash.update(salt);
    HEXLOWER.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_has_the_amounts_of_earlier_releases() {
        let document_of = |currency: &str| {
            let text = format!(
                r#"{{"items": [{{"sku": "A", "quantity": 1, "unit_price": "25.00", "metadata": {{"amount": 3}}}}],
                "currency": "{currency}", "shipping_amount": 4, "fees": [{{"amount": "2.50"}}]}}"#
            )
            .replace("2.50", if currency == "JPY" { "2" } else { "2.50" });
            let order = parse_earlier_order(&text).unwrap();
            let document = order_document(&order);
            (
                document.to_string(),
                earlier_spelling(document, &order).to_string(),
            )
        };
        let (now, earlier) = document_of("USD");
        assert!(now.contains(r#""unit_price":25}"#), "{now}");
        for amount in [
            r#""unit_price":25.0}"#,
            r#""shipping_amount":4.0"#,
            r#""amount":2.5"#,
            r#""metadata":{"amount":3}"#,
        ] {
            assert!(earlier.contains(amount), "{amount}: {earlier}");
        }
        let (now, earlier) = document_of("JPY");
        assert_eq!(now, earlier);
    }
}
