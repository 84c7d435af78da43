//! Makes the OpenAPI 3.1 document of the HTTP API from the code: paths from the route table,
//! responses from the functions' types, request bodies from the readers' schemas, and problems from
//! the list of problem codes.
//!
//! No program serves this crate's output directly: `docs/openapi.json` is checked in, and a test
//! compares it with [`document`]. Start reading at [`operation`], which describes each route; a
//! route without a description does not compile.

mod admin;
mod description;
mod endpoints;
mod event;
mod examples;
mod messages;
mod operation;
mod parameters;
mod problems;
mod refunds;
mod requests;
mod response;
mod returns;
mod sample;
mod security;
mod signals;
mod types;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use types::SchemaRegistry;

use orderflow_http::{ProblemDocument, ROUTES};

const INTRODUCTION: &str = "\
Create orders, act on them and read their state. An order ends `delivered`, `cancelled` or `failed`; an order of the \
profiles `approval` and `quick` ends `shipped` in place of `delivered`. If an order is cancelled or fails, its payment \
is refunded and its inventory is released.

**Errors** are problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). `code` is stable. `errors` \
lists every invalid field with its JSON pointer. `order_status` is present if the order's state is the reason. \
An unknown path returns 404. A method that the path does not accept returns 405 with `Allow`.

**Idempotency.** Send an `Idempotency-Key` with each request that changes an order. \
A repeated request with the same key returns the same response and has no second effect.

**Field names.** `zip`, `zip_code` and `postal_code` are names of one field. The same is true for `sku` and \
`product_id`, `qty` and `quantity`, `price` and `unit_price`, `address` and `shipping_address`, and `payment_id` and \
`payment.payment_id`. Two names of one field must not have different values. An unknown field is refused. \
A field with the value `null` counts as absent.

**Amounts** are decimals in major units, as JSON numbers or strings, with at most the decimals of their currency. \
Responses contain numbers.";

/// Returns the OpenAPI document.
pub fn document() -> Value {
    let mut types = SchemaRegistry::default();
    let mut paths = Map::new();
    for route in ROUTES {
        let Some(operation) = operation::describe_route(route, &mut types) else {
            continue;
        };
        let path = paths
            .entry(route.pattern.to_owned())
            .or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    let webhooks = messages::webhooks(&mut types);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orderflow",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Order processing, from creation to delivery.",
            "description": INTRODUCTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        // Relative to this document: behind API Gateway, the path begins with the stage.
        "servers": [{"url": "./"}],
        "tags": operation::tags(),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas(types),
            "examples": problems::examples(),
            "headers": response::headers(),
            "parameters": parameters::components(),
            "securitySchemes": security::schemes(),
        },
    })
}

fn schemas(mut types: SchemaRegistry) -> Map<String, Value> {
    types.schema_of::<ProblemDocument<'static>>();
    let mut schemas = types.into_definitions();
    for (name, schema) in &mut schemas {
        if let Some(example) = examples::example_of_schema(name) {
            schema["examples"] = json!([example]);
        }
    }
    schemas.extend(requests::schemas());
    problems::complete(&mut schemas);
    schemas
}
