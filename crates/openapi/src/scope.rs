//! Who may do what, and how callers say who they are.

use orderflow_http::{Listing, Operation, Querying, Signalling};
use serde_json::{Value, json};

/// The scope that a caller needs; `None` where everybody may.
pub(crate) fn of(operation: Operation) -> Option<&'static str> {
    const READ: Option<&str> = Some("orders:read");
    const WRITE: Option<&str> = Some("orders:write");
    const OPERATE: Option<&str> = Some("orders:operate");
    match operation {
        Operation::Start(_) => WRITE,
        Operation::Signal(signal) => match signal {
            Signalling::Cancel | Signalling::UpdateAddress => WRITE,
            Signalling::Approve
            | Signalling::Reject
            | Signalling::CancelPayment
            | Signalling::ConfirmPayment
            | Signalling::ConfirmDelivery => OPERATE,
        },
        Operation::Query(query) => match query {
            Querying::Order | Querying::Status | Querying::EstimatedDelivery | Querying::Result => READ,
            Querying::Health => None,
        },
        Operation::Events(Listing::Orders | Listing::Trail) => READ,
        Operation::Docs(_) => None,
    }
}

/// What a caller of such a route must bring.
pub(crate) fn security(scope: Option<&str>) -> Value {
    // The empty one is `API_AUTH=none`, the local default.
    scope.map_or_else(|| json!([]), |scope| json!([{"apiKey": [scope]}, {"bearer": [scope]}, {}]))
}

pub(crate) fn schemes() -> Value {
    json!({
        "apiKey": {
            "type": "apiKey", "in": "header", "name": "X-Api-Key",
            "description": "Where `API_AUTH=api-key`.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Where `API_AUTH=jwt`. Scopes are `orders:read`, `orders:write` (start, cancel, address) and \
                `orders:operate` (review, payment, delivery). Another customer's order is 404.",
        },
    })
}
