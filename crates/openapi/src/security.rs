//! How callers say who they are, and what they must be allowed.

use serde_json::{Value, json};

use orderflow_http::Access;

/// What a caller of such a route must bring.
pub(crate) fn of(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        // The empty one is `API_AUTH=none`, the local default.
        Access::Requires(scope) => {
            json!([{"apiKey": [scope.as_str()]}, {"bearer": [scope.as_str()]}, {}])
        }
    }
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
