//! Parameters of paths, queries and headers.

use serde_json::{Map, Value, json};

use contract::{Source, id_schema};
use domain::{Concern, CustomerId, OrderId, OrderStatus};
use orderflow_http::{DEFAULT_LIMIT, MAX_IDEMPOTENCY_KEY_LENGTH, MAX_LIMIT, MAX_WAIT_SECONDS};

/// Returns the parameters that several routes share.
pub(crate) fn components() -> Map<String, Value> {
    let pattern = format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY_LENGTH}}}$");
    let parameters = [
        (
            "OrderId",
            json!({
                "name": "id", "in": "path", "required": true, "description": "The id of the order.",
                "schema": id_schema::<OrderId>(), "example": "ORD-20261121-120000-AB12",
            }),
        ),
        (
            "IdempotencyKey",
            json!({
                "name": "Idempotency-Key", "in": "header",
                "description": "A unique key of this request, for example a UUID. \
                    A repeated request with the same key has no second effect.",
                "schema": {"type": "string", "pattern": pattern},
            }),
        ),
        (
            "RequestId",
            json!({
                "name": "X-Request-Id", "in": "header",
                "description": "The caller's own id of this call, for example `checkout-7421`. \
                    The log has it beside the id of the response. An invalid id is ignored.",
                "schema": {"type": "string"},
            }),
        ),
        (
            "IfNoneMatch",
            json!({
                "name": "If-None-Match", "in": "header",
                "description": "The `ETag` of the version that the client has, for example `W/\"7\"`. \
                    If this version is current, the response is 304.",
                "schema": {"type": "string"},
            }),
        ),
        (
            "Prefer",
            json!({
                "name": "Prefer", "in": "header",
                "description": format!("`wait=N` (RFC 7240) waits up to N seconds for a change, {MAX_WAIT_SECONDS} at most. \
                    Other preferences are ignored."),
                "schema": {"type": "string"},
            }),
        ),
        (
            "Limit",
            json!({
                "name": "limit", "in": "query", "description": "The maximum number of entries on the page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            }),
        ),
    ];
    parameters
        .into_iter()
        .map(|(name, parameter)| (name.to_owned(), parameter))
        .collect()
}

pub(crate) fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// Returns the parameter that selects the source of an order's state.
pub(crate) fn source() -> Value {
    let names = [Source::Workflow, Source::Database].map(Source::as_str);
    let description = "The first source of the state. The default is `workflow`, or `database` with the setting `READS=database`. \
         Use `database` for frequent polling.";
    query("source", description, &json!({"enum": names}))
}

/// Returns the parameter `source` of a list, which has one allowed value.
fn database() -> Value {
    query(
        "source",
        "The source of the list. The only source is the database.",
        &json!({"const": Source::Database.as_str()}),
    )
}

/// Returns the parameters of the list of orders.
pub(crate) fn order_filters() -> Vec<Value> {
    let statuses: Vec<_> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    let time = json!({"type": "string", "format": "date-time"});
    vec![
        query(
            "status",
            "Return only orders with this status.",
            &json!({"enum": statuses}),
        ),
        query(
            "customer_id",
            "Return only orders of this customer.",
            &id_schema::<CustomerId>(),
        ),
        query(
            "created_after",
            "Return only orders created after this time.",
            &time,
        ),
        query(
            "created_before",
            "Return only orders created before this time.",
            &time,
        ),
        shared("Limit"),
        database(),
        query(
            "cursor",
            "The opaque cursor from the `Link` header of the previous page.",
            &json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
        ),
    ]
}

/// Returns the parameters of the work list.
pub(crate) fn attention_filters() -> Vec<Value> {
    let concerns: Vec<_> = Concern::ALL
        .iter()
        .map(|concern| concern.as_str())
        .collect();
    vec![
        query(
            "concern",
            "Return only entries with this reason.",
            &json!({"enum": concerns}),
        ),
        query(
            "order_id",
            "Return only entries about this order.",
            &id_schema::<OrderId>(),
        ),
        shared("Limit"),
    ]
}

/// Returns the parameters of a page of audit events.
pub(crate) fn audit_log_page() -> Vec<Value> {
    let seq = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    vec![
        query(
            "after",
            "Return only audit events with a greater `seq`.",
            &seq,
        ),
        shared("Limit"),
        database(),
        shared("IfNoneMatch"),
        shared("Prefer"),
    ]
}

pub(crate) fn provider() -> Value {
    let names: Vec<_> = domain::WebhookProvider::ALL
        .iter()
        .map(|provider| provider.as_str())
        .collect();
    json!({
        "name": "provider", "in": "path", "required": true, "description": "The payment provider that sends the webhook event.",
        "schema": {"enum": names},
    })
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}
