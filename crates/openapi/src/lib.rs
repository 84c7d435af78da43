//! The API's description, OpenAPI 3.1, made of what the code says: paths of the route table, answers of the types that
//! the functions send, requests of the schemas next to their readers, problems of the one list of codes.
//!
//! Nothing is served from here: `docs/openapi.json` is checked in, and the tests compare it with [`document`]. Start
//! reading at [`operation`], where each route has its description; a route without one does not compile.

mod answer;
pub mod check;
mod event;
mod examples;
mod operation;
mod parameters;
mod problems;
mod requests;
mod security;
mod signals;
mod types;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use types::Types;

use orderflow_http::{ProblemDocument, ROUTES, Route};

const INTRODUCTION: &str = "\
Orders are started, asked and told things, and read. Every order ends `delivered`, `cancelled` or `failed`; what was \
done for one that does not go through is undone.

**Errors** are problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). `code` is stable, `errors` \
names every bad field at once by JSON pointer, and `order_status` is there where the order's state is the reason. \
A path that is not here answers 404, another method 405 with `Allow`.

**Once.** Send an `Idempotency-Key` and repeat without fear: a repeat has no second effect and the same answer.

**Names.** `zip`, `zip_code` and `postal_code` are one field; so are `sku` and `product_id`, `qty` and `quantity`, \
`price` and `unit_price`, `address` and `shipping_address`, `payment_id` and `payment.payment_id`. A field that is \
not known is refused, `null` counts as absent, and two names of one field must not contradict each other.

**Amounts** are decimals, in JSON numbers or strings, with at most the decimals of their currency; answers have numbers.";

/// The whole document.
pub fn document() -> Value {
    let mut types = Types::default();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(path(route)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation::of(route, &mut types);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "orderflow",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Orders, from their start to their end.",
            "description": INTRODUCTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        // Where this document is; behind API Gateway that has a stage in its path.
        "servers": [{"url": "./"}],
        "tags": operation::tags(),
        "paths": paths,
        "components": {
            "schemas": schemas(types),
            "examples": problems::examples(),
            "headers": answer::headers(),
            "parameters": parameters::components(),
            "securitySchemes": security::schemes(),
        },
    })
}

/// The path as OpenAPI writes it; it knows no parameter of several segments.
pub fn path(route: &Route) -> String {
    route.pattern.replace("+}", "}")
}

fn schemas(mut types: Types) -> Map<String, Value> {
    types.of::<ProblemDocument<'static>>();
    let mut schemas = types.into_definitions();
    for (name, schema) in &mut schemas {
        if let Some(example) = examples::of_type(name) {
            schema["examples"] = json!([example]);
        }
    }
    schemas.extend(requests::schemas());
    problems::complete(&mut schemas);
    schemas
}
