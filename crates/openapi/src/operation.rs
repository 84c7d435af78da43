//! What each route does.

use serde_json::{Map, Value, json};

use crate::{
    answer::{answer, json_content, text_content},
    examples, parameters, problems,
    requests::Body,
    security, signals,
    types::Types,
};
use contract::{EstimatedDeliveryView, OrderView, ResultView, StatusView};
use events::{AuditLog, OrderList};
use orderflow_http::{
    Access, EventsOperation, Operation, ProblemCode, ProblemKind, QueryOperation, Route,
    StartOperation, WebOperation,
};
use query::Health;
use start::StartResponse as StartedOrder;

/// A route in words, and what goes in and out.
pub(crate) struct Description {
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) details: &'static str,
    pub(crate) parameters: Vec<Value>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<(u16, Value)>,
    pub(crate) problems: Vec<ProblemKind>,
}

const START: &str = "Start";
pub(crate) const TELL: &str = "Tell";
const READ: &str = "Read";
const PAGES: &str = "Pages";

pub(crate) fn tags() -> Value {
    json!([
        {"name": START, "description": "One order of one request, however often it is sent."},
        {"name": TELL, "description": "What people and other systems tell an order. The answer says what truly happened."},
        {"name": READ, "description": "Where orders stand, and how they got there."},
        {"name": PAGES, "description": "For people."},
    ])
}

pub(crate) fn of(route: &Route, types: &mut Types) -> Value {
    let Description {
        tag,
        summary,
        details,
        mut parameters,
        body,
        answers,
        mut problems,
    } = description(route.operation, types);
    problems.extend(ours(&[admission(route.operation.access())]));
    if route.pattern.contains("{id}") {
        parameters.insert(0, parameters::shared("OrderId"));
    }
    parameters.push(parameters::shared("RequestId"));
    let mut responses: Map<String, Value> = answers
        .into_iter()
        .map(|(status, answer)| (status.to_string(), answer))
        .collect();
    responses.append(&mut problems::answers(&problems));
    let mut operation = json!({
        "operationId": id(route),
        "tags": [tag],
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
        "security": security::of(route.operation.access()),
    });
    if !details.is_empty() {
        operation["description"] = json!(details);
    }
    if let Some(body) = body {
        operation["requestBody"] = body.request();
    }
    operation
}

/// Who is not let in is told so, before anything else.
const fn admission(access: Access) -> &'static [ProblemCode] {
    match access {
        Access::Public => &[ProblemCode::RateLimited],
        Access::Requires(_) => &[
            ProblemCode::Unauthenticated,
            ProblemCode::InsufficientScope,
            ProblemCode::RateLimited,
            ProblemCode::AuthUnavailable,
        ],
    }
}

/// `POST /orders/{id}/signals/update-address` is `postOrdersIdSignalsUpdateAddress`.
fn id(route: &Route) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    let words = route
        .pattern
        .split(|c: char| !c.is_ascii_alphanumeric())
        .map(capital);
    route.method.as_str().to_lowercase() + &words.collect::<String>()
}

fn description(operation: Operation, types: &mut Types) -> Description {
    match operation {
        Operation::Start(starting) => start(starting, types),
        Operation::Signal(signalling) => signals::description(signalling, types),
        Operation::Query(querying) => query(querying, types),
        Operation::Events(listing) => list(listing, types),
        Operation::Web(documenting) => page(documenting),
        Operation::Webhook => webhook(),
    }
}

/// What may go wrong with any body.
pub(crate) const BODY: [ProblemCode; 5] = [
    ProblemCode::MalformedJson,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
    ProblemCode::InternalError,
];

pub(crate) fn ours(lists: &[&[ProblemCode]]) -> Vec<ProblemKind> {
    lists.concat().into_iter().map(ProblemKind::Api).collect()
}

