//! Describes each route of the API.

use serde_json::{Map, Value, json};

use crate::{
    admin,
    description::{
        BODY_PROBLEMS, Description, ENDPOINTS, HEALTH, ORDER_ACTIONS, ORDERS, PAYMENT_WEBHOOKS,
        PAYMENTS, STOCK, problem_kinds,
    },
    examples, parameters, problems, refunds,
    requests::Body,
    response::{json_content, response, text_content, with_table},
    returns, security, signals,
    types::SchemaRegistry,
};
use contract::{EstimatedDeliveryView, OrderView, ResultView, Stats, StatusView};
use events::{AuditLog, OrderList, WorkList};
use orderflow_http::{
    Access, EventsOperation, Operation, ProblemCode, QueryOperation, Route, SignalOperation,
    StartOperation,
};
use start::{Health, StartResponse};

pub(crate) fn tags() -> Value {
    json!([
        {"name": ORDERS, "description": "Create orders and read their state, result and audit log."},
        {"name": ORDER_ACTIONS, "description": "Review, cancel, pay and deliver an order, or change its address. The response reports the order's own decision."},
        {"name": PAYMENTS, "description": "Payments that an operator must act on."},
        {"name": STOCK, "description": "Available, held and shipped units of each SKU."},
        {"name": ENDPOINTS, "description": "Addresses of other systems that receive signed messages about orders."},
        {"name": PAYMENT_WEBHOOKS, "description": "Signed webhook events of payment providers."},
        {"name": HEALTH, "description": "The health of the API and of its connection to Temporal."},
    ])
}

/// Returns the operation of a route, or `None` for a page, which is not part of the API.
pub(crate) fn describe_route(route: &Route, types: &mut SchemaRegistry) -> Option<Value> {
    let Description {
        tag,
        summary,
        details,
        mut parameters,
        body,
        responses,
        mut problems,
    } = description(route.operation, types)?;
    problems.extend(problem_kinds(&[access_problems(route.operation.access())]));
    if route.pattern.contains("/orders/{id}") {
        parameters.insert(0, parameters::shared("OrderId"));
    }
    parameters.push(parameters::shared("RequestId"));
    let mut responses: Map<String, Value> = responses
        .into_iter()
        .map(|(status, response)| (status.to_string(), response))
        .collect();
    responses.append(&mut problems::responses(&problems));
    let operation_id = operation_id(route)?;
    let (summary, description) = match alias_of(operation_id) {
        Some(operation) => {
            let kind = if route.method == "DELETE" {
                "DELETE alias"
            } else {
                "alias"
            };
            (
                format!("{summary} ({kind})"),
                format!("An alias of the operation `{operation}`."),
            )
        }
        None => (summary.to_owned(), details.to_owned()),
    };
    let mut operation = json!({
        "operationId": operation_id,
        "tags": [tag],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": responses,
        "security": security::requirements(route.operation.access()),
    });
    if let Some(body) = body {
        operation["requestBody"] = body.request();
    }
    Some(operation)
}

/// Returns the problems of a caller whose access is denied.
const fn access_problems(access: Access) -> &'static [ProblemCode] {
    match access {
        Access::Public => &[ProblemCode::RateLimited, ProblemCode::Overloaded],
        Access::Requires(_) => &[
            ProblemCode::Unauthenticated,
            ProblemCode::InsufficientScope,
            ProblemCode::RateLimited,
            ProblemCode::Overloaded,
            ProblemCode::AuthUnavailable,
        ],
    }
}

