//! When an entry of each type is written, and what it tells. A type that is not here does not compile.
//!
//! No payload has an address or a mail address; what people wrote themselves (`reason`, `note`, `reviewer`,
//! `signed_by`) is as they wrote it.

use serde_json::{Map, Value, json};

use crate::{examples, types::Types};
use contract::{FieldError, RefusalCode};
use domain::{
    AuditEventType, Currency, Decimal, FailureCode, OrderPolicy, OrderStatus, PaymentInfo,
    ReviewMode, ShipmentInfo, Sku, Span, TransactionId, WebhookProvider,
};

/// What there is to say of one type of entry.
pub(super) struct Payload {
    /// When it is written.
    pub(super) written: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

/// Each with an example of its value.
struct Field(&'static str, Value, Value);

fn fields<const N: usize>(written: &'static str, fields: [Field; N]) -> Payload {
    let mut properties = Map::new();
    let mut example = Map::new();
    for Field(name, schema, value) in fields {
        properties.insert(name.to_owned(), schema);
        example.insert(name.to_owned(), value);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Payload {
        written,
        schema,
        example: example.into(),
    }
}

fn nothing(written: &'static str) -> Payload {
    fields(written, [])
}

fn payment(written: &'static str, types: &mut Types, status: &str) -> Payload {
    let mut example = examples::payment();
    example["status"] = json!(status);
    Payload {
        written,
        schema: types.of::<PaymentInfo>(),
        example,
    }
}

/// A payment provider's own word.
fn noticed<const N: usize>(written: &'static str, types: &mut Types, more: [Field; N]) -> Payload {
    let source = [
        Field("provider", types.of::<WebhookProvider>(), json!("stripe")),
        Field("event_id", json!({"type": "string"}), json!("evt_1001")),
        Field(
            "transaction_id",
            types.of::<Option<TransactionId>>(),
            json!("pi_1001"),
        ),
    ];
    let mut properties = Map::new();
    let mut example = Map::new();
    for Field(name, schema, value) in source.into_iter().chain(more) {
        properties.insert(name.to_owned(), schema);
        example.insert(name.to_owned(), value);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Payload {
        written,
        schema,
        example: example.into(),
    }
}

pub(super) fn of(kind: AuditEventType, types: &mut Types) -> Payload {
    let words = |name, example: Value| Field(name, json!({"type": ["string", "null"]}), example);
    let text = |name, example: &str| Field(name, json!({"type": "string"}), json!(example));
    let count = |name, least: u32| {
        Field(
            name,
            json!({"type": "integer", "minimum": least}),
            json!(least),
        )
    };
    match kind {
        AuditEventType::OrderReceived => fields(
            "The order has a row. `policy`: how it will be handled, fixed here.",
            [Field(
                "policy",
                types.of::<OrderPolicy>(),
                examples::policy(),
            )],
        ),
        AuditEventType::OrderValidated => fields(
            "It is an order that can be carried out.",
            [
                Field("total", types.of::<Decimal>(), json!(99.99)),
                Field("currency", types.of::<Currency>(), json!("USD")),
            ],
        ),
        AuditEventType::OrderInvalid => fields(
            "It is none (started through Temporal: the API refuses such an order); it fails.",
            [Field(
                "errors",
                types.of::<Vec<FieldError>>(),
                json!([examples::field_error()]),
            )],
        ),
        AuditEventType::InventoryReserved => nothing("All of its pieces are held for it."),
        AuditEventType::InventoryUnavailable => fields(
            "There is less of `sku` than it needs; nothing is held, it fails.",
            [
                Field("sku", types.of::<Sku>(), json!("ABC123")),
                count("available", 0),
            ],
        ),
        AuditEventType::InventoryReleased => {
            nothing("Of an order that is stopped: what was held is free again.")
        }
        AuditEventType::ReviewStarted => fields(
            "It waits for a reviewer, at most `timeout`.",
            [
                Field("mode", types.of::<ReviewMode>(), json!("approval")),
                Field("timeout", types.of::<Span>(), json!("1d")),
            ],
        ),
        AuditEventType::ReviewApproved => fields(
            "A reviewer let it through.",
            [
                words("reviewer", json!("reviewer-7")),
                words("note", json!("stock is reserved")),
            ],
        ),
        AuditEventType::ReviewRejected => fields(
            "A reviewer refused it; it is cancelled.",
            [
                words("reviewer", json!("reviewer-7")),
                words("reason", json!("looks like fraud")),
            ],
        ),
        AuditEventType::ReviewTimedOut => fields(
            "Nobody decided in time. `proceeds`: it goes on, otherwise it is cancelled.",
            [Field("proceeds", json!({"type": "boolean"}), json!(true))],
        ),
        AuditEventType::PaymentRequested => requested(types),
        AuditEventType::PaymentCaptured => payment("The charge took hold.", types, "captured"),
        AuditEventType::PaymentAccepted => fields(
            "A confirmation of the right amount came; it is recorded next.",
            [
                Field(
                    "transaction_id",
                    types.of::<TransactionId>(),
                    json!("tx-1001"),
                ),
                Field("amount", types.of::<Decimal>(), json!(99.99)),
            ],
        ),
        AuditEventType::PaymentConfirmed => payment(
            "A confirmed payment is recorded; the order is paid.",
            types,
            "captured",
        ),
        AuditEventType::PaymentDeclined => declined(types),
        AuditEventType::PaymentUnavailable => fields(
            "The payment provider gave no clear answer to this try; it is asked again, under the same key.",
            [text("reason", "the provider is down"), count("try", 1)],
        ),
        AuditEventType::PaymentMismatch => fields(
            "A confirmation was refused: its amount or currency is not the order's. The order keeps waiting.",
            [
                Field(
                    "transaction_id",
                    types.of::<TransactionId>(),
                    json!("tx-1001"),
                ),
                Field("amount", types.of::<Decimal>(), json!(9.99)),
                Field("currency", types.of::<Option<Currency>>(), json!("USD")),
                Field("expected", types.of::<Decimal>(), json!(99.99)),
                Field("expected_currency", types.of::<Currency>(), json!("USD")),
            ],
        ),
        AuditEventType::PaymentTimedOut => fields(
            "No payment came within `timeout`; it is cancelled.",
            [Field("timeout", types.of::<Span>(), json!("1d"))],
        ),
        AuditEventType::PaymentCancelRequested => fields(
            "Somebody wants the money back while the parcel may be leaving; the carrier's word decides.",
            [words("reason", json!("wrong card"))],
        ),
        AuditEventType::PaymentCancelled => payment(
            "The money goes back, and the order waits for another payment.",
            types,
            "refunding",
        ),
        AuditEventType::PaymentRefunded => {
            payment("The provider gave the money back.", types, "refunded")
        }
        AuditEventType::PaymentRefundDue => payment(
            "The money was taken by another gateway, which must give it back.",
            types,
            "refund_due",
        ),
        AuditEventType::PaymentProcessing => {
            noticed("The provider has not decided yet.", types, [])
        }
        AuditEventType::PaymentAttemptFailed => noticed(
            "An attempt to pay failed; another may follow.",
            types,
            [text("reason", "card_declined")],
        ),
        AuditEventType::PaymentDisputed => noticed(
            "The customer disputes the payment, or that was decided.",
            types,
            [text("stage", "opened")],
        ),
        AuditEventType::PaymentRefundReported => {
            let amount = Field("amount", types.of::<Decimal>(), json!(99.99));
            noticed(
                "The provider gave money back of its own accord.",
                types,
                [amount],
            )
        }
        AuditEventType::PaymentRefundFailed => noticed(
            "A refund did not reach the customer.",
            types,
            [text("reason", "lost_or_stolen_card")],
        ),
        AuditEventType::UnmatchedPaymentRefunded => noticed(
            "A payment that the order could not use, or that came after its end, went back.",
            types,
            [],
        ),
        AuditEventType::UnmatchedPaymentRefundDue => {
            noticed("Such a payment must be given back by a person.", types, [])
        }
        AuditEventType::AddressRequested => nothing(
            "Another address is wanted while the parcel may be leaving; the carrier's word decides.",
        ),
        AuditEventType::AddressUpdated => {
            nothing("It goes to another address, which the order has and the trail does not.")
        }
        AuditEventType::ShipmentStarted => fields(
            "An attempt to hand the parcel over begins.",
            [
                count("attempt", 1),
                text("shipment_id", &format!("{}-PKG-001", examples::ID)),
            ],
        ),
        AuditEventType::DispatchFailed => fields(
            "An attempt to hand the parcel over failed.",
            [words("reason", json!("the carrier is down"))],
        ),
        AuditEventType::ShipmentStopped => {
            nothing("The parcel is in our hands, and stays there for now.")
        }
        AuditEventType::OrderShipped => Payload {
            written: "The carrier has the parcel.",
            schema: types.of::<ShipmentInfo>(),
            example: examples::shipment(),
        },
        AuditEventType::OrderDelivered => fields(
            "The parcel arrived: by the carrier's word, by the passing of time, or taken for granted when no word came.",
            [
                Field(
                    "basis",
                    json!({"enum": ["confirmed", "auto", "not_confirmed_in_time"]}),
                    json!("confirmed"),
                ),
                Field(
                    "delivered_at",
                    json!({"type": "string", "format": "date-time"}),
                    json!("2026-11-23T09:30:00Z"),
                ),
                words("signed_by", Value::Null),
            ],
        ),
        AuditEventType::CancelRequested => fields(
            "It is to be cancelled while the parcel may be leaving; the carrier's word decides.",
            [words("reason", json!("changed my mind"))],
        ),
        AuditEventType::OrderCancelled => fields(
            "It is cancelled, and there is no way back. `by`: what decided it.",
            [
                words("reason", json!("changed my mind")),
                Field(
                    "by",
                    json!({"enum": ["request", "review", "review_timeout", "payment_timeout", "temporal"]}),
                    json!("request"),
                ),
            ],
        ),
        AuditEventType::OrderFailed => fields(
            "It has failed, and there is no way back.",
            [
                Field("code", types.of::<FailureCode>(), json!("out_of_stock")),
                text("detail", "ABC123 has 0 left"),
            ],
        ),
        AuditEventType::RequestRefused => refused(types),
        AuditEventType::DeadlinePassed => fields(
            "It was not on its way within `deadline`; it fails.",
            [Field("deadline", types.of::<Span>(), json!("1m"))],
        ),
        AuditEventType::CompensationFinished => {
            nothing("Of an order that was stopped: everything is undone.")
        }
    }
}

/// Of anybody's transaction, or of the one that the provider began and the customer must confirm.
fn requested(types: &mut Types) -> Payload {
    let mut requested = fields(
        "It waits for a confirmation of its payment, at most `timeout`. `transaction_id`: the payment that was begun at \
         the provider, and which the customer must confirm there; no other pays the order.",
        [
            Field("amount", types.of::<Decimal>(), json!(99.99)),
            Field("currency", types.of::<Currency>(), json!("USD")),
            Field("timeout", types.of::<Span>(), json!("1d")),
        ],
    );
    requested.schema["properties"]["transaction_id"] = types.of::<TransactionId>();
    requested
}

/// By the provider's word or by ours; or the undo found that nothing was ever taken.
fn declined(types: &mut Types) -> Payload {
    let said = fields(
        "The payment did not and will not take hold. `code` and `reason`: the order fails for it; otherwise the undo \
         of a stopped order made sure of it, and the payment is told.",
        [
            Field("code", types.of::<FailureCode>(), json!("payment_declined")),
            Field("reason", json!({"type": "string"}), json!("card_declined")),
        ],
    );
    Payload {
        schema: json!({"oneOf": [said.schema, types.of::<PaymentInfo>()]}),
        ..said
    }
}

/// By the order's state, which is told; or a signal through Temporal could not be read, and `detail` tells why.
fn refused(types: &mut Types) -> Payload {
    let codes: Vec<_> = RefusalCode::ALL
        .iter()
        .map(|code| code.as_str())
        .chain(["not_shipping"])
        .collect();
    let mut refused = fields(
        "A request was refused: by the state that the order had, `status`; or as `malformed`, which `detail` explains.",
        [
            Field(
                "request",
                json!({"type": "string"}),
                json!("update_address"),
            ),
            Field("code", json!({"enum": codes}), json!("already_shipped")),
            Field("status", types.of::<OrderStatus>(), json!("shipped")),
        ],
    );
    refused.schema["properties"]["detail"] = json!({"type": "string"});
    refused.schema["required"] = json!(["request", "code"]);
    refused
}
