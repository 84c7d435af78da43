//! Parameters of paths, queries and headers.

use serde_json::{Map, Value, json};

use contract::{Source, id_schema};
use domain::{CustomerId, OrderId, OrderStatus};
use orderflow_http::{DEFAULT_LIMIT, MAX_IDEMPOTENCY_KEY_LENGTH, MAX_LIMIT, MAX_WAIT_SECONDS};

/// Those that several routes have.
pub(crate) fn components() -> Map<String, Value> {
    let pattern = format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY_LENGTH}}}$");
    let parameters = [
        (
            "OrderId",
            json!({
                "name": "id", "in": "path", "required": true, "description": "The order's id.",
                "schema": id_schema::<OrderId>(), "example": "ORD-20261121-120000-AB12",
            }),
        ),
        (
            "IdempotencyKey",
            json!({
                "name": "Idempotency-Key", "in": "header",
                "description": "The caller's name for this one request, however often it is sent.",
                "schema": {"type": "string", "pattern": pattern}, "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
            }),
        ),
        (
            "RequestId",
            json!({
                "name": "X-Request-Id", "in": "header",
                "description": "Comes back in the answer and stands in the logs. One that is not sane is replaced.",
                "schema": {"type": "string"}, "example": "checkout-7421",
            }),
        ),
        (
            "IfNoneMatch",
            json!({
                "name": "If-None-Match", "in": "header",
                "description": "The `ETag` of what the caller has.",
                "schema": {"type": "string"}, "example": "W/\"7\"",
            }),
        ),
        (
            "Prefer",
            json!({
                "name": "Prefer", "in": "header",
                "description": format!("`wait=N` waits, for at most {MAX_WAIT_SECONDS} s, until there is news (RFC 7240). Any other is ignored."),
                "schema": {"type": "string"}, "example": "wait=1",
            }),
        ),
        (
            "Limit",
            json!({
                "name": "limit", "in": "query", "description": "How long the page is at most.",
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

/// Where an order's state is to come from.
pub(crate) fn source() -> Value {
    let names = [Source::Workflow, Source::Database].map(Source::as_str);
    let description = "Whom to ask first: `workflow` (the default, unless `READS=database`) or `database`, for who polls at volume.";
    query("source", description, &json!({"enum": names}))
}

/// As the other reads have it; here there is but one.
fn database() -> Value {
    query(
        "source",
        "Lists come from the database alone.",
        &json!({"const": Source::Database.as_str()}),
    )
}

/// Of a list of orders.
pub(crate) fn filters() -> Vec<Value> {
    let statuses: Vec<_> = OrderStatus::ALL
        .iter()
        .map(|status| status.as_str())
        .collect();
    let time = json!({"type": "string", "format": "date-time"});
    vec![
        query(
            "status",
            "Only orders of this status.",
            &json!({"enum": statuses}),
        ),
        query(
            "customer_id",
            "Only orders of this customer.",
            &id_schema::<CustomerId>(),
        ),
        query(
            "created_after",
            "Only orders created after this time.",
            &time,
        ),
        query(
            "created_before",
            "Only orders created before this time.",
            &time,
        ),
        shared("Limit"),
        database(),
        query(
            "cursor",
            "From the `Link` of the page before; opaque.",
            &json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
        ),
    ]
}

/// Of an audit trail.
pub(crate) fn page_of_trail() -> Vec<Value> {
    let seq = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    vec![
        query("after", "Only entries with a greater `seq`.", &seq),
        shared("Limit"),
        database(),
        shared("IfNoneMatch"),
        shared("Prefer"),
    ]
}

/// Which file of a folder.
pub(crate) fn file() -> Value {
    json!({
        "name": "path", "in": "path", "required": true, "description": "One of the files that the page names.",
        "schema": {"type": "string", "minLength": 1},
    })
}

pub(crate) fn provider() -> Value {
    let names: Vec<_> = domain::WebhookProvider::ALL
        .iter()
        .map(|provider| provider.as_str())
        .collect();
    json!({
        "name": "provider", "in": "path", "required": true, "description": "Who sends it.",
        "schema": {"enum": names},
    })
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}
