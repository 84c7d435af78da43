//! Parameters of paths, queries and headers.

use serde_json::{Map, Value, json};

use crate::examples::ENDPOINT_ID;
use contract::{OrderAttention, OrderSort, Source, id_schema};
use domain::{Concern, CustomerId, OrderId, OrderStatus, RefundId, ReturnId, Sku};
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
                    The log and the audit log have it beside the id of the response, \
                    which returns it as `X-Client-Request-Id`. An invalid id is ignored.",
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
            "IfMatch",
            json!({
                "name": "If-Match", "in": "header",
                "description": "The `ETag` of the order that the change is for, for example `W/\"7\"`. \
                    If the order has changed since, the response is 412. `*` accepts every state.",
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
    let statuses = json!({"type": "array", "items": {"enum": names(OrderStatus::ALL)}, "minItems": 1, "uniqueItems": true});
    let text = json!({"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$"});
    let email = json!({"type": "string", "maxLength": 254, "pattern": "^[!-~]*@[!-~]*$"});
    vec![
        query(
            "status",
            "Return only orders with one of these statuses. Repeat the parameter, or separate the values by commas.",
            &statuses,
        ),
        query(
            "customer_id",
            "Return only orders of this customer.",
            &id_schema::<CustomerId>(),
        ),
        query(
            "email",
            "Return only orders of this e-mail address. Upper and lower case are equal.",
            &email,
        ),
        query(
            "external_reference",
            "Return only orders with this reference. Upper and lower case are equal.",
            &text,
        ),
        query(
            "q",
            "Return only orders with this text. Each word must begin the id, the e-mail address or a word of the name, \
             or the text must begin a transaction id, a tracking number or the reference. Upper and lower case are equal.",
            &text,
        ),
        query(
            "attention",
            "Return only orders that need a person for this reason.",
            &json!({"enum": names(OrderAttention::ALL)}),
        ),
        time(
            "created_after",
            "Return only orders created after this time.",
        ),
        time(
            "created_before",
            "Return only orders created before this time.",
        ),
        time(
            "updated_after",
            "Return only orders changed after this time.",
        ),
        time(
            "updated_before",
            "Return only orders whose last change was before this time.",
        ),
        query(
            "sort",
            "The sequence of the orders; `-` sorts in descending order.",
            &json!({"enum": names(OrderSort::ALL), "default": OrderSort::default().as_str()}),
        ),
        shared("Limit"),
        database(),
        query(
            "cursor",
            "The opaque cursor from the `Link` header of the previous page, which has the same `sort`.",
            &json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
        ),
    ]
}

/// Returns the parameters of the statistics.
pub(crate) fn stats_range() -> Vec<Value> {
    vec![
        time(
            "from",
            "The beginning of the range. The default is 24 hours before `to`.",
        ),
        time(
            "to",
            "The end of the range, which is not part of it. The default is now.",
        ),
    ]
}

/// Returns a parameter that is a time, or a date that means midnight UTC.
fn time(name: &str, description: &str) -> Value {
    let formats = ["date-time", "date"].map(|format| json!({"type": "string", "format": format}));
    query(name, description, &json!({"anyOf": formats}))
}

fn names<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Returns the parameter of the next page.
pub(crate) fn cursor() -> Value {
    query(
        "cursor",
        "The opaque cursor from the `Link` header of the previous page.",
        &json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
    )
}

pub(crate) fn sku() -> Value {
    json!({
        "name": "sku", "in": "path", "required": true, "description": "The SKU, percent-encoded: `A%2F1` is the SKU `A/1`.",
        "schema": id_schema::<Sku>(), "example": "ABC123",
    })
}

pub(crate) fn refund_id() -> Value {
    json!({
        "name": "refund_id", "in": "path", "required": true, "description": "The id of the refund.",
        "schema": id_schema::<RefundId>(), "example": "RF-4QKJ2N7C5XW3MZT6D8RA",
    })
}

pub(crate) fn return_id() -> Value {
    json!({
        "name": "return_id", "in": "path", "required": true, "description": "The id of the return.",
        "schema": id_schema::<ReturnId>(), "example": "RT-4QKJ2N7C5XW3MZT6D8RA",
    })
}

pub(crate) fn endpoint_id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The id of the endpoint.",
        "schema": {"type": "string", "pattern": "^(ep_[0-9a-f]{24}|event_bus)$"}, "example": ENDPOINT_ID,
    })
}

pub(crate) fn delivery_id() -> Value {
    json!({
        "name": "delivery_id", "in": "path", "required": true, "description": "The id of the message to the endpoint.",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}, "example": "1842",
    })
}

pub(crate) fn delivery_status() -> Value {
    query(
        "status",
        "Return only messages with this status.",
        &json!({"enum": ["pending", "delivered", "failed"]}),
    )
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

/// Returns the preference of a start, which waits for the reservation.
pub(crate) fn reservation_wait() -> Value {
    json!({
        "name": "Prefer", "in": "header",
        "description": format!("`wait=N` (RFC 7240) waits up to N seconds until the stock is reserved, {MAX_WAIT_SECONDS} at most. \
            If the stock is too low, the response is 409 `out_of_stock`; if the customer's unpaid orders hold too much, 409 \
            `reservation_limit`. Other preferences are ignored."),
        "schema": {"type": "string"},
    })
}

pub(crate) fn provider() -> Value {
    let names: Vec<_> = domain::WebhookProvider::ALL
        .iter()
        .map(|provider| provider.as_str())
        // The bridge to a carrier reports about parcels.
        .chain(["carrier"])
        .collect();
    json!({
        "name": "provider", "in": "path", "required": true, "description": "The payment provider that sends the webhook event, or `carrier` for the bridge to a carrier.",
        "schema": {"enum": names},
    })
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}
