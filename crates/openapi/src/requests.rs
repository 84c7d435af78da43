//! Request bodies: the schemas of their readers, and examples.

use serde_json::{Map, Value, json};

use crate::examples;
use contract::{
    Approval, Cancellation, DeliveryConfirmation, HoldRequest, OrderRequest, PaymentCancellation,
    PaymentConfirmation, Rejection, Release, Request, StockRequest,
};
use domain::AddressChange;

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
    Stock,
}

impl Body {
    pub(crate) const ALL: [Self; 12] = [
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
        Self::Stock,
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
            Self::Stock => "StockRequest",
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
            Self::Stock => <StockRequest as Request>::schema(),
        }
    }

    /// Returns whether a request must have a body.
    const fn is_required(self) -> bool {
        match self {
            Self::Order | Self::Address | Self::Payment | Self::Stock => true,
            Self::PartialOrder
            | Self::Approval
            | Self::Rejection
            | Self::Cancellation
            | Self::PaymentCancellation
            | Self::Delivery
            | Self::Hold
            | Self::Release => false,
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
            Self::Stock => vec![
                (
                    "counted",
                    json!({"available": 120, "reason": "stocktaking"}),
                ),
                ("adjusted", json!({"adjust": -3, "reason": "damaged"})),
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
        "counted" => "Number of available units",
        "adjusted" => "Fewer units than before",
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
