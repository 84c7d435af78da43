//! Problem documents (RFC 9457), made from the list of problem kinds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{response::response, sample::ORDER_ID};
use contract::{Document, RefusalCode};
use domain::{OrderId, OrderStatus, Shortage, Sku};
use orderflow_http::{Problem, ProblemCode, ProblemKind, Wait};

/// Returns one response per status code of these kinds.
pub(crate) fn responses(kinds: &[ProblemKind]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status()).or_default().push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), response_of(status, &kinds)))
        .collect()
}

fn response_of(status: u16, kinds: &[ProblemKind]) -> Value {
    let line = |kind: &ProblemKind| format!("`{}`: {}.", kind.code(), kind.title());
    let description = kinds.iter().map(line).collect::<Vec<_>>().join("\n\n");
    let codes: Vec<_> = kinds.iter().map(|kind| kind.code()).collect();
    let narrowed = json!({"properties": {"status": {"const": status}, "code": {"enum": codes}}});
    let example = |kind: &ProblemKind| {
        (
            kind.code().to_owned(),
            json!({"$ref": format!("#/components/examples/{}", kind.code())}),
        )
    };
    let examples: Map<String, Value> = kinds.iter().map(example).collect();
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]});
    let content = json!({"application/problem+json": {"schema": schema, "examples": examples}});
    let headers: &[_] = match status {
        401 | 403 => &[("www-authenticate", "WwwAuthenticate")],
        405 => &[("allow", "Allow")],
        429 | 503 => &[("retry-after", "RetryAfter")],
        _ => &[],
    };
    response(&description, headers, Some(content))
}

/// Returns an example of every kind, made by the code that writes problems.
pub(crate) fn examples() -> Map<String, Value> {
    let example = |kind: ProblemKind| {
        let instance = "/orders/ORD-20261121-120000-AB12";
        (
            kind.code().to_owned(),
            json!({"summary": kind.title(), "value": problem(kind).to_document(instance)}),
        )
    };
    ProblemKind::all().map(example).collect()
}

fn problem(kind: ProblemKind) -> Problem {
    let refused = |code, detail| Problem::refused_by_order(code, detail, Some(status_of(code)));
    match kind {
        ProblemKind::Refusal(code) => refused(code, refusal_detail(code)),
        ProblemKind::Api(ProblemCode::MalformedJson) => match Document::parse("{\n  \"items\": [}")
        {
            Err(error) => error.into(),
            Ok(_) => Problem::new(ProblemCode::MalformedJson, kind.title()),
        },
        ProblemKind::Api(ProblemCode::InvalidRequest) => {
            match contract::parse_order(
                r#"{"items": [{"sku": "ABC123", "quantity": 0, "unit_price": "99.999"}]}"#,
            ) {
                Err(invalid) => invalid.into(),
                Ok(_) => Problem::new(ProblemCode::InvalidRequest, kind.title()),
            }
        }
        ProblemKind::Api(ProblemCode::InvalidQuery) => {
            let detail = "must be a whole number from 1 to 200".to_owned();
            Problem::invalid_query(vec![contract::FieldError {
                pointer: "/limit".to_owned(),
                detail,
            }])
        }
        ProblemKind::Api(ProblemCode::OrderNotFound) => {
            Problem::order_not_found("ORD-20261121-120000-AB12")
        }
        ProblemKind::Api(ProblemCode::OutOfStock) => {
            match (OrderId::parse(ORDER_ID), Sku::parse("ABC123")) {
                (Ok(id), Ok(sku)) => {
                    let shortages = vec![Shortage {
                        sku,
                        wanted: Some(3),
                        available: Some(1),
                    }];
                    Problem::out_of_stock(&id, shortages, Wait::from_seconds(5))
                }
                (Err(_), _) | (_, Err(_)) => Problem::new(ProblemCode::OutOfStock, kind.title()),
            }
        }
        ProblemKind::Api(ProblemCode::ReservationLimit) => match OrderId::parse(ORDER_ID) {
            Ok(id) => Problem::reservation_limit(&id, Wait::from_seconds(5)),
            Err(_) => Problem::new(ProblemCode::ReservationLimit, kind.title()),
        },
        ProblemKind::Api(code) => Problem::new(code, format!("{}.", kind.title())),
    }
}

