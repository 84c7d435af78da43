//! The route table, which the functions and the local gateway share.

use std::fmt;

use lambda_http::http::Method;
use percent_encoding::percent_decode_str;

/// A Lambda function of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Start,
    Signal,
    Query,
    Events,
    Admin,
    Web,
    Webhook,
}

/// The operation of a route, grouped by function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Start(StartOperation),
    Signal(SignalOperation),
    Query(QueryOperation),
    Events(EventsOperation),
    Admin(AdminOperation),
    Web(WebOperation),
    /// Refunds a part of an order's money.
    Refund,
    /// Requests or changes a return.
    Return(ReturnOperation),
    /// Receives a payment provider's webhook event; the path names the provider.
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOperation {
    /// Starts an order with a generated id.
    Create,
    /// Starts an order with the caller's id.
    Start,
    /// Reports whether Temporal is reachable.
    Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalOperation {
    Approve,
    Reject,
    Cancel,
    UpdateAddress,
    CancelPayment,
    ConfirmPayment,
    ConfirmDelivery,
    Hold,
    Release,
    /// Changes the quantities of an order.
    UpdateItems,
    /// Changes the shop's notes about an order.
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryOperation {
    Order,
    Status,
    EstimatedDelivery,
    Result,
    /// Lists the refunds of an order.
    Refunds,
    /// Returns one refund of an order.
    Refund,
    /// Lists the returns of an order.
    Returns,
    /// Returns one return of an order.
    Return,
}

/// An operation on the returns of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnOperation {
    Request,
    Approve,
    Reject,
    /// Reports that the units are back.
    Receive,
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsOperation {
    Orders,
    AuditLog,
    /// Lists money that a person must act on.
    Attention,
    /// Reports numbers of orders and the time of their steps.
    Stats,
}

/// An operation on data of the shop that belongs to no single order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminOperation {
    ListStock,
    GetStock,
    PutStock,
    /// An operation on the endpoints that receive messages.
    Endpoint(EndpointOperation),
}

/// An operation on the endpoints that receive messages about orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointOperation {
    Create,
    List,
    Get,
    Change,
    Delete,
    RotateSecret,
    Enable,
    /// Sends a message that tests the endpoint.
    Test,
    ListDeliveries,
    Redeliver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebOperation {
    /// The operators' console.
    Console,
    /// A script, style or picture of the console.
    ConsoleFile,
    OpenApi,
    SwaggerUi,
    SwaggerUiFile,
    ReDoc,
    ReDocFile,
}

/// One row of the route table.
///
/// A segment in braces matches any one segment. `{path+}` matches all remaining segments and must
/// be the last segment of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    pub pattern: &'static str,
    pub operation: Operation,
}

const fn start(method: Method, pattern: &'static str, operation: StartOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Start(operation),
    }
}

const fn signal(method: Method, pattern: &'static str, operation: SignalOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Signal(operation),
    }
}

const fn query(method: Method, pattern: &'static str, operation: QueryOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Query(operation),
    }
}

const fn events(method: Method, pattern: &'static str, operation: EventsOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Events(operation),
    }
}

const fn admin(method: Method, pattern: &'static str, operation: AdminOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Admin(operation),
    }
}

const fn change_return(pattern: &'static str, operation: ReturnOperation) -> Route {
    Route {
        method: Method::POST,
        pattern,
        operation: Operation::Return(operation),
    }
}

const fn endpoint(method: Method, pattern: &'static str, operation: EndpointOperation) -> Route {
    admin(method, pattern, AdminOperation::Endpoint(operation))
}

const fn web(method: Method, pattern: &'static str, operation: WebOperation) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Web(operation),
    }
}