/// Returns the operation id, which names the method of a generated client. Pages have none.
fn operation_id(route: &Route) -> Option<&'static str> {
    let is_signal = route.pattern.contains("/signals/");
    Some(match route.operation {
        Operation::Start(StartOperation::Create) => "createOrder",
        Operation::Start(StartOperation::Start) => "startOrder",
        Operation::Signal(SignalOperation::Approve) => "approveOrder",
        Operation::Signal(SignalOperation::Reject) => "rejectOrder",
        Operation::Signal(SignalOperation::Cancel) if is_signal => "cancelOrderBySignal",
        Operation::Signal(SignalOperation::Cancel) if route.method == "DELETE" => {
            "cancelOrderByDelete"
        }
        Operation::Signal(SignalOperation::Cancel) => "cancelOrder",
        Operation::Signal(SignalOperation::UpdateAddress) => "updateShippingAddress",
        Operation::Signal(SignalOperation::CancelPayment) => "cancelPayment",
        Operation::Signal(SignalOperation::ConfirmPayment) if is_signal => "confirmPaymentBySignal",
        Operation::Signal(SignalOperation::ConfirmPayment) => "confirmPayment",
        Operation::Signal(SignalOperation::ConfirmDelivery) => "confirmDelivery",
        Operation::Signal(SignalOperation::Hold) => "holdOrder",
        Operation::Signal(SignalOperation::Release) => "releaseOrder",
        Operation::Signal(SignalOperation::Update) => "updateOrder",
        Operation::Signal(SignalOperation::UpdateItems) => "updateItems",
        Operation::Refund => "refundOrder",
        Operation::Return(operation) => returns::operation_id(operation),
        Operation::Query(QueryOperation::Returns) => "listReturns",
        Operation::Query(QueryOperation::Return) => "getReturn",
        Operation::Query(QueryOperation::Refunds) => "listRefunds",
        Operation::Query(QueryOperation::Refund) => "getRefund",
        Operation::Query(QueryOperation::Order) => "getOrder",
        Operation::Query(QueryOperation::Status) => "getOrderStatus",
        Operation::Query(QueryOperation::EstimatedDelivery) => "getEstimatedDelivery",
        Operation::Query(QueryOperation::Result) => "getOrderResult",
        Operation::Start(StartOperation::Health) => "getHealth",
        Operation::Events(EventsOperation::Orders) => "listOrders",
        Operation::Events(EventsOperation::AuditLog) => "listAuditEvents",
        Operation::Events(EventsOperation::Attention) => "listAttention",
        Operation::Events(EventsOperation::Stats) => "getStats",
        Operation::Admin(operation) => admin::operation_id(operation),
        Operation::Webhook => "receivePaymentWebhook",
        Operation::Web(_) => return None,
    })
}

/// Returns the operation that this operation is an alias of.
fn alias_of(operation_id: &str) -> Option<&'static str> {
    match operation_id {
        "cancelOrderBySignal" | "cancelOrderByDelete" => Some("cancelOrder"),
        "confirmPaymentBySignal" => Some("confirmPayment"),
        _ => None,
    }
}

fn description(operation: Operation, types: &mut SchemaRegistry) -> Option<Description> {
    Some(match operation {
        Operation::Start(StartOperation::Health) => describe_health(types),
        Operation::Start(operation) => describe_start(operation, types),
        Operation::Signal(operation) => signals::description(operation, types),
        Operation::Refund => refunds::describe_request(types),
        Operation::Query(QueryOperation::Refunds) => refunds::describe_list(types),
        Operation::Query(QueryOperation::Refund) => refunds::describe_refund(types),
        Operation::Return(operation) => returns::describe_change(operation, types),
        Operation::Query(QueryOperation::Returns) => returns::describe_list(types),
        Operation::Query(QueryOperation::Return) => returns::describe_return(types),
        Operation::Query(operation) => describe_query(operation, types),
        Operation::Events(operation) => describe_list(operation, types),
        Operation::Admin(operation) => admin::describe(operation, types),
        Operation::Webhook => describe_webhook(),
        Operation::Web(_) => return None,
    })
}

fn describe_start(operation: StartOperation, types: &mut SchemaRegistry) -> Description {
    let content = json_content(
        &types.schema_of::<StartResponse<'static>>(),
        &examples::started_order(),
    );
    let responses = vec![(
        202,
        response(
            "The order has started.",
            &[
                ("location", "Location"),
                ("preference-applied", "PreferenceApplied"),
            ],
            content,
        ),
    )];
    let common = [
        ProblemCode::OutOfStock,
        ProblemCode::ReservationLimit,
        ProblemCode::InvalidIdempotencyKey,
        ProblemCode::InvalidQuery,
        ProblemCode::TemporalUnavailable,
        ProblemCode::WorkerUnavailable,
        ProblemCode::QuoteInvalid,
        ProblemCode::QuoteExpired,
    ];
    let (summary, details, body, own) = match operation {
        StartOperation::Create => (
            "Create an order",
            "The server generates the order id, from the `Idempotency-Key` if the request has one. \
             A repeated request with the same key and body returns the same order. \
             The same key with another body is refused with 422.",
            Body::Order,
            ProblemCode::IdempotencyKeyReused,
        ),
        StartOperation::Start | StartOperation::Health => (
            "Start an order by id",
            "Starts an order with the id in the path. \
             A repeated request returns the same order with `already_started`; \
             a different request for the same id is refused. \
             With the setting `SAMPLE_CART=on`, an order without `items` gets one sample item.",
            Body::PartialOrder,
            ProblemCode::OrderExists,
        ),
    };
    Description {
        tag: ORDERS,
        summary,
        details,
        parameters: vec![
            parameters::shared("IdempotencyKey"),
            parameters::reservation_wait(),
        ],
        body: Some(body),
        responses,
        problems: problem_kinds(&[&BODY_PROBLEMS, &common, &[own]]),
    }
}

