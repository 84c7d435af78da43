//! Returns of delivered units: the requests, the decision about them, and the view.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Fields, RefusalCode, Request,
    item_quantity::{items_schema, require_different_skus, take_item, take_items},
    order_request::MAX_LINE_ITEMS,
    refund::MAX_REASON_LENGTH,
    request::reason_fields,
    schema,
};
use domain::{
    ItemQuantity, OrderId, OrderStatus, RefundId, ReturnId, ReturnState, ReturnStep, Sku,
};

/// Units of one SKU in a return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    pub sku: Sku,
    /// The units that the customer wants to send back.
    pub quantity: u32,
    /// The customer's reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// The units that the shop has received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_quantity: Option<u32>,
}

/// A request to return units of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRequest {
    /// Each SKU once.
    pub items: Vec<ReturnLine>,
}

impl Request for ReturnRequest {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        fields.require_any(&["items"]);
        let items = fields.take_objects(&["items"], MAX_LINE_ITEMS, |item| {
            let units = take_item::<1>(item);
            let reason = item.take_text(&["reason"], MAX_REASON_LENGTH);
            let ItemQuantity { sku, quantity } = units?;
            Some(ReturnLine {
                sku,
                quantity,
                reason,
                received_quantity: None,
            })
        })?;
        require_different_skus(fields, items.iter().map(|item| &item.sku));
        Some(Self { items })
    }

    fn object_schema() -> Value {
        let items = items_schema(1, [("reason", schema::text(MAX_REASON_LENGTH))]);
        schema::requiring(schema::object([("items", items)].into()), &[&["items"]])
    }
}

/// A request to approve, reject or cancel a return.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnNote {
    pub reason: Option<String>,
    /// The reason for the customer, who does not read the other text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
}

impl Request for ReturnNote {
    const TEXT_FIELD: Option<&'static str> = Some("reason");

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            reason: fields.take_text(&["reason"], MAX_REASON_LENGTH),
            public_reason: fields.take_text(&["public_reason"], MAX_REASON_LENGTH),
        })
    }

    fn object_schema() -> Value {
        schema::object(reason_fields())
    }
}

/// A report that the units of a return are back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnReceipt {
    /// The received units, each SKU once. Without items, all units of the return are received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemQuantity>,
    /// Whether the units are available again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restock: bool,
}

impl Request for ReturnReceipt {
    const TEXT_FIELD: Option<&'static str> = None;

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            items: take_items::<1>(fields).unwrap_or_default(),
            restock: fields.take_flag(&["restock"]).unwrap_or_default(),
        })
    }

    fn object_schema() -> Value {
        schema::object(
            [
                ("items", items_schema(1, [])),
                ("restock", json!({"type": ["boolean", "null"]})),
            ]
            .into(),
        )
    }
}

/// A request about a return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ReturnChange {
    Request(ReturnRequest),
    Approve(ReturnNote),
    Reject(ReturnNote),
    Receive(ReturnReceipt),
    Cancel(ReturnNote),
}

impl ReturnChange {
    /// Returns the change of state of an existing return; `None` for the request that creates it.
    pub const fn step(&self) -> Option<ReturnStep> {
        match self {
            Self::Request(_) => None,
            Self::Approve(_) => Some(ReturnStep::Approve),
            Self::Reject(_) => Some(ReturnStep::Reject),
            Self::Receive(_) => Some(ReturnStep::Receive),
            Self::Cancel(_) => Some(ReturnStep::Cancel),
        }
    }
}

/// A return, as in responses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnView {
    pub return_id: ReturnId,
    pub order_id: OrderId,
    pub state: ReturnState,
    pub items: Vec<ReturnLine>,
    /// Whether the received units are available again.
    pub restock: bool,
    /// The reason of the shop's decision, or of the cancellation. Customers read `public_reason` here.
    pub note: Option<String>,
    /// The reason for the customer. Customers do not read this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_reason: Option<String>,
    /// The refund of the received units; `None` before their receipt, and without money to refund.
    pub refund_id: Option<RefundId>,
    /// The name of the caller.
    pub requested_by: String,
    /// Whether the caller was one of the customer.
    #[serde(default)]
    pub requested_by_customer: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl ReturnView {
    /// Returns the return as a customer reads it: without the texts and the name of a caller of the shop.
    #[must_use]
    pub fn for_customer(self) -> Self {
        let Self {
            return_id,
            order_id,
            state,
            mut items,
            restock,
            note: _,
            public_reason,
            refund_id,
            mut requested_by,
            requested_by_customer,
            created_at,
            updated_at,
        } = self;
        if !requested_by_customer {
            items.iter_mut().for_each(|item| item.reason = None);
            "shop".clone_into(&mut requested_by);
        }
        Self {
            return_id,
            order_id,
            state,
            items,
            restock,
            note: public_reason,
            public_reason: None,
            refund_id,
            requested_by,
            requested_by_customer,
            created_at,
            updated_at,
        }
    }
}