/// Every route of the API. The template, the OpenAPI document, the access rules and the router of
/// `cargo lambda watch` are tested against this table.
pub static ROUTES: &[Route] = &[
    start(Method::POST, "/orders", StartOperation::Create),
    start(Method::POST, "/orders/{id}/start", StartOperation::Start),
    // Not by `query`, whose concurrency is limited: long polls could use it up.
    start(Method::GET, "/health", StartOperation::Health),
    signal(
        Method::POST,
        "/orders/{id}/signals/approve",
        SignalOperation::Approve,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/reject",
        SignalOperation::Reject,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/cancel",
        SignalOperation::Cancel,
    ),
    signal(Method::POST, "/orders/{id}/cancel", SignalOperation::Cancel),
    signal(Method::DELETE, "/orders/{id}", SignalOperation::Cancel),
    signal(Method::PATCH, "/orders/{id}", SignalOperation::Update),
    signal(
        Method::POST,
        "/orders/{id}/signals/update-address",
        SignalOperation::UpdateAddress,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/cancel-payment",
        SignalOperation::CancelPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/payment",
        SignalOperation::ConfirmPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/confirm-payment",
        SignalOperation::ConfirmPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/confirm-delivery",
        SignalOperation::ConfirmDelivery,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/hold",
        SignalOperation::Hold,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/release",
        SignalOperation::Release,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/update-items",
        SignalOperation::UpdateItems,
    ),
    Route {
        method: Method::POST,
        pattern: "/webhooks/{provider}",
        operation: Operation::Webhook,
    },
    Route {
        method: Method::POST,
        pattern: "/orders/{id}/refunds",
        operation: Operation::Refund,
    },
    change_return("/orders/{id}/returns", ReturnOperation::Request),
    change_return(
        "/orders/{id}/returns/{return_id}/approve",
        ReturnOperation::Approve,
    ),
    change_return(
        "/orders/{id}/returns/{return_id}/reject",
        ReturnOperation::Reject,
    ),
    change_return(
        "/orders/{id}/returns/{return_id}/receive",
        ReturnOperation::Receive,
    ),
    change_return(
        "/orders/{id}/returns/{return_id}/cancel",
        ReturnOperation::Cancel,
    ),
    query(Method::GET, "/orders/{id}", QueryOperation::Order),
    query(Method::GET, "/orders/{id}/status", QueryOperation::Status),
    query(
        Method::GET,
        "/orders/{id}/estimated-delivery",
        QueryOperation::EstimatedDelivery,
    ),
    query(Method::GET, "/orders/{id}/result", QueryOperation::Result),
    query(Method::GET, "/orders/{id}/refunds", QueryOperation::Refunds),
    query(
        Method::GET,
        "/orders/{id}/refunds/{refund_id}",
        QueryOperation::Refund,
    ),
    query(Method::GET, "/orders/{id}/returns", QueryOperation::Returns),
    query(
        Method::GET,
        "/orders/{id}/returns/{return_id}",
        QueryOperation::Return,
    ),
    events(Method::GET, "/orders", EventsOperation::Orders),
    events(
        Method::GET,
        "/orders/{id}/events",
        EventsOperation::AuditLog,
    ),
    events(
        Method::GET,
        "/payments/attention",
        EventsOperation::Attention,
    ),
    events(Method::GET, "/stats", EventsOperation::Stats),
    admin(Method::GET, "/stock", AdminOperation::ListStock),
    admin(Method::GET, "/stock/{sku}", AdminOperation::GetStock),
    admin(Method::PUT, "/stock/{sku}", AdminOperation::PutStock),
    endpoint(
        Method::POST,
        "/webhook-endpoints",
        EndpointOperation::Create,
    ),
    endpoint(Method::GET, "/webhook-endpoints", EndpointOperation::List),
    endpoint(
        Method::GET,
        "/webhook-endpoints/{id}",
        EndpointOperation::Get,
    ),
    endpoint(
        Method::PATCH,
        "/webhook-endpoints/{id}",
        EndpointOperation::Change,
    ),
    endpoint(
        Method::DELETE,
        "/webhook-endpoints/{id}",
        EndpointOperation::Delete,
    ),
    endpoint(
        Method::POST,
        "/webhook-endpoints/{id}/rotate-secret",
        EndpointOperation::RotateSecret,
    ),
    endpoint(
        Method::POST,
        "/webhook-endpoints/{id}/enable",
        EndpointOperation::Enable,
    ),
    endpoint(
        Method::POST,
        "/webhook-endpoints/{id}/test",
        EndpointOperation::Test,
    ),
    endpoint(
        Method::GET,
        "/webhook-endpoints/{id}/deliveries",
        EndpointOperation::ListDeliveries,
    ),
    endpoint(
        Method::POST,
        "/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver",
        EndpointOperation::Redeliver,
    ),
    web(Method::GET, "/", WebOperation::Console),
    web(Method::GET, "/console/{path+}", WebOperation::ConsoleFile),
    web(Method::GET, "/openapi.json", WebOperation::OpenApi),
    web(Method::GET, "/docs", WebOperation::SwaggerUi),
    web(Method::GET, "/docs/{path+}", WebOperation::SwaggerUiFile),
    web(Method::GET, "/redoc", WebOperation::ReDoc),
    web(Method::GET, "/redoc/{path+}", WebOperation::ReDocFile),
];

