//! Authentication schemes and the scopes that operations require.

use serde_json::{Value, json};

use orderflow_http::Access;

/// Returns the alternative security requirements of a route.
pub(crate) fn requirements(access: Access) -> Value {
    match access {
        Access::Public => json!([]),
        // The empty requirement covers `API_AUTH=none`, the local default.
        Access::Requires(scope) => {
            json!([{"apiKey": [scope.as_str()]}, {"bearer": [scope.as_str()]}, {}])
        }
    }
}

pub(crate) fn schemes() -> Value {
    json!({
        "apiKey": {
            "type": "apiKey", "in": "header", "name": "X-Api-Key",
            "description": "An API key, required if the setting `API_AUTH` is `api-key`.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "A JSON Web Token, required if the setting `API_AUTH` is `jwt`. The scopes are `orders:read`, \
                `orders:write` (start, cancel, address, request a return), `orders:price` (a customer sets prices), \
                `orders:operate` (review, payment, delivery, work list), `orders:refund` (refunds, receipts of returns), `stock:write` (change the stock) \
                and `endpoints:write` (manage endpoints). \
                Without the scope `orders:operate`, another customer's order is 404.",
        },
    })
}