fn start(starting: StartOperation, types: &mut Types) -> Description {
    let content = json_content(&types.of::<StartedOrder<'static>>(), &examples::started());
    let answers = vec![(
        202,
        answer(
            "The order is started.",
            &[("location", "Location")],
            content,
        ),
    )];
    let away = [
        ProblemCode::InvalidIdempotencyKey,
        ProblemCode::InvalidQuery,
        ProblemCode::TemporalUnavailable,
        ProblemCode::WorkerUnavailable,
    ];
    let (summary, details, body, own) = match starting {
        StartOperation::Create => (
            "Create an order",
            "The server makes the id: from the `Idempotency-Key` where there is one, so that the same key with the same \
             body is the same order and answer, and with another body 422.",
            Body::Order,
            ProblemCode::IdempotencyKeyReused,
        ),
        StartOperation::Start => (
            "Start an order under an id of your own",
            "The same request again gives the same answer with `already_started`; another request under the id is refused. \
             Everything may be left out where `SAMPLE_CART=on`: then it is one sample item.",
            Body::Sketch,
            ProblemCode::OrderExists,
        ),
    };
    Description {
        tag: START,
        summary,
        details,
        parameters: vec![parameters::shared("IdempotencyKey")],
        body: Some(body),
        answers,
        problems: ours(&[&BODY, &away, &[own]]),
    }
}

fn query(querying: QueryOperation, types: &mut Types) -> Description {
    let (summary, details, content) = match querying {
        QueryOperation::Order => (
            "The full state",
            "An open order answers itself; when no worker is there, its row does, and before there is a row, what Temporal \
             knows. Of a closed order the row comes first. `source` says which it was.",
            json_content(&types.of::<OrderView>(), &examples::order()),
        ),
        QueryOperation::Status => (
            "The short state",
            "",
            json_content(&types.of::<StatusView>(), &examples::status()),
        ),
        QueryOperation::EstimatedDelivery => (
            "When the parcel should arrive",
            "After dispatch it is counted from there, before from now; what was cancelled or has failed has no estimate.",
            json_content(&types.of::<EstimatedDeliveryView>(), &examples::estimate()),
        ),
        QueryOperation::Result => (
            "How the order ended",
            "While it runs the answer is 409; `Prefer: wait=N` waits for the end.",
            json_content(&types.of::<ResultView>(), &examples::result()),
        ),
        QueryOperation::Health => return health(types),
    };
    let ended: &[ProblemCode] = if querying == QueryOperation::Result {
        &[ProblemCode::OrderRunning]
    } else {
        &[]
    };
    Description {
        tag: READ,
        summary,
        details,
        parameters: vec![
            parameters::source(),
            parameters::shared("IfNoneMatch"),
            parameters::shared("Prefer"),
        ],
        body: None,
        answers: vec![
            (200, answer("It.", &TAGGED, content)),
            (304, answer(KNOWN, &TAGGED, None)),
        ],
        problems: ours(&[&READING, ended]),
    }
}

const KNOWN: &str = "The caller has it already.";
const TAGGED: [(&str, &str); 3] = [
    ("etag", "ETag"),
    ("cache-control", "CacheControl"),
    ("preference-applied", "PreferenceApplied"),
];

/// What may go wrong with any read of one order.
const READING: [ProblemCode; 6] = [
    ProblemCode::OrderNotFound,
    ProblemCode::InvalidQuery,
    ProblemCode::TemporalUnavailable,
    ProblemCode::WorkerUnavailable,
    ProblemCode::DatabaseUnavailable,
    ProblemCode::InternalError,
];

fn health(types: &mut Types) -> Description {
    let health = types.of::<Health>();
    Description {
        tag: READ,
        summary: "Is the API up, is Temporal reachable",
        details: "",
        parameters: Vec::new(),
        body: None,
        answers: vec![
            (
                200,
                answer(
                    "Calls can be served.",
                    &[],
                    json_content(&health, &examples::healthy()),
                ),
            ),
            (
                503,
                answer(
                    "They can not; `cause` says why.",
                    &[],
                    json_content(&health, &examples::unhealthy()),
                ),
            ),
        ],
        problems: ours(&[&[ProblemCode::InvalidQuery, ProblemCode::InternalError]]),
    }
}

fn list(listing: EventsOperation, types: &mut Types) -> Description {
    match listing {
        EventsOperation::Orders => Description {
            tag: READ,
            summary: "Orders, the newest first",
            details: "From the database, page by page: follow `Link`.",
            parameters: parameters::filters(),
            body: None,
            answers: vec![(
                200,
                answer(
                    "A page.",
                    &[("link", "Link")],
                    json_content(&types.of::<OrderList>(), &examples::list()),
                ),
            )],
            problems: ours(&[&[
                ProblemCode::InvalidQuery,
                ProblemCode::DatabaseUnavailable,
                ProblemCode::InternalError,
            ]]),
        },
        EventsOperation::AuditLog => {
            let headers = [&[("link", "Link")], &TAGGED[..]].concat();
            let content = json_content(&types.of::<AuditLog>(), &examples::trail());
            Description {
                tag: READ,
                summary: "The audit trail of an order, the oldest first",
                details: "`seq` is 1, 2, 3 … without a gap. Empty as long as the order waits to be received.",
                parameters: parameters::page_of_trail(),
                body: None,
                answers: vec![
                    (200, answer("A page.", &headers, content)),
                    (304, answer(KNOWN, &TAGGED, None)),
                ],
                problems: ours(&[&READING]),
            }
        }
    }
}

fn webhook() -> Description {
    Description {
        tag: TELL,
        summary: "A payment provider's signed notification",
        details: "For the providers' own programs: the body is theirs, and its signature alone lets it in. A provider \
            without a secret here is off (404). The same event again has no second effect.",
        parameters: vec![parameters::provider()],
        body: None,
        answers: vec![
            (
                200,
                answer(
                    "It is kept; Adyen reads `[accepted]`.",
                    &[],
                    text_content(&["text/plain; charset=utf-8"]),
                ),
            ),
            (204, answer("It is kept; so GoCardless is told.", &[], None)),
        ],
        problems: ours(&[&[
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

fn page(documenting: WebOperation) -> Description {
    const HTML: &[&str] = &["text/html; charset=utf-8"];
    const FILES: &[&str] = &[
        "text/javascript; charset=utf-8",
        "text/css; charset=utf-8",
        "image/svg+xml",
    ];
    let (summary, types, is_file) = match documenting {
        WebOperation::Console => ("The operators' page", HTML, false),
        WebOperation::ConsoleFile => ("A file of the operators' page", FILES, true),
        WebOperation::OpenApi => ("This document", &["application/json"][..], false),
        WebOperation::SwaggerUi => ("This document, to try out (Swagger UI)", HTML, false),
        WebOperation::SwaggerUiFile => ("A file of that page", FILES, true),
        WebOperation::ReDoc => ("This document, to read (ReDoc)", HTML, false),
        WebOperation::ReDocFile => ("A file of that page", FILES, true),
    };
    let content = match documenting {
        WebOperation::OpenApi => Some(json!({"application/json": {"schema": {"type": "object"}}})),
        WebOperation::Console
        | WebOperation::ConsoleFile
        | WebOperation::SwaggerUi
        | WebOperation::SwaggerUiFile
        | WebOperation::ReDoc
        | WebOperation::ReDocFile => text_content(types),
    };
    let headers: &[_] = &[
        ("etag", "ETag"),
        ("cache-control", "CacheControl"),
        ("content-security-policy", "ContentSecurityPolicy"),
    ];
    let mut parameters = vec![parameters::shared("IfNoneMatch")];
    if is_file {
        parameters.insert(0, parameters::file());
    }
    Description {
        tag: PAGES,
        summary,
        details: "",
        parameters,
        body: None,
        answers: vec![
            (200, answer("It.", headers, content)),
            (304, answer("The caller has it already.", headers, None)),
        ],
        problems: ours(&[if is_file {
            &[ProblemCode::RouteNotFound, ProblemCode::InternalError]
        } else {
            &[ProblemCode::InternalError]
        }]),
    }
}