const NOT_MODIFIED: &str = "Not modified: `If-None-Match` names the current version.";
const READ_HEADERS: [(&str, &str); 3] = [
    ("etag", "ETag"),
    ("cache-control", "CacheControl"),
    ("preference-applied", "PreferenceApplied"),
];

/// The problems of every read of one order.
pub(crate) const READ_PROBLEMS: [ProblemCode; 6] = [
    ProblemCode::OrderNotFound,
    ProblemCode::InvalidQuery,
    ProblemCode::TemporalUnavailable,
    ProblemCode::WorkerUnavailable,
    ProblemCode::DatabaseUnavailable,
    ProblemCode::InternalError,
];

fn describe_query(operation: QueryOperation, types: &mut SchemaRegistry) -> Description {
    let (summary, details, success, content) = match operation {
        QueryOperation::Status => (
            "Get the order's status",
            "Returns only the status and the step.",
            "The order's status.",
            json_content(&types.schema_of::<StatusView>(), &examples::status()),
        ),
        QueryOperation::EstimatedDelivery => (
            "Get the estimated delivery",
            "The estimate is calculated from dispatch; before dispatch, it is calculated from the time of the response. \
             A cancelled or failed order has no estimate.",
            "The estimated delivery.",
            json_content(
                &types.schema_of::<EstimatedDeliveryView>(),
                &examples::estimated_delivery(),
            ),
        ),
        QueryOperation::Result => (
            "Get the order's result",
            "Returns the final status. \
             While the order is open, the response is 409; `Prefer: wait=N` waits for the end.",
            "The result of the closed order.",
            json_content(&types.schema_of::<ResultView>(), &examples::result()),
        ),
        QueryOperation::Order
        | QueryOperation::Refunds
        | QueryOperation::Refund
        | QueryOperation::Returns
        | QueryOperation::Return => (
            "Get an order",
            "Returns the full state. An open order is read from its workflow, a closed order from the database. \
             If no worker is running, an open order is also read from the database. \
             `source` in the response names the source.",
            "The full state of the order.",
            json_content(&types.schema_of::<OrderView>(), &examples::order()),
        ),
    };
    let not_closed: &[ProblemCode] = if operation == QueryOperation::Result {
        &[ProblemCode::OrderRunning]
    } else {
        &[]
    };
    Description {
        tag: ORDERS,
        summary,
        details,
        parameters: vec![
            parameters::source(),
            parameters::shared("IfNoneMatch"),
            parameters::shared("Prefer"),
        ],
        body: None,
        responses: vec![
            (200, response(success, &READ_HEADERS, content)),
            (304, response(NOT_MODIFIED, &READ_HEADERS, None)),
        ],
        problems: problem_kinds(&[&READ_PROBLEMS, not_closed]),
    }
}

fn describe_health(types: &mut SchemaRegistry) -> Description {
    let health = types.schema_of::<Health>();
    Description {
        tag: HEALTH,
        summary: "Get the API's health",
        details: "Reports whether the API can reach Temporal.",
        parameters: Vec::new(),
        body: None,
        responses: vec![
            (
                200,
                response(
                    "The API can serve requests.",
                    &[],
                    json_content(&health, &examples::healthy()),
                ),
            ),
            (
                503,
                response(
                    "The API cannot reach Temporal; `cause` is the error.",
                    &[],
                    json_content(&health, &examples::unhealthy()),
                ),
            ),
        ],
        problems: problem_kinds(&[&[ProblemCode::InvalidQuery, ProblemCode::InternalError]]),
    }
}

