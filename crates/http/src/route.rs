//! The one route table: the local gateway, the functions and 404/405 answers go by it.

use std::fmt;

use lambda_http::http::Method;
use percent_encoding::percent_decode_str;

/// One Lambda function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Start,
    Signal,
    Query,
    Events,
    Web,
    Webhook,
}

/// What a route does, by the function that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Start(Starting),
    Signal(Signalling),
    Query(Querying),
    Events(Listing),
    Web(Documenting),
    /// A payment provider's notification; the path names the provider.
    Webhook,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starting {
    /// Under an id that we make.
    Create,
    /// Under the caller's id.
    Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalling {
    Approve,
    Reject,
    Cancel,
    UpdateAddress,
    CancelPayment,
    ConfirmPayment,
    ConfirmDelivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Querying {
    Order,
    Status,
    EstimatedDelivery,
    Result,
    Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    Orders,
    Trail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Documenting {
    /// The operators' web page.
    Console,
    /// What that page loads.
    ConsoleFile,
    OpenApi,
    SwaggerUi,
    SwaggerUiFile,
    ReDoc,
    ReDocFile,
}

/// One line of the table. A pattern's segment in braces matches any one segment; `{path+}`, which may only
/// stand last, all that are left.
#[derive(Debug, PartialEq, Eq)]
pub struct Route {
    pub method: Method,
    pub pattern: &'static str,
    pub operation: Operation,
}

const fn start(method: Method, pattern: &'static str, operation: Starting) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Start(operation),
    }
}

const fn signal(method: Method, pattern: &'static str, operation: Signalling) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Signal(operation),
    }
}

const fn query(method: Method, pattern: &'static str, operation: Querying) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Query(operation),
    }
}

const fn events(method: Method, pattern: &'static str, operation: Listing) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Events(operation),
    }
}

const fn web(method: Method, pattern: &'static str, operation: Documenting) -> Route {
    Route {
        method,
        pattern,
        operation: Operation::Web(operation),
    }
}

pub static ROUTES: &[Route] = &[
    start(Method::POST, "/orders", Starting::Create),
    start(Method::POST, "/orders/{id}/start", Starting::Start),
    signal(
        Method::POST,
        "/orders/{id}/signals/approve",
        Signalling::Approve,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/reject",
        Signalling::Reject,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/cancel",
        Signalling::Cancel,
    ),
    signal(Method::POST, "/orders/{id}/cancel", Signalling::Cancel),
    signal(Method::DELETE, "/orders/{id}", Signalling::Cancel),
    signal(
        Method::POST,
        "/orders/{id}/signals/update-address",
        Signalling::UpdateAddress,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/cancel-payment",
        Signalling::CancelPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/payment",
        Signalling::ConfirmPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/confirm-payment",
        Signalling::ConfirmPayment,
    ),
    signal(
        Method::POST,
        "/orders/{id}/signals/confirm-delivery",
        Signalling::ConfirmDelivery,
    ),
    Route {
        method: Method::POST,
        pattern: "/webhooks/{provider}",
        operation: Operation::Webhook,
    },
    query(Method::GET, "/orders/{id}", Querying::Order),
    query(Method::GET, "/orders/{id}/status", Querying::Status),
    query(
        Method::GET,
        "/orders/{id}/estimated-delivery",
        Querying::EstimatedDelivery,
    ),
    query(Method::GET, "/orders/{id}/result", Querying::Result),
    query(Method::GET, "/health", Querying::Health),
    events(Method::GET, "/orders", Listing::Orders),
    events(Method::GET, "/orders/{id}/events", Listing::Trail),
    web(Method::GET, "/", Documenting::Console),
    web(Method::GET, "/console/{path+}", Documenting::ConsoleFile),
    web(Method::GET, "/openapi.json", Documenting::OpenApi),
    web(Method::GET, "/docs", Documenting::SwaggerUi),
    web(Method::GET, "/docs/{path+}", Documenting::SwaggerUiFile),
    web(Method::GET, "/redoc", Documenting::ReDoc),
    web(Method::GET, "/redoc/{path+}", Documenting::ReDocFile),
];

