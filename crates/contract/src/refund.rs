//! Refunds that the shop makes: the request, the decision about it, and the view.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Fields, RefusalCode, Request,
    item_quantity::{items_schema, take_items},
    request::reason_fields,
    schema,
};
use domain::{Currency, Decimal, ItemQuantity, OrderId, OrderStatus, RefundId, RefundState};

pub(crate) const MAX_REASON_LENGTH: usize = 500;

/// A request to refund a part of an order's captured money: an amount, or the value of units and of
/// shipping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequest {
    /// The amount in the order's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// Each SKU once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemQuantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_amount: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    /// Whether the units are available again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restock: bool,
}

fn take_amount(fields: &mut Fields<'_, '_>, name: &str) -> Option<Decimal> {
    let amount = fields.take_number::<Decimal>(&[name]);
    if amount.is_some_and(|amount| !amount.is_positive()) {
        fields.reject(name, "must be above zero");
    }
    amount
}

impl Request for RefundRequest {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let amount = take_amount(fields, "amount");
        let items = take_items::<1>(fields).unwrap_or_default();
        let shipping_amount = take_amount(fields, "shipping_amount");
        let reason = fields.take_text(&["reason"], MAX_REASON_LENGTH);
        let public_reason = fields.take_text(&["public_reason"], MAX_REASON_LENGTH);
        let restock = fields.take_flag(&["restock"]).unwrap_or_default();
        let is_rejected = fields.is_rejected(&["amount", "items", "shipping_amount"]);
        let has_parts = !items.is_empty() || shipping_amount.is_some();
        if amount.is_some() && has_parts {
            fields.reject("amount", "must be absent beside items and shipping_amount");
        } else if amount.is_none() && !has_parts && !is_rejected {
            fields.reject("amount", "is required, or items");
        }
        if restock && items.is_empty() && !is_rejected {
            fields.reject("restock", "is only for items");
        }
        Some(Self {
            amount,
            items,
            shipping_amount,
            reason,
            public_reason,
            restock,
        })
    }

    fn object_schema() -> Value {
        let mut properties = reason_fields();
        properties.extend([
            ("amount", schema::above_zero()),
            ("items", items_schema(1, [])),
            ("shipping_amount", schema::above_zero()),
            ("restock", json!({"type": ["boolean", "null"]})),
        ]);
        schema::object(properties)
    }
}

/// A refund, as in responses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundView {
    pub refund_id: RefundId,
    pub order_id: OrderId,
    pub state: RefundState,
    pub amount: Decimal,
    pub currency: Currency,
    /// The part of `amount` that the customer got back.
    pub refunded_amount: Decimal,
    /// The units whose value is refunded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemQuantity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_amount: Option<Decimal>,
    /// Whether the units are available again.
    #[serde(default)]
    pub restock: bool,
    /// The reason of the shop. Customers read `public_reason` here.
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    /// The reason why the refund failed or is due.
    pub failure: Option<String>,
    /// The name of the caller.
    pub requested_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The body of `GET /orders/{id}/refunds`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundList {
    /// Oldest first.
    pub refunds: Vec<RefundView>,
}

/// The decision about a request for a refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RefundDecision {
    /// The money is reserved for the refund, by this request or by an earlier one with the same key.
    Accepted {
        refund: Box<RefundView>,
        /// The number of the audit event of the request. An open order writes it later, and decisions of
        /// earlier releases have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u32>,
    },
    /// The order has another state than the request's `If-Match`.
    OrderChanged {
        /// The number of the last audit event.
        seq: u32,
    },
    Refused {
        code: RefusalCode,
        detail: String,
        order_status: OrderStatus,
    },
    /// A field does not fit the order.
    Invalid { pointer: String, detail: String },
    /// The database has no order with this id.
    UnknownOrder,
    /// An earlier request with the same key had another body.
    KeyReused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Sku;

    fn read(text: &str) -> Result<RefundRequest, String> {
        RefundRequest::parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn amount_or_items_are_read() {
        let amount = RefundRequest {
            amount: Some("5.00".parse().unwrap()),
            reason: Some("broken".to_owned()),
            public_reason: Some("a scratch".to_owned()),
            ..RefundRequest::default()
        };
        let text = r#"{"amount": "5.00", "reason": "broken", "public_reason": "a scratch"}"#;
        assert_eq!(read(text), Ok(amount));
        let items = RefundRequest {
            items: vec![ItemQuantity {
                sku: Sku::parse("A").unwrap(),
                quantity: 2,
            }],
            shipping_amount: Some("1".parse().unwrap()),
            restock: true,
            ..RefundRequest::default()
        };
        let text = r#"{"items": [{"product_id": "A", "qty": "2"}], "shipping_amount": 1, "restock": true}"#;
        assert_eq!(read(text), Ok(items));
    }

    #[test]
    fn invalid_request_names_the_field() {
        for (text, expected) in [
            ("{}", "/amount is required, or items"),
            (r#"{"amount": 0}"#, "/amount must be above zero"),
            (r#"{"amount": -1}"#, "/amount must be above zero"),
            (r#"{"amount": 1, "sku": "A"}"#, "/sku is not a known field"),
            (r#"{"items": []}"#, "/items must have at least one item"),
            (
                r#"{"items": [{"sku": "A", "quantity": 0}]}"#,
                "/items/0/quantity must be a whole number from 1",
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 1}, {"sku": "A", "qty": 1}]}"#,
                "/items must name each SKU once",
            ),
            (
                r#"{"amount": 1, "shipping_amount": 1}"#,
                "/amount must be absent beside items",
            ),
            (
                r#"{"amount": 1, "restock": true}"#,
                "/restock is only for items",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
