//! Request bodies: the schemas of their readers, and examples.

use serde_json::{Map, Value, json};

use crate::examples;
use contract::{
    Approval, Cancellation, DeliveryConfirmation, EndpointChangeRequest, EndpointRequest,
    HoldRequest, OrderRequest, PaymentCancellation, PaymentConfirmation, RefundRequest, Rejection,
    Release, Request, ReturnNote, ReturnReceipt, ReturnRequest, StockRequest,
};
use domain::{AddressChange, ItemsChange, NotesChange};

/// One kind of request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Order,
    PartialOrder,
    Approval,
    Rejection,
    Cancellation,
    PaymentCancellation,
    Address,
    Payment,
    Delivery,
    Hold,
    Release,
    Notes,
    Items,
    Refund,
    Return,
    ReturnNote,
    ReturnReceipt,
    Stock,
    Endpoint,
    EndpointChange,
}

impl Body {
    pub(crate) const ALL: [Self; 20] = [
        Self::Order,
        Self::PartialOrder,
        Self::Approval,
        Self::Rejection,
        Self::Cancellation,
        Self::PaymentCancellation,
        Self::Address,
        Self::Payment,
        Self::Delivery,
        Self::Hold,
        Self::Release,
        Self::Notes,
        Self::Items,
        Self::Refund,
        Self::Return,
        Self::ReturnNote,
        Self::ReturnReceipt,
        Self::Stock,
        Self::Endpoint,
        Self::EndpointChange,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Order => "OrderRequest",
            Self::PartialOrder => "StartRequest",
            Self::Approval => "Approval",
            Self::Rejection => "Rejection",
            Self::Cancellation => "Cancellation",
            Self::PaymentCancellation => "PaymentCancellation",
            Self::Address => "AddressChange",
            Self::Payment => "PaymentConfirmation",
            Self::Delivery => "DeliveryConfirmation",
            Self::Hold => "HoldRequest",
            Self::Release => "ReleaseRequest",
            Self::Notes => "OrderUpdateRequest",
            Self::Items => "ItemsRequest",
            Self::Refund => "RefundRequest",
            Self::Return => "ReturnRequest",
            Self::ReturnNote => "ReturnNote",
            Self::ReturnReceipt => "ReturnReceipt",
            Self::Stock => "StockRequest",
            Self::Endpoint => "EndpointRequest",
            Self::EndpointChange => "EndpointChange",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Order => with_quote(OrderRequest::schema()),
            Self::PartialOrder => with_quote(OrderRequest::partial_schema()),
            Self::Approval => <Approval as Request>::schema(),
            Self::Rejection => <Rejection as Request>::schema(),
            Self::Cancellation => <Cancellation as Request>::schema(),
            Self::PaymentCancellation => <PaymentCancellation as Request>::schema(),
            Self::Address => <AddressChange as Request>::schema(),
            Self::Payment => <PaymentConfirmation as Request>::schema(),
            Self::Delivery => <DeliveryConfirmation as Request>::schema(),
            Self::Hold => <HoldRequest as Request>::schema(),
            Self::Release => <Release as Request>::schema(),
            Self::Notes => <NotesChange as Request>::schema(),
            Self::Items => <ItemsChange as Request>::schema(),
            Self::Refund => <RefundRequest as Request>::schema(),
            Self::Return => <ReturnRequest as Request>::schema(),
            Self::ReturnNote => <ReturnNote as Request>::schema(),
            Self::ReturnReceipt => <ReturnReceipt as Request>::schema(),
            Self::Stock => <StockRequest as Request>::schema(),
            Self::Endpoint => <EndpointRequest as Request>::schema(),
            Self::EndpointChange => <EndpointChangeRequest as Request>::schema(),
        }
    }

    /// Returns whether a request must have a body.
    const fn is_required(self) -> bool {
        match self {
            Self::Order
            | Self::Address
            | Self::Payment
            | Self::Stock
            | Self::Notes
            | Self::Items
            | Self::Refund
            | Self::Return
            | Self::Endpoint => true,
            Self::PartialOrder
            | Self::Approval
            | Self::Rejection
            | Self::Cancellation
            | Self::PaymentCancellation
            | Self::Delivery
            | Self::Hold
            | Self::Release
            | Self::ReturnNote
            | Self::ReturnReceipt
            | Self::EndpointChange => false,
        }
    }

    /// Returns the named examples of this body.
    pub(crate) fn examples(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Order => examples::order_requests(),
            Self::PartialOrder => examples::start_requests(),
            Self::Approval => {
                vec![
                    (
                        "with_note",
                        json!({"reviewer": "ann", "note": "called the customer"}),
                    ),
                    ("empty", json!({})),
                ]
            }
            Self::Rejection => vec![
                (
                    "with_reason",
                    json!({"reviewer": "ann", "reason": "address does not exist"}),
                ),
                ("empty", json!({})),
            ],
            Self::PaymentCancellation => {
                vec![
                    ("with_reason", json!({"reason": "wrong card"})),
                    ("empty", json!({})),
                ]
            }
            Self::Cancellation => vec![
                ("with_reason", json!({"reason": "changed my mind"})),
                ("empty", json!({})),
            ],
            Self::Hold => vec![
                (
                    "with_reason",
                    json!({"reason": "the customer asked to wait"}),
                ),
                ("empty", json!({})),
            ],
            Self::Release => vec![
                ("with_reason", json!({"reason": "the customer called"})),
                ("empty", json!({})),
            ],
            Self::Items => vec![(
                "one_unit",
                json!({"items": [{"sku": "ABC123", "quantity": 1}]}),
            )],
            Self::Notes => vec![
                (
                    "reference_and_metadata",
                    json!({"external_reference": "ERP-4711", "metadata": {"channel": "web", "batch": null}}),
                ),
                ("note_removed", json!({"note": null})),
            ],
            Self::Address => examples::address_changes(),
            Self::Payment => vec![
                (
                    "amount_as_number",
                    json!({"transaction_id": "tx-1001", "amount": 99.99, "payment_method": "card"}),
                ),
                (
                    "amount_as_string_with_currency",
                    json!({"transaction_id": "tx-1001", "amount": "99.99", "currency": "USD"}),
                ),
            ],
            Self::Delivery => vec![
                (
                    "with_signature",
                    json!({"delivered_at": "2026-11-24T10:15:00Z", "signed_by": "J. Doe"}),
                ),
                ("empty", json!({})),
            ],
            Self::Refund => vec![
                (
                    "part_of_the_payment",
                    json!({"amount": "20.00", "reason": "4711: a scratch", "public_reason": "a scratch"}),
                ),
                (
                    "items",
                    json!({"items": [{"sku": "ABC123", "quantity": 1}], "restock": true, "reason": "not used"}),
                ),
            ],
            Self::Return => vec![(
                "one_item",
                json!({"items": [{"sku": "ABC123", "quantity": 1, "reason": "too small"}]}),
            )],
            Self::ReturnNote => vec![
                ("with_reason", json!({"reason": "the label is in the mail"})),
                ("empty", json!({})),
            ],
            Self::ReturnReceipt => vec![
                (
                    "some_units",
                    json!({"items": [{"sku": "ABC123", "quantity": 1}], "restock": true}),
                ),
                ("empty", json!({})),
            ],
            Self::Stock => vec![
                (
                    "counted",
                    json!({"available": 120, "reason": "stocktaking"}),
                ),
                ("adjusted", json!({"adjust": -3, "reason": "damaged"})),
            ],
            Self::Endpoint => vec![
                ("all_events", json!({"url": "https://shop.example/hooks"})),
                (
                    "some_events",
                    json!({
                        "url": "https://shop.example/hooks", "events": ["order.shipped", "order.delivered"],
                        "description": "The shop's tracking page",
                    }),
                ),
            ],
            Self::EndpointChange => vec![
                ("events_only", json!({"events": ["order.shipped"]})),
                ("empty", json!({})),
            ],
        }
    }

    pub(crate) fn request(self) -> Value {
        let example = |(name, value): (&str, Value)| {
            let summary = summary_of(name);
            (name.to_owned(), json!({"summary": summary, "value": value}))
        };
        let examples: Map<String, Value> = self.examples().into_iter().map(example).collect();
        let schema = json!({"$ref": format!("#/components/schemas/{}", self.name())});
        json!({"required": self.is_required(), "content": {"application/json": {"schema": schema, "examples": examples}}})
    }
}