fn refusal_detail(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::AlreadyShipped => "The order has shipped.",
        RefusalCode::OrderClosed => "The order is cancelled and closed.",
        RefusalCode::NotInReview => "The order is not in review.",
        RefusalCode::PaymentNotExpected => {
            "The order is charged by the payment provider and does not wait for a confirmation."
        }
        RefusalCode::AlreadyPaid => "The order was paid by another transaction.",
        RefusalCode::NotPaid => "The order is not paid.",
        RefusalCode::PaymentMismatch => "The order's total is 99.99 USD.",
        RefusalCode::PaymentRefunded => {
            "The order has stopped; it has the payment TX-42 and refunds it."
        }
        RefusalCode::TransactionMismatch => "TX-42 is recorded with 99.99 USD.",
        RefusalCode::NotShipped => "The order has not shipped.",
        RefusalCode::DeliveryTimeInvalid => {
            "The delivery must be between the dispatch at 2026-11-21T12:00:00Z and now, 2026-11-22T12:00:00Z."
        }
        RefusalCode::AddressIncomplete => "The order has no address yet, so `street` is required.",
        RefusalCode::PaymentIdInUse => "TX-42 is used for another order.",
        RefusalCode::RefundExceedsPayment => {
            "At most 79.99 USD of the captured 99.99 USD can be refunded; the rest is refunded, due or lost."
        }
        RefusalCode::RefundExceedsItems => "1 of 2 units of ABC123 are left to refund.",
        RefusalCode::NotDelivered => "The order is not delivered, so its units cannot be returned.",
        RefusalCode::ReturnExceedsItems => "1 of 2 units of ABC123 are left to return.",
        RefusalCode::ReturnStateConflict => "The return is rejected, so it cannot be received.",
        RefusalCode::ItemsNotChangeable => "The order has no PEN-1.",
        RefusalCode::IncreaseNotAllowed => {
            "The payment of the order has begun, so its quantities can only be reduced."
        }
        RefusalCode::InsufficientStock => "MUG-1 has 3 more units only.",
        RefusalCode::PaymentInProgress => {
            "A payment or another change of the order is in progress; try again later."
        }
        RefusalCode::MetadataTooLarge => "The metadata must have at most 50 keys after the change.",
        RefusalCode::Malformed => "The order could not read the request.",
    }
}

/// Returns an order status in which an order refuses a request with this code.
fn status_of(code: RefusalCode) -> OrderStatus {
    match code {
        RefusalCode::AlreadyShipped
        | RefusalCode::DeliveryTimeInvalid
        | RefusalCode::NotDelivered => OrderStatus::Shipped,
        RefusalCode::RefundExceedsPayment
        | RefusalCode::RefundExceedsItems
        | RefusalCode::ReturnExceedsItems
        | RefusalCode::ReturnStateConflict => OrderStatus::Delivered,
        RefusalCode::OrderClosed | RefusalCode::PaymentRefunded => OrderStatus::Cancelled,
        RefusalCode::AlreadyPaid | RefusalCode::TransactionMismatch => {
            OrderStatus::PaymentConfirmed
        }
        RefusalCode::NotInReview | RefusalCode::NotShipped | RefusalCode::IncreaseNotAllowed => {
            OrderStatus::Preparing
        }
        RefusalCode::ItemsNotChangeable
        | RefusalCode::InsufficientStock
        | RefusalCode::PaymentInProgress
        | RefusalCode::MetadataTooLarge
        | RefusalCode::PaymentNotExpected
        | RefusalCode::NotPaid
        | RefusalCode::PaymentMismatch
        | RefusalCode::AddressIncomplete
        | RefusalCode::PaymentIdInUse
        | RefusalCode::Malformed => OrderStatus::Pending,
    }
}

/// Adds the allowed codes, types and statuses, which the Rust type does not state.
pub(crate) fn complete(schemas: &mut Map<String, Value>) {
    let codes: Vec<_> = ProblemKind::all().map(ProblemKind::code).collect();
    let types: Vec<_> = codes
        .iter()
        .map(|code| format!("urn:orderflow:problem:{code}"))
        .collect();
    let statuses: std::collections::BTreeSet<_> =
        ProblemKind::all().map(ProblemKind::status).collect();
    let properties = &mut schemas["Problem"]["properties"];
    properties["code"] =
        json!({"description": "The stable code of the problem kind.", "enum": codes});
    properties["type"] = json!({"enum": types});
    properties["status"] = json!({"enum": statuses});
}