impl Operation {
    /// Returns the function that serves the operation.
    pub const fn function(self) -> Function {
        match self {
            Self::Start(_) => Function::Start,
            Self::Signal(_) | Self::Refund | Self::Return(_) => Function::Signal,
            Self::Query(_) => Function::Query,
            Self::Events(_) => Function::Events,
            Self::Admin(_) => Function::Admin,
            Self::Web(_) => Function::Web,
            Self::Webhook => Function::Webhook,
        }
    }
}

impl Function {
    pub const ALL: [Self; 7] = [
        Self::Start,
        Self::Signal,
        Self::Query,
        Self::Events,
        Self::Admin,
        Self::Web,
        Self::Webhook,
    ];

    /// The function that receives requests without a route and responds with 404 or 405.
    pub const FALLBACK: Self = Self::Web;

    /// Returns the function's name, which is also the name of its folder and of its program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Signal => "signal",
            Self::Query => "query",
            Self::Events => "events",
            Self::Admin => "admin",
            Self::Web => "web",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reason why a request has no route.
#[derive(Debug, PartialEq, Eq)]
pub enum RouteError {
    UnknownPath,
    /// `allow` lists the methods of the path, as the `Allow` header does.
    WrongMethod {
        allow: String,
    },
}

/// Returns the route of a request and the value of the pattern's parameter, percent-decoded.
///
/// # Errors
///
/// No route has the path, or none of the path's routes has the method.
///
/// # Examples
///
/// ```
/// use lambda_http::http::Method;
///
/// let (route, id) = orderflow_http::find_route(&Method::GET, "/orders/a%20b").unwrap();
/// assert_eq!((route.pattern, id.as_deref()), ("/orders/{id}", Some("a b")));
/// ```
pub fn find_route(
    method: &Method,
    path: &str,
) -> Result<(&'static Route, Option<String>), RouteError> {
    let segments: Option<Vec<String>> = path
        .strip_prefix('/')
        .unwrap_or(path)
        .split('/')
        .map(decode)
        .collect();
    let segments = segments.ok_or(RouteError::UnknownPath)?;
    let on_path: Vec<_> = ROUTES
        .iter()
        .filter(|route| matches_pattern(route.pattern, &segments))
        .collect();
    // A function serves HEAD as it serves GET; the response then has no body.
    let served = if *method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let Some(route) = on_path.iter().find(|route| route.method == *served) else {
        if on_path.is_empty() {
            return Err(RouteError::UnknownPath);
        }
        let mut methods: Vec<_> = on_path.iter().map(|route| route.method.as_str()).collect();
        if methods.contains(&Method::GET.as_str()) {
            methods.push(Method::HEAD.as_str());
        }
        methods.sort_unstable();
        methods.dedup();
        return Err(RouteError::WrongMethod {
            allow: methods.join(", "),
        });
    };
    let parameter = route.pattern[1..]
        .split('/')
        .position(|segment| segment.starts_with('{'));
    let value = |index| match is_greedy(route.pattern) {
        true => Some(segments[index..].join("/")),
        false => segments.get(index).cloned(),
    };
    Ok((route, parameter.and_then(value)))
}

/// Returns the value of a pattern's second parameter, percent-decoded.
pub(crate) fn second_parameter(pattern: &str, path: &str) -> Option<String> {
    let index = pattern
        .split('/')
        .enumerate()
        .filter(|(_, part)| part.starts_with('{'))
        .nth(1)
        .map(|(index, _)| index)?;
    path.split('/').nth(index).and_then(decode)
}

/// Returns the path of a route that the caller has written with slashes at its end.
pub(crate) fn without_trailing_slash(path: &str) -> Option<&str> {
    let trimmed = path.trim_end_matches('/');
    let is_route = matches!(
        find_route(&Method::GET, trimmed),
        Ok(_) | Err(RouteError::WrongMethod { .. })
    );
    (!trimmed.is_empty() && trimmed != path && is_route).then_some(trimmed)
}

fn is_greedy(pattern: &str) -> bool {
    pattern.ends_with("+}")
}

fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

pub(crate) fn matches_pattern(pattern: &str, segments: &[String]) -> bool {
    let is_greedy = is_greedy(pattern);
    let pattern: Vec<_> = pattern[1..].split('/').collect();
    let matches = |(part, segment): (&&str, &String)| {
        if part.starts_with('{') {
            !segment.is_empty()
        } else {
            part == segment
        }
    };
    let fits = if is_greedy {
        pattern.len() <= segments.len()
    } else {
        pattern.len() == segments.len()
    };
    fits && pattern.iter().zip(segments).all(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Result<(Operation, Option<String>), RouteError> {
        find_route(&method.parse().unwrap(), path).map(|(route, id)| (route.operation, id))
    }

    #[test]
    fn every_pattern_finds_its_route() {
        for route in ROUTES {
            let path = route
                .pattern
                .replace("{id}", "order-1")
                .replace("{provider}", "order-1")
                .replace("{sku}", "order-1")
                .replace("{refund_id}", "refund-1")
                .replace("{return_id}", "return-1")
                .replace("{delivery_id}", "delivery-1")
                .replace("{path+}", "a/b");
            let expected = if is_greedy(route.pattern) {
                "a/b"
            } else {
                "order-1"
            };
            let expected = route.pattern.contains('{').then(|| expected.to_owned());
            assert_eq!(
                found(route.method.as_str(), &path),
                Ok((route.operation, expected)),
                "{path}"
            );
        }
    }

    #[test]
    fn routes_are_unique() {
        for (index, route) in ROUTES.iter().enumerate() {
            let same =
                |other: &&Route| other.method == route.method && other.pattern == route.pattern;
            assert_eq!(ROUTES[index + 1..].iter().find(same), None);
        }
    }

    #[test]
    fn path_parameter_is_decoded_once() {
        assert_eq!(
            found("GET", "/orders/a%20b").unwrap().1.as_deref(),
            Some("a b")
        );
        assert_eq!(
            found("GET", "/orders/a%2520b").unwrap().1.as_deref(),
            Some("a%20b")
        );
        assert_eq!(
            found("GET", "/orders/a%2Fevents").unwrap().0,
            Operation::Query(QueryOperation::Order)
        );
        assert_eq!(
            found("PUT", "/stock/a%2Fb%2F").unwrap(),
            (
                Operation::Admin(AdminOperation::PutStock),
                Some("a/b/".to_owned())
            )
        );
        assert_eq!(found("GET", "/stock/a/b"), Err(RouteError::UnknownPath));
        assert_eq!(found("GET", "/orders/%FF"), Err(RouteError::UnknownPath));
    }

    #[test]
    fn second_parameter_is_decoded() {
        let pattern = "/orders/{id}/refunds/{refund_id}";
        let found = |path| second_parameter(pattern, path);
        assert_eq!(found("/orders/1/refunds/RF%201").as_deref(), Some("RF 1"));
        assert_eq!(found("/orders/1/refunds/%FF"), None);
        assert_eq!(second_parameter("/orders/{id}", "/orders/1"), None);
    }

    #[test]
    fn unknown_path_differs_from_wrong_method() {
        for path in [
            "//",
            "/order",
            "/docs/",
            "/orders/",
            "/orders//events",
            "/orders/1/events/2",
            "/Orders",
        ] {
            assert_eq!(found("GET", path), Err(RouteError::UnknownPath), "{path}");
        }
        let allow = |method, path| match found(method, path) {
            Err(RouteError::WrongMethod { allow }) => allow,
            other => panic!("{other:?}"),
        };
        assert_eq!(allow("PUT", "/orders/1"), "DELETE, GET, HEAD, PATCH");
        assert_eq!(allow("PUT", "/orders"), "GET, HEAD, POST");
        assert_eq!(allow("GET", "/orders/1/start"), "POST");
        assert_eq!(allow("HEAD", "/orders/1/start"), "POST");
    }

    #[test]
    fn head_has_the_route_of_get() {
        for route in ROUTES.iter().filter(|route| route.method == Method::GET) {
            let path = route.pattern.replace(['{', '}', '+'], "");
            assert_eq!(found("HEAD", &path), found("GET", &path), "{path}");
        }
    }

    #[test]
    fn trailing_slash_is_removed_from_paths_of_routes_only() {
        for (path, expected) in [
            ("/orders/", Some("/orders")),
            ("/orders/A/", Some("/orders/A")),
            ("/orders/A/cancel//", Some("/orders/A/cancel")),
            ("/health/", Some("/health")),
            ("/docs/", Some("/docs")),
            ("/", None),
            ("//", None),
            ("/nowhere/", None),
            ("//evil.example/", None),
            ("/orders", None),
        ] {
            assert_eq!(without_trailing_slash(path), expected, "{path}");
        }
    }
}