/// Adds the quote, which the function `start` replaces by the fields that it sets.
fn with_quote(mut order: Value) -> Value {
    order["properties"]["quote"] = json!({
        "type": ["string", "null"],
        "description": "Prices that the shop has signed for a customer's app (docs/quotes.md).",
    });
    order
}

/// Returns the summary of the example with this name.
fn summary_of(name: &str) -> &str {
    match name {
        "complete" => "Order with all fields",
        "short_names" => "Order with short field names",
        "all_amounts" => "Order with shipping, tax, discounts and notes",
        "flat_fields" => "Order with flat fields",
        "payment_id" => "Order with a payment id",
        "payment_id_and_address" => "Order with a payment id and an address",
        "empty_with_sample_cart" => "Order of the sample item, without fields",
        "street_only" => "Change of the street only",
        "flat" => "Address with flat fields",
        "nested" => "Address as an object",
        "with_note" => "Approval with a note",
        "with_reason" => "Request with a reason",
        "amount_as_number" => "Amount as a number",
        "amount_as_string_with_currency" => "Amount as a string, with its currency",
        "with_signature" => "Delivery with the signer's name",
        "reference_and_metadata" => "Another reference, a value set and a value removed",
        "one_unit" => "One unit of a SKU",
        "note_removed" => "Note removed",
        "items" => "Refund of items, which are available again",
        "part_of_the_payment" => "Refund of a part of the payment",
        "one_item" => "Return of one item, with the customer's reason",
        "some_units" => "Receipt of some units, which are available again",
        "counted" => "Number of available units",
        "adjusted" => "Fewer units than before",
        "all_events" => "Endpoint for all types of messages",
        "some_events" => "Endpoint for some types of messages",
        "events_only" => "Other types of messages",
        "empty" => "Request without fields",
        _ => name,
    }
}

pub(crate) fn schemas() -> Map<String, Value> {
    Body::ALL
        .map(|body| (body.name().to_owned(), body.schema()))
        .into_iter()
        .collect()
}
