//! The meaning and the payload of each type of audit event. A type without a description does not
//! compile.
//!
//! No payload has a postal or e-mail address. Texts that people write (`reason`, `note`,
//! `reviewer`, `signed_by`) are stored unchanged.

use serde_json::{Map, Value, json};

use crate::{
    examples,
    sample::{self, ORDER_ID},
    types::SchemaRegistry,
};
use contract::{FieldError, RefusalCode};
use domain::{
    AuditEventType, Concern, Currency, Decimal, FailureCode, ItemQuantity, OrderPolicy,
    OrderStatus, PaymentInfo, PaymentWarning, RefundId, ReturnId, ReviewMode, ShipmentInfo,
    Shortage, Sku, Span, TrackingEvent, TransactionId, WebhookProvider,
};

/// The meaning of one type of audit event, and its payload.
pub(super) struct Payload {
    /// The situation in which the event is written.
    pub(super) written: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

/// A name, a schema and an example of its value.
struct Field(&'static str, Value, Value);

fn fields(written: &'static str, fields: impl IntoIterator<Item = Field>) -> Payload {
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

/// Returns a payload whose fields can all be absent.
fn optional(mut payload: Payload) -> Payload {
    payload.schema["required"] = json!([]);
    payload
}

/// Returns a payload that can have a reason for the customer, who gets it as `reason`.
fn with_public_reason(mut payload: Payload) -> Payload {
    payload.schema["properties"]["public_reason"] =
        json!({"type": "string", "description": "The reason for the customer."});
    payload
}

fn empty(written: &'static str) -> Payload {
    fields(written, [])
}

fn payment(written: &'static str, types: &mut SchemaRegistry, status: &str) -> Payload {
    let mut example = sample::payment();
    example["status"] = json!(status);
    Payload {
        written,
        schema: types.schema_of::<PaymentInfo>(),
        example,
    }
}

/// Describes a payment event: its provider, its id, its transaction and more fields.
fn payment_event<const N: usize>(
    written: &'static str,
    types: &mut SchemaRegistry,
    more: [Field; N],
) -> Payload {
    let source = [
        Field(
            "provider",
            types.schema_of::<WebhookProvider>(),
            json!("stripe"),
        ),
        Field("event_id", json!({"type": "string"}), json!("evt_1001")),
        Field(
            "transaction_id",
            types.schema_of::<Option<TransactionId>>(),
            json!("pi_1001"),
        ),
    ];
    fields(written, source.into_iter().chain(more))
}

/// Describes an event about a refund: its id, its amount and more fields.
fn refund<const N: usize>(
    written: &'static str,
    types: &mut SchemaRegistry,
    more: [Field; N],
) -> Payload {
    let common = [
        Field(
            "refund_id",
            types.schema_of::<RefundId>(),
            json!("RF-4QKJ2N7C5XW3MZT6D8RA"),
        ),
        Field("amount", types.schema_of::<Decimal>(), json!(20)),
        Field("currency", types.schema_of::<Currency>(), json!("USD")),
    ];
    fields(written, common.into_iter().chain(more))
}

/// Describes an event about a return: its id and more fields.
fn returned<const N: usize>(
    written: &'static str,
    types: &mut SchemaRegistry,
    more: [Field; N],
) -> Payload {
    let return_id = Field(
        "return_id",
        types.schema_of::<ReturnId>(),
        json!("RT-4QKJ2N7C5XW3MZT6D8RA"),
    );
    fields(written, std::iter::once(return_id).chain(more))
}

fn refund_result(
    written: &'static str,
    types: &mut SchemaRegistry,
    refunded: Value,
    failure: Value,
) -> Payload {
    let more = [
        Field("refunded_amount", types.schema_of::<Decimal>(), refunded),
        Field("failure", types.schema_of::<Option<String>>(), failure),
    ];
    refund(written, types, more)
}

pub(super) fn describe(kind: AuditEventType, types: &mut SchemaRegistry) -> Payload {
    let optional_text =
        |name, example: Value| Field(name, json!({"type": ["string", "null"]}), example);
    let text = |name, example: &str| Field(name, json!({"type": "string"}), json!(example));
    let count = |name, least: u32| {
        Field(
            name,
            json!({"type": "integer", "minimum": least}),
            json!(least),
        )
    };
    match kind {
        AuditEventType::OrderReceived => optional(fields(
            "A worker has received the order. `policy` is the order's policy, which does not change later. `quote` has the ids of the quote that set the prices, and of its key.",
            [
                Field("policy", types.schema_of::<OrderPolicy>(), sample::policy()),
                Field(
                    "quote",
                    json!({
                        "type": "object",
                        "properties": {"jti": {"type": "string"}, "kid": {"type": "string"}},
                        "required": ["jti", "kid"],
                    }),
                    json!({"jti": "Q-4711", "kid": "2026-11"}),
                ),
            ],
        )),
        AuditEventType::OrderValidated => fields(
            "The order is valid.",
            [
                Field("total", types.schema_of::<Decimal>(), json!(99.99)),
                Field("currency", types.schema_of::<Currency>(), json!("USD")),
            ],
        ),
        AuditEventType::OrderInvalid => fields(
            "The order is invalid and fails. The API rejects an invalid order, so this order was started directly in Temporal.",
            [Field(
                "errors",
                types.schema_of::<Vec<FieldError>>(),
                json!([sample::field_error()]),
            )],
        ),
        AuditEventType::InventoryReserved => empty("The inventory of all line items is reserved."),
        AuditEventType::InventoryUnavailable => optional(fields(
            "Too few units are available of each SKU of `shortages`; `sku` and `available` are those of the first. Nothing is reserved, and the order fails.",
            [
                Field("sku", types.schema_of::<Sku>(), json!("ABC123")),
                count("available", 0),
                Field(
                    "shortages",
                    types.schema_of::<Vec<Shortage>>(),
                    json!([{"sku": "ABC123", "wanted": 2, "available": 0}]),
                ),
            ],
        )),
        AuditEventType::InventoryReleased => optional(fields(
            "The reserved inventory of a stopped order is released. With the `reason` `reservation_timeout`, the order goes on waiting for its payment.",
            [text("reason", "reservation_timeout")],
        )),
        AuditEventType::ReviewStarted => fields(
            "The order waits for a reviewer, at most `timeout`.",
            [
                Field("mode", types.schema_of::<ReviewMode>(), json!("approval")),
                Field("timeout", types.schema_of::<Span>(), json!("1d")),
            ],
        ),
        AuditEventType::ReviewApproved => with_public_reason(fields(
            "A reviewer approved the order.",
            [optional_text("note", json!("stock is reserved"))],
        )),
        AuditEventType::ReviewRejected => with_public_reason(fields(
            "A reviewer rejected the order, which is cancelled.",
            [optional_text("reason", json!("looks like fraud"))],
        )),
        AuditEventType::ReviewTimedOut => fields(
            "The review ended without a decision. If `proceeds` is true, the order continues; otherwise it is cancelled.",
            [Field("proceeds", json!({"type": "boolean"}), json!(true))],
        ),
        AuditEventType::PaymentRequested => payment_requested(types),
        AuditEventType::PaymentCaptured => payment_captured(types),
        AuditEventType::PaymentAccepted => fields(
            "A confirmation with the expected amount arrived. The payment is recorded next.",
            [
                Field(
                    "transaction_id",
                    types.schema_of::<TransactionId>(),
                    json!("tx-1001"),
                ),
                Field("amount", types.schema_of::<Decimal>(), json!(99.99)),
            ],
        ),
        AuditEventType::PaymentConfirmed => payment(
            "The confirmed payment is recorded. The order is paid.",
            types,
            "captured",
        ),
        AuditEventType::PaymentDeclined => payment_declined(types),
        AuditEventType::PaymentUnavailable => fields(
            "The payment provider gave no definite response to this attempt. The charge is retried with the same idempotency key.",
            [text("reason", "the provider is down"), count("try", 1)],
        ),
        AuditEventType::PaymentMismatch => fields(
            "A confirmation was refused, because its amount or currency differs from the order's. The order continues to wait.",
            [
                Field(
                    "transaction_id",
                    types.schema_of::<TransactionId>(),
                    json!("tx-1001"),
                ),
                Field("amount", types.schema_of::<Decimal>(), json!(9.99)),
                Field(
                    "currency",
                    types.schema_of::<Option<Currency>>(),
                    json!("USD"),
                ),
                Field("expected", types.schema_of::<Decimal>(), json!(99.99)),
                Field(
                    "expected_currency",
                    types.schema_of::<Currency>(),
                    json!("USD"),
                ),
            ],
        ),
        AuditEventType::PaymentTimedOut => fields(
            "No payment arrived within `timeout`. The order is cancelled.",
            [Field("timeout", types.schema_of::<Span>(), json!("1d"))],
        ),
        AuditEventType::PaymentCancelRequested => with_public_reason(fields(
            "A request to cancel the payment arrived during dispatch. The carrier's response decides.",
            [optional_text("reason", json!("wrong card"))],
        )),
        AuditEventType::PaymentCancelled => payment(
            "The payment is refunded, and the order waits for another payment.",
            types,
            "refunding",
        ),
        AuditEventType::PaymentRefunded => payment(
            "The payment provider refunded the payment.",
            types,
            "refunded",
        ),
        AuditEventType::PaymentRefundDue => payment(
            "Another gateway captured the payment and must refund it.",
            types,
            "refund_due",
        ),
        AuditEventType::PaymentProcessing => {
            payment_event("The payment provider has not decided yet.", types, [])
        }
        AuditEventType::PaymentAttemptFailed => payment_event(
            "An attempt to pay failed. Another attempt may follow.",
            types,
            [text("reason", "card_declined")],
        ),
        AuditEventType::PaymentAuthorised => payment(
            "The payment provider has reserved the money. It is captured after dispatch.",
            types,
            "pending",
        ),
        AuditEventType::PaymentCaptureFailed => with_optional(
            payment_event(
                "A capture failed, or the provider refused the request for it.",
                types,
                [text("reason", "capture_failed")],
            ),
            [
                ("amount", types.schema_of::<Option<Decimal>>()),
                ("payment", types.schema_of::<Option<PaymentInfo>>()),
            ],
        ),
        AuditEventType::PaymentReturned => with_optional(
            payment_event("A bank returned the money to the customer.", types, []),
            [("amount", types.schema_of::<Option<Decimal>>())],
        ),
        AuditEventType::PaymentWarning => {
            let warning = Field(
                "warning",
                types.schema_of::<PaymentWarning>(),
                json!("fraud"),
            );
            payment_event(
                "The payment provider warns of fraud, or reviews the payment.",
                types,
                [warning],
            )
        }
        AuditEventType::PaymentPartReceived => fields(
            "A payment below the order's total, or reserved money that is not captured, is recorded. The order waits for the rest.",
            [
                Field(
                    "transaction_id",
                    types.schema_of::<TransactionId>(),
                    json!("tx-1001"),
                ),
                Field("amount", types.schema_of::<Decimal>(), json!(40)),
                Field("missing", types.schema_of::<Decimal>(), json!(59.99)),
            ],
        ),
        AuditEventType::PaymentExcess => fields(
            "More money arrived than the order's total. The excess is refunded.",
            [
                Field(
                    "transaction_id",
                    types.schema_of::<Option<TransactionId>>(),
                    json!("tx-1001"),
                ),
                text("provider", "stripe"),
                Field("amount", types.schema_of::<Decimal>(), json!(10)),
            ],
        ),
        AuditEventType::PaymentHeld => fields(
            "The order is held before dispatch: money is missing, or the payment is disputed or under suspicion.",
            [
                Field("missing", types.schema_of::<Option<Decimal>>(), json!(0)),
                Field(
                    "concerns",
                    types.schema_of::<Option<Vec<Concern>>>(),
                    json!(["dispute_open"]),
                ),
            ],
        ),
        AuditEventType::ItemsRequested => {
            let item = json!({
                "type": "object",
                "required": ["sku", "quantity"],
                "properties": {"sku": types.schema_of::<Sku>(), "quantity": {"type": "integer", "minimum": 0}},
            });
            fields(
                "A caller asked for other quantities during dispatch. The carrier's response decides.",
                [Field(
                    "items",
                    json!({"type": "array", "items": item}),
                    json!([{"sku": "MUG-1", "quantity": 1}]),
                )],
            )
        }
        AuditEventType::ItemsUpdated => {
            let units = json!({"type": "integer", "minimum": 0});
            let item = json!({
                "type": "object",
                "required": ["sku", "old", "new"],
                "properties": {"sku": types.schema_of::<Sku>(), "old": units, "new": units},
            });
            let total = json!({
                "type": "object",
                "required": ["old", "new"],
                "properties": {"old": types.schema_of::<Decimal>(), "new": types.schema_of::<Decimal>()},
            });
            fields(
                "The quantities of the order changed, and its total with them.",
                [
                    Field(
                        "items",
                        json!({"type": "array", "items": item}),
                        json!([{"sku": "MUG-1", "old": 2, "new": 1}]),
                    ),
                    Field("total", total, json!({"old": 28.9, "new": 16.9})),
                ],
            )
        }
        AuditEventType::OrderUpdated => {
            let changed = |name, schema: Value, old: Value, new: Value| {
                let properties = json!({"old": schema, "new": schema});
                let schema =
                    json!({"type": "object", "properties": properties, "required": ["old", "new"]});
                Field(name, schema, json!({"old": old, "new": new}))
            };
            let text = types.schema_of::<Option<String>>();
            optional(fields(
                "A caller changed the shop's notes about the order. Only changed fields and values are included.",
                [
                    changed(
                        "external_reference",
                        text.clone(),
                        Value::Null,
                        json!("ERP-4711"),
                    ),
                    changed("note", text, json!("Ring twice."), Value::Null),
                    changed(
                        "metadata",
                        json!({"type": "object"}),
                        json!({}),
                        json!({"channel": "web"}),
                    ),
                ],
            ))
        }
        AuditEventType::RefundRequested => {
            let items = types.schema_of::<Vec<ItemQuantity>>();
            with_public_reason(refund(
                "The shop refunds a part of the order's money. The money is reserved for the refund.",
                types,
                [
                    Field("items", items, json!([{"sku": "ABC123", "quantity": 1}])),
                    optional_text("reason", json!("a scratch")),
                ],
            ))
        }
        AuditEventType::RefundCompleted => refund_result(
            "The customer got the money of a refund back.",
            types,
            json!(20),
            json!(null),
        ),
        AuditEventType::RefundDue => refund_result(
            "An operator must refund the money, because the payment provider does not.",
            types,
            json!(0),
            json!("the payment provider rejected the refund"),
        ),
        AuditEventType::RefundFailed => refund_result(
            "Nothing, or only a part, could be refunded. No person has to act.",
            types,
            json!(0),
            json!("nothing of the payment is left to refund"),
        ),
        AuditEventType::ReturnRequested => {
            let items = types.schema_of::<Vec<ItemQuantity>>();
            returned(
                "The return of delivered units was requested.",
                types,
                [Field(
                    "items",
                    items,
                    json!([{"sku": "ABC123", "quantity": 1}]),
                )],
            )
        }
        AuditEventType::ReturnApproved => with_public_reason(returned(
            "The shop approved a return, so the customer can send the units back.",
            types,
            [optional_text("reason", json!(null))],
        )),
        AuditEventType::ReturnRejected => with_public_reason(returned(
            "The shop rejected a return.",
            types,
            [optional_text("reason", json!("worn"))],
        )),
        AuditEventType::ReturnCancelled => with_public_reason(returned(
            "A return was cancelled before its units were received.",
            types,
            [optional_text("reason", json!(null))],
        )),
        AuditEventType::ReturnReceived => {
            let items = types.schema_of::<Vec<ItemQuantity>>();
            let refund = types.schema_of::<Option<RefundId>>();
            returned(
                "Units of a return are back. The money of their refund is reserved.",
                types,
                [
                    Field("items", items, json!([{"sku": "ABC123", "quantity": 1}])),
                    Field("restock", json!({"type": "boolean"}), json!(true)),
                    Field("refund_id", refund, json!("RF-4QKJ2N7C5XW3MZT6D8RA")),
                ],
            )
        }
        AuditEventType::ReturnClosed => {
            let refund = types.schema_of::<Option<RefundId>>();
            returned(
                "The refund of a received return has ended, or there was no money to refund.",
                types,
                [Field("refund_id", refund, json!("RF-4QKJ2N7C5XW3MZT6D8RA"))],
            )
        }
        AuditEventType::OrderHeld => with_public_reason(fields(
            "An operator holds the order, or changed the reason of the hold.",
            [Field(
                "reason",
                types.schema_of::<Option<String>>(),
                json!("the customer asked to wait"),
            )],
        )),
        AuditEventType::OrderReleased => with_public_reason(fields(
            "An operator ended the hold.",
            [Field(
                "reason",
                types.schema_of::<Option<String>>(),
                json!("the customer called"),
            )],
        )),
        AuditEventType::PaymentReleased => empty("The order is no longer held and goes on."),
        AuditEventType::CheckoutCompletedUnpaid => with_optional(
            payment_event(
                "The customer completed a checkout that took no money.",
                types,
                [text("reason", "no_payment_required")],
            ),
            [("amount", types.schema_of::<Option<Decimal>>())],
        ),
        AuditEventType::PaymentConcernResolved => payment_event(
            "An operator closed an entry of the work list.",
            types,
            [
                text("concern", "refund_due"),
                text("note", "refunded by bank transfer"),
            ],
        ),
        AuditEventType::PaymentDisputed => with_optional(
            payment_event(
                "The customer disputes the payment, or the dispute was decided.",
                types,
                [text("stage", "opened")],
            ),
            [
                ("dispute_id", json!({"type": ["string", "null"]})),
                ("amount", types.schema_of::<Option<Decimal>>()),
            ],
        ),
        AuditEventType::PaymentRefundReported => {
            let amount = Field("amount", types.schema_of::<Decimal>(), json!(99.99));
            payment_event(
                "The payment provider reported a refund that this system did not request.",
                types,
                [amount],
            )
        }
        AuditEventType::PaymentRefundFailed => with_optional(
            payment_event(
                "A refund did not reach the customer.",
                types,
                [text("reason", "lost_or_stolen_card")],
            ),
            [("amount", types.schema_of::<Option<Decimal>>())],
        ),
        AuditEventType::UnmatchedPaymentRefunded => payment_event(
            "An unmatched payment was refunded: the order could not use it, or it arrived after the order's end.",
            types,
            [],
        ),
        AuditEventType::UnmatchedPaymentRefundDue => payment_event(
            "An unmatched payment must be refunded by an operator.",
            types,
            [],
        ),
        AuditEventType::AddressRequested => {
            empty("An address change arrived during dispatch. The carrier's response decides.")
        }
        AuditEventType::AddressUpdated => fields(
            "The shipping address changed. The audit event has hashes of the addresses, not the addresses.",
            [
                optional_text("old", json!("sha256:9b74c9897bac770ffc029102a200c5de")),
                optional_text("new", json!("sha256:1f3870be274f6c49b3e31a0c6728957f")),
            ],
        ),
        AuditEventType::ShipmentStarted => fields(
            "An attempt to ship the parcel begins.",
            [
                count("attempt", 1),
                text("shipment_id", &format!("{ORDER_ID}-PKG-001")),
            ],
        ),
        AuditEventType::DispatchFailed => fields(
            "An attempt to ship the parcel failed.",
            [optional_text("reason", json!("the carrier is down"))],
        ),
        AuditEventType::ShipmentStopped => {
            empty("The shipment was recalled before the carrier had the parcel.")
        }
        AuditEventType::OrderShipped => Payload {
            written: "The carrier has the parcel.",
            schema: types.schema_of::<ShipmentInfo>(),
            example: sample::shipment(),
        },
        AuditEventType::ShipmentTracked => Payload {
            written: "The carrier reported about the parcel.",
            schema: types.schema_of::<TrackingEvent>(),
            example: examples::tracking_event(),
        },
        AuditEventType::OrderDelivered => fields(
            "The order counts as delivered: `confirmed` by the carrier, `auto` after the time of the policy, or `not_confirmed_in_time`.",
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
            ],
        ),
        AuditEventType::CancelRequested => with_public_reason(fields(
            "A cancel request arrived during dispatch. The carrier's response decides.",
            [optional_text("reason", json!("changed my mind"))],
        )),
        AuditEventType::OrderCancelled => with_public_reason(fields(
            "The order is cancelled, which is final. `by` is the cause.",
            [
                optional_text("reason", json!("changed my mind")),
                Field(
                    "by",
                    json!({"enum": ["request", "review", "review_timeout", "payment_timeout", "payment_hold", "recovery", "temporal"]}),
                    json!("request"),
                ),
            ],
        )),
        AuditEventType::OrderFailed => fields(
            "The order has failed, which is final.",
            [
                Field(
                    "code",
                    types.schema_of::<FailureCode>(),
                    json!("out_of_stock"),
                ),
                text("detail", "ABC123 has 0 left"),
            ],
        ),
        AuditEventType::RequestRefused => request_refused(types),
        AuditEventType::DeadlinePassed => fields(
            "The order did not ship within `deadline` and has failed.",
            [Field("deadline", types.schema_of::<Span>(), json!("1m"))],
        ),
        AuditEventType::OrderRecovered => fields(
            "The order's workflow was lost, and the order is brought to its end.",
            [text("reason", "the order's workflow was terminated")],
        ),
        AuditEventType::CompensationFinished => {
            empty("The compensation of a stopped order has finished.")
        }
    }
}

/// Adds fields that a payload need not have.
fn with_optional<const N: usize>(
    mut payload: Payload,
    optional: [(&'static str, Value); N],
) -> Payload {
    for (name, schema) in optional {
        payload.schema["properties"][name] = schema;
    }
    payload
}

/// Describes a payment request, for any transaction or for one that the customer must confirm.
fn payment_requested(types: &mut SchemaRegistry) -> Payload {
    let mut requested = fields(
        "The order waits for a confirmation of its payment, at most `timeout`. If `transaction_id` is present, the \
         customer must confirm this transaction at the payment provider, and no other transaction pays the order.",
        [
            Field("amount", types.schema_of::<Decimal>(), json!(99.99)),
            Field("currency", types.schema_of::<Currency>(), json!("USD")),
            Field("timeout", types.schema_of::<Span>(), json!("1d")),
        ],
    );
    requested.schema["properties"]["transaction_id"] = types.schema_of::<TransactionId>();
    requested
}

/// Describes the capture of a charge, or a later capture that the provider reports.
fn payment_captured(types: &mut SchemaRegistry) -> Payload {
    let charged = payment(
        "The payment provider captured the payment. A payload with `event_id` reports a later capture of a known payment.",
        types,
        "captured",
    );
    let amount = Field("amount", types.schema_of::<Decimal>(), json!(40));
    let reported = payment_event("", types, [amount]);
    Payload {
        schema: json!({"anyOf": [charged.schema, reported.schema]}),
        ..charged
    }
}

/// Describes a declined payment: the order fails, or compensation found that nothing was captured.
fn payment_declined(types: &mut SchemaRegistry) -> Payload {
    let failure = fields(
        "The payment is not captured and will not be captured. A payload with `code` and `reason` means that the order fails. \
         A payload with a payment means that the compensation of a stopped order found no captured payment.",
        [
            Field(
                "code",
                types.schema_of::<FailureCode>(),
                json!("payment_declined"),
            ),
            Field("reason", json!({"type": "string"}), json!("card_declined")),
        ],
    );
    let failure = with_optional(
        failure,
        [
            ("transaction_id", types.schema_of::<TransactionId>()),
            ("amount", types.schema_of::<Decimal>()),
        ],
    );
    Payload {
        schema: json!({"oneOf": [failure.schema, types.schema_of::<PaymentInfo>()]}),
        ..failure
    }
}

/// Describes a refused request: by the order's state, or because a signal through Temporal was
/// malformed.
fn request_refused(types: &mut SchemaRegistry) -> Payload {
    let codes: Vec<_> = RefusalCode::ALL
        .iter()
        .map(|code| code.as_str())
        .chain(["not_shipping"])
        .collect();
    let mut refused = fields(
        "A request was refused, because the order had the status `status` or because the request is malformed; \
         `detail` gives the reason.",
        [
            Field(
                "request",
                json!({"type": "string"}),
                json!("update_address"),
            ),
            Field("code", json!({"enum": codes}), json!("already_shipped")),
            Field("status", types.schema_of::<OrderStatus>(), json!("shipped")),
        ],
    );
    refused.schema["properties"]["detail"] = json!({"type": "string"});
    // The payment that a refused confirmation reported. The amount is `null` if it is not an amount of its currency.
    refused.schema["properties"]["transaction_id"] = types.schema_of::<TransactionId>();
    refused.schema["properties"]["amount"] = types.schema_of::<Option<Decimal>>();
    refused.schema["properties"]["event_id"] = json!({"type": "string"});
    // The amount with which the transaction is recorded.
    refused.schema["properties"]["recorded_amount"] = types.schema_of::<Decimal>();
    refused.schema["required"] = json!(["request", "code"]);
    refused
}