/// The problems of a list that does not belong to one order.
pub(crate) const LIST_PROBLEMS: [ProblemCode; 3] = [
    ProblemCode::InvalidQuery,
    ProblemCode::DatabaseUnavailable,
    ProblemCode::InternalError,
];

fn describe_list(operation: EventsOperation, types: &mut SchemaRegistry) -> Description {
    match operation {
        EventsOperation::Orders => Description {
            tag: ORDERS,
            summary: "List orders",
            details: "Returns orders from the database, newest first unless `sort` names another order. \
                The `Link` header has the URL of the next page. \
                With `Accept: text/csv`, the page is a table with up to 5,000 orders.",
            parameters: parameters::order_filters(),
            body: None,
            responses: vec![(
                200,
                response(
                    "A page of orders.",
                    &[("link", "Link")],
                    with_table(json_content(
                        &types.schema_of::<OrderList>(),
                        &examples::order_list(),
                    )),
                ),
            )],
            problems: problem_kinds(&[&LIST_PROBLEMS]),
        },
        EventsOperation::Attention => describe_attention(types),
        EventsOperation::Stats => describe_stats(types),
        EventsOperation::AuditLog => {
            let headers = [&[("link", "Link")], &READ_HEADERS[..]].concat();
            let content = json_content(&types.schema_of::<AuditLog>(), &examples::audit_log());
            Description {
                tag: ORDERS,
                summary: "List audit events",
                details: "Returns the order's audit events, oldest first. \
                    Their `seq` is 1, 2, 3 and so on without a gap. \
                    The list is empty until a worker has received the order.",
                parameters: parameters::audit_log_page(),
                body: None,
                responses: vec![
                    (200, response("A page of audit events.", &headers, content)),
                    (304, response(NOT_MODIFIED, &READ_HEADERS, None)),
                ],
                problems: problem_kinds(&[&READ_PROBLEMS]),
            }
        }
    }
}

fn describe_attention(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: PAYMENTS,
        summary: "List payments needing attention",
        details: "Returns the amounts that an operator must act on, oldest first, each with the next step. \
            An entry closes when its money is settled, or with `orderflow money resolve`.",
        parameters: parameters::attention_filters(),
        body: None,
        responses: vec![(
            200,
            response(
                "The oldest entries of the work list.",
                &[],
                json_content(&types.schema_of::<WorkList>(), &examples::work_list()),
            ),
        )],
        problems: problem_kinds(&[&LIST_PROBLEMS]),
    }
}

fn describe_stats(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: ORDERS,
        summary: "Get statistics of orders",
        details: "Returns numbers of the orders that were created in the range, the time of their steps, \
            and the work that waits now. The range has at most 31 days.",
        parameters: parameters::stats_range(),
        body: None,
        responses: vec![(
            200,
            response(
                "The statistics.",
                &[],
                json_content(&types.schema_of::<Stats>(), &examples::stats()),
            ),
        )],
        problems: problem_kinds(&[&LIST_PROBLEMS]),
    }
}

fn describe_webhook() -> Description {
    Description {
        tag: PAYMENT_WEBHOOKS,
        summary: "Receive a webhook event",
        details: "Receives a webhook event in the provider's format; the signature authenticates the provider. \
            The response is 404 for a provider without a configured secret. \
            A repeated webhook event has no second effect.",
        parameters: vec![parameters::provider()],
        body: None,
        responses: vec![
            (
                200,
                response(
                    "The webhook event is stored. Adyen requires the body `[accepted]`.",
                    &[],
                    text_content(&["text/plain; charset=utf-8"]),
                ),
            ),
            (
                204,
                response(
                    "The webhook event is stored. This is the response to GoCardless.",
                    &[],
                    None,
                ),
            ),
        ],
        problems: problem_kinds(&[&[
            ProblemCode::WebhookRejected,
            ProblemCode::WebhookTokenInvalid,
            ProblemCode::RouteNotFound,
            ProblemCode::BodyTooLarge,
            ProblemCode::TemporalUnavailable,
            ProblemCode::WorkerUnavailable,
            ProblemCode::AuthUnavailable,
            ProblemCode::InternalError,
        ]]),
    }
}