/// The body of `GET /orders/{id}/returns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnList {
    /// Oldest first.
    pub returns: Vec<ReturnView>,
}

/// The decision about a request about a return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReturnDecision {
    /// The request is in effect, by this request or by an earlier one.
    Accepted {
        #[serde(rename = "return")]
        view: Box<ReturnView>,
        /// The number of the audit event of the request. Decisions of earlier releases have none.
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
    /// A field does not fit the order or the return.
    Invalid {
        pointer: String,
        detail: String,
    },
    /// The database has no order with this id, or the order of another customer.
    UnknownOrder,
    UnknownReturn,
    /// An earlier request with the same key had another body.
    KeyReused,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of<T: Request>(text: &str) -> String {
        T::parse(text).err().unwrap().to_string()
    }

    #[test]
    fn request_has_a_reason_for_each_item() {
        let text = r#"{"items": [{"sku": "A", "quantity": 2, "reason": " too small "}, {"product_id": "B", "qty": "1"}]}"#;
        let items = ReturnRequest::parse(text).unwrap().items;
        assert_eq!(
            (
                items[0].reason.as_deref(),
                items[1].quantity,
                &items[1].reason
            ),
            (Some("too small"), 1, &None)
        );
        for (text, expected) in [
            ("{}", "/items is required"),
            (r#"{"items": []}"#, "/items must have at least one item"),
            (
                r#"{"items": [{"sku": "A", "quantity": 0}]}"#,
                "/items/0/quantity must be a whole number from 1",
            ),
            (
                r#"{"items": [{"sku": "A", "qty": 1}, {"sku": "A", "qty": 1}]}"#,
                "/items must name each SKU once",
            ),
            (r#"{"reason": "x"}"#, "/reason is not a known field"),
        ] {
            let error = error_of::<ReturnRequest>(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn receipt_without_items_is_of_all_units() {
        assert_eq!(ReturnReceipt::parse(""), Ok(ReturnReceipt::default()));
        let error = error_of::<ReturnReceipt>(r#"{"items": []}"#);
        assert!(error.contains("at least one item"), "{error}");
    }

    #[test]
    fn customer_reads_no_text_of_the_shop() {
        let by_customer = |requested_by_customer: bool| {
            let line = ReturnLine {
                sku: Sku::parse("A").unwrap(),
                quantity: 1,
                reason: Some("too small".to_owned()),
                received_quantity: None,
            };
            let view = ReturnView {
                return_id: ReturnId::parse("RT-1").unwrap(),
                order_id: OrderId::parse("o-1").unwrap(),
                state: ReturnState::Rejected,
                items: vec![line],
                restock: false,
                note: Some("chargeback ring".to_owned()),
                public_reason: Some("after 30 days".to_owned()),
                refund_id: None,
                requested_by: "key:caller".to_owned(),
                requested_by_customer,
                created_at: DateTime::UNIX_EPOCH,
                updated_at: DateTime::UNIX_EPOCH,
            };
            view.for_customer()
        };
        for view in [by_customer(true), by_customer(false)] {
            assert_eq!(view.note.as_deref(), Some("after 30 days"));
            assert_eq!(view.public_reason, None);
        }
        let own = by_customer(true);
        assert_eq!(own.items[0].reason.as_deref(), Some("too small"));
        assert_eq!(own.requested_by, "key:caller");
        let other = by_customer(false);
        assert_eq!(other.items[0].reason, None);
        assert_eq!(other.requested_by, "shop");
    }

    #[test]
    fn change_keeps_its_name_on_the_wire() {
        let change = ReturnChange::Receive(ReturnReceipt {
            items: Vec::new(),
            restock: true,
        });
        assert_eq!(
            serde_json::to_value(&change).unwrap(),
            json!({"change": "receive", "restock": true})
        );
        assert_eq!(change.step(), Some(ReturnStep::Receive));
    }
}
