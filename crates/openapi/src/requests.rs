//! Bodies that callers send: the schemas that stand next to their readers, and examples of each.

use serde_json::{Map, Value, json};

use crate::examples;
use contract::{
    Approval, Cancellation, DeliveryConfirmation, OrderRequest, PaymentCancellation,
    PaymentConfirmation, Rejection, Request,
};
use domain::AddressChange;

/// One kind of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Order,
    Sketch,
    Approval,
    Rejection,
    Cancellation,
    PaymentCancellation,
    Address,
    Payment,
    Delivery,
}

impl Body {
    pub(crate) const ALL: [Self; 9] = [
        Self::Order,
        Self::Sketch,
        Self::Approval,
        Self::Rejection,
        Self::Cancellation,
        Self::PaymentCancellation,
        Self::Address,
        Self::Payment,
        Self::Delivery,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Order => "OrderRequest",
            Self::Sketch => "StartRequest",
            Self::Approval => "Approval",
            Self::Rejection => "Rejection",
            Self::Cancellation => "Cancellation",
            Self::PaymentCancellation => "PaymentCancellation",
            Self::Address => "AddressChange",
            Self::Payment => "PaymentConfirmation",
            Self::Delivery => "DeliveryConfirmation",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Order => OrderRequest::schema(),
            Self::Sketch => OrderRequest::partial_schema(),
            Self::Approval => <Approval as Request>::schema(),
            Self::Rejection => <Rejection as Request>::schema(),
            Self::Cancellation => <Cancellation as Request>::schema(),
            Self::PaymentCancellation => <PaymentCancellation as Request>::schema(),
            Self::Address => <AddressChange as Request>::schema(),
            Self::Payment => <PaymentConfirmation as Request>::schema(),
            Self::Delivery => <DeliveryConfirmation as Request>::schema(),
        }
    }

    /// Whether there must be one at all.
    const fn is_required(self) -> bool {
        match self {
            Self::Order | Self::Address | Self::Payment => true,
            Self::Sketch
            | Self::Approval
            | Self::Rejection
            | Self::Cancellation
            | Self::PaymentCancellation
            | Self::Delivery => false,
        }
    }

    /// Each with its name, in words.
    pub(crate) fn examples(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Order => examples::orders(),
            Self::Sketch => examples::sketches(),
            Self::Approval => {
                vec![
                    (
                        "with a note",
                        json!({"reviewer": "ann", "note": "called the customer"}),
                    ),
                    ("bare", json!({})),
                ]
            }
            Self::Rejection => vec![
                (
                    "with a reason",
                    json!({"reviewer": "ann", "reason": "address does not exist"}),
                ),
                ("bare", json!({})),
            ],
            Self::PaymentCancellation => {
                vec![
                    ("with a reason", json!({"reason": "wrong card"})),
                    ("bare", json!({})),
                ]
            }
            Self::Cancellation => vec![
                ("with a reason", json!({"reason": "changed my mind"})),
                ("bare", json!({})),
            ],
            Self::Address => examples::addresses(),
            Self::Payment => vec![
                (
                    "a number",
                    json!({"transaction_id": "tx-1001", "amount": 99.99, "payment_method": "card"}),
                ),
                (
                    "a string, with its currency",
                    json!({"transaction_id": "tx-1001", "amount": "99.99", "currency": "USD"}),
                ),
            ],
            Self::Delivery => vec![
                (
                    "with a signature",
                    json!({"delivered_at": "2026-11-24T10:15:00Z", "signed_by": "J. Doe"}),
                ),
                ("bare", json!({})),
            ],
        }
    }

    pub(crate) fn request(self) -> Value {
        let example =
            |(name, value)| (String::from(name), json!({"summary": name, "value": value}));
        let examples: Map<String, Value> = self.examples().into_iter().map(example).collect();
        let schema = json!({"$ref": format!("#/components/schemas/{}", self.name())});
        json!({"required": self.is_required(), "content": {"application/json": {"schema": schema, "examples": examples}}})
    }
}

pub(crate) fn schemas() -> Map<String, Value> {
    Body::ALL
        .map(|body| (body.name().to_owned(), body.schema()))
        .into_iter()
        .collect()
}