impl Operation {
    /// Who does it.
    pub const fn function(self) -> Function {
        match self {
            Self::Start(_) => Function::Start,
            Self::Signal(_) => Function::Signal,
            Self::Query(_) => Function::Query,
            Self::Events(_) => Function::Events,
            Self::Web(_) => Function::Web,
            Self::Webhook => Function::Webhook,
        }
    }
}

impl Function {
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Signal,
        Self::Query,
        Self::Events,
        Self::Web,
        Self::Webhook,
    ];

    /// Who answers what no route serves: with 404, or 405 by the one table, as any function would.
    pub const REST: Self = Self::Web;

    /// The name of its package, its binary and its resource.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Signal => "signal",
            Self::Query => "query",
            Self::Events => "events",
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

/// Why no route serves a call.
#[derive(Debug, PartialEq, Eq)]
pub enum NoRoute {
    Unknown,
    /// The methods that the path has, as the `Allow` header lists them.
    WrongMethod {
        allow: String,
    },
}

/// The route of a call, and what stands for the braces in its path, percent-decoded.
pub fn find(method: &Method, path: &str) -> Result<(&'static Route, Option<String>), NoRoute> {
    let segments: Option<Vec<String>> = path
        .strip_prefix('/')
        .unwrap_or(path)
        .split('/')
        .map(decode)
        .collect();
    let segments = segments.ok_or(NoRoute::Unknown)?;
    let on_path: Vec<_> = ROUTES
        .iter()
        .filter(|route| matches(route.pattern, &segments))
        .collect();
    let Some(route) = on_path.iter().find(|route| route.method == *method) else {
        if on_path.is_empty() {
            return Err(NoRoute::Unknown);
        }
        let mut methods: Vec<_> = on_path.iter().map(|route| route.method.as_str()).collect();
        methods.sort_unstable();
        methods.dedup();
        return Err(NoRoute::WrongMethod {
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

fn is_greedy(pattern: &str) -> bool {
    pattern.ends_with("+}")
}

fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

pub(crate) fn matches(pattern: &str, segments: &[String]) -> bool {
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

    fn found(method: &str, path: &str) -> Result<(Operation, Option<String>), NoRoute> {
        find(&method.parse().unwrap(), path).map(|(route, id)| (route.operation, id))
    }

    #[test]
    fn every_route_is_found_by_its_own_pattern() {
        for route in ROUTES {
            let path = route
                .pattern
                .replace("{id}", "order-1")
                .replace("{provider}", "order-1")
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
    fn no_two_routes_are_the_same() {
        for (index, route) in ROUTES.iter().enumerate() {
            let same =
                |other: &&Route| other.method == route.method && other.pattern == route.pattern;
            assert_eq!(ROUTES[index + 1..].iter().find(same), None);
        }
    }

    #[test]
    fn an_id_is_decoded_once() {
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
            Operation::Query(Querying::Order)
        );
        assert_eq!(found("GET", "/orders/%FF"), Err(NoRoute::Unknown));
    }

    #[test]
    fn an_unknown_path_is_told_from_a_wrong_method() {
        for path in [
            "//",
            "/order",
            "/docs/",
            "/orders/",
            "/orders//events",
            "/orders/1/events/2",
            "/Orders",
        ] {
            assert_eq!(found("GET", path), Err(NoRoute::Unknown), "{path}");
        }
        let allow = |method, path| match found(method, path) {
            Err(NoRoute::WrongMethod { allow }) => allow,
            other => panic!("{other:?}"),
        };
        assert_eq!(allow("PATCH", "/orders/1"), "DELETE, GET");
        assert_eq!(allow("PUT", "/orders"), "GET, POST");
        assert_eq!(allow("GET", "/orders/1/start"), "POST");
    }
}
