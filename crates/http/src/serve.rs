//! The handling of every request, in Lambda and in the local gateway.
//!
//! A request is routed, authenticated, rate limited, handled, timed and logged once. It always gets
//! a response with a request id, also after a panic.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::FutureExt;
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderName, HeaderValue, Method},
    request::RequestContext,
};
use tracing::Span;

use crate::{
    Access, ApiRequest, ApiResponse, Caller, Function, Problem, ProblemCode, Route, RouteError,
    auth::{self, Auth},
    base_path::RequestPath,
    cors, find_route, rate_limit, request_id, response_headers, route, trace,
};
use telemetry::{Steps, metrics};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Responds to `request` with the result of `handle`.
///
/// `handle` receives only requests of `function`'s routes, from callers with the route's scope (see
/// [`crate::configure_auth`]). A panic in `handle` is a 500.
pub async fn serve<F, Fut>(function: Function, request: Request, handle: F) -> Response<Body>
where
    F: FnOnce(ApiRequest) -> Fut,
    Fut: Future<Output = Result<ApiResponse, Problem>>,
{
    serve_to(auth::configured_auth(), function, request, handle).await
}

async fn serve_to<F, Fut>(
    auth: Option<&Auth>,
    function: Function,
    request: Request,
    handle: F,
) -> Response<Body>
where
    F: FnOnce(ApiRequest) -> Fut,
    Fut: Future<Output = Result<ApiResponse, Problem>>,
{
    let started = Instant::now();
    let request_id = request_id::request_id(&request);
    let method = request.method().clone();
    let path = RequestPath::from_request(&request);
    let query = request.uri().query().map(str::to_owned);
    let found = find_route(&method, path.path());
    let operation = found.as_ref().ok().map(|(route, _)| route.operation);
    let origins = cors::configured_origins();
    let origin = origins.find(request.headers());
    let route = found.as_ref().map_or("-", |(route, _)| route.pattern);
    let caller_request_id = request_id::caller_request_id(request.headers())
        .filter(|id| *id != request_id)
        .map(str::to_owned);
    let xray_trace_id = request_id::xray_trace_id(&request).map(str::to_owned);
    let caller_trace = trace::caller_context(request.headers());
    let span = match &found {
        Ok((found, _)) if caller_trace.is_some() || trace::is_root(found) => {
            trace::request_span(&method, route, &request_id)
        }
        Ok(_) | Err(_) => Span::none(),
    };
    let (mut caller, mut trace_id) = (None, None);
    let (result, steps) = match found {
        Ok((route, id)) if route.operation.function() == function => {
            // A panic cannot leave shared state half changed: a request keeps none in memory.
            let handled = AssertUnwindSafe(async {
                trace_id = telemetry::current_trace().map(|trace| trace.trace_id());
                let authenticated = authorize(auth, &request, route).await?;
                caller = (!authenticated.is_anonymous()).then(|| authenticated.actor().to_owned());
                let parameters = (id, route::second_parameter(route.pattern, path.path()));
                handle(ApiRequest::new(
                    request,
                    route,
                    parameters,
                    authenticated,
                    (request_id.clone(), caller_request_id.clone()),
                ))
                .await
            });
            // On the heap, because the nested futures of a debug build fill the stack.
            let handled = Box::pin(handled.catch_unwind());
            let traced = telemetry::trace_request(span.clone(), caller_trace, handled);
            let (result, steps) = telemetry::collect_steps(traced).await;
            let result = result.unwrap_or_else(|panic| {
                Err(Problem::internal(format!(
                    "panic: {}",
                    panic_message(&*panic)
                )))
            });
            (result, steps)
        }
        Ok(_) | Err(RouteError::UnknownPath) => (
            moved_response(path.path(), query.as_deref()).ok_or_else(|| {
                Problem::new(
                    ProblemCode::RouteNotFound,
                    "The API has no route with this path.",
                )
            }),
            Steps::default(),
        ),
        Err(RouteError::WrongMethod { allow }) => {
            let preflight = origins.preflight(&method, request.headers(), &allow);
            let result = preflight
                .map(|headers| ApiResponse::no_content().with_headers(headers))
                .ok_or_else(|| Problem::method_not_allowed(allow));
            (result, Steps::default())
        }
    };
    let duration = started.elapsed();
    trace::end_request_span(span, &result);
    LogLine {
        method: &method,
        route,
        request_id: &request_id,
        caller_request_id: caller_request_id.as_deref(),
        trace_id: trace_id.as_deref(),
        xray_trace_id: xray_trace_id.as_deref(),
        caller: caller.as_deref(),
        steps: &steps,
        duration,
    }
    .log(&result);
    let is_problem = result.is_err();
    let mut response = result.map_or_else(
        |problem| problem.into_response(&path.full_path()),
        |response| response.into_response(path.base_path()),
    );
    if method == Method::HEAD {
        *response.body_mut() = Body::Empty;
    }
    let headers = response.headers_mut();
    response_headers::add_security_headers(headers);
    response_headers::add_caching_headers(headers, operation, is_problem, origins.is_enabled());
    origins.apply(origin, headers);
    for (name, value) in [
        (request_id::HEADER, Some(request_id)),
        (request_id::CLIENT_HEADER, caller_request_id),
        (SERVER_TIMING, Some(steps.to_server_timing(duration))),
    ] {
        let Some(value) = value else { continue };
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Returns the redirect to a route whose path the caller has written with a slash at its end.
fn moved_response(path: &str, query: Option<&str>) -> Option<ApiResponse> {
    let path = route::without_trailing_slash(path)?;
    let location = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Some(ApiResponse::moved(location))
}

/// Returns the caller if it can call the route now.
///
/// The checks run in this order: authentication, rate limit, scope; all of them before the body is
/// read. An unauthenticated caller is rate limited by its address.
async fn authorize(
    auth: Option<&Auth>,
    request: &Request,
    route: &Route,
) -> Result<Caller, Problem> {
    if route.operation.access() == Access::Public {
        rate_limit::check_rate_limit(route.operation, &peer_name(request))?;
        return Ok(Caller::anonymous());
    }
    // A program that forgot to configure authentication must reject every request that needs it.
    let auth = auth.ok_or_else(|| {
        Problem::internal("authentication is not configured: call configure_auth first")
    })?;
    let authenticated = {
        let _step = telemetry::start_step("auth");
        auth.authenticate(request.headers()).await
    };
    let named = authenticated
        .as_ref()
        .ok()
        .filter(|caller| !caller.is_anonymous());
    rate_limit::check_rate_limit(
        route.operation,
        &named.map_or_else(|| peer_name(request), |caller| caller.name().to_owned()),
    )?;
    let caller = authenticated?;
    auth.authorize(&caller, route)?;
    Ok(caller)
}

/// Returns the address of the connection. Headers are ignored, because a caller can forge them.
fn peer_name(request: &Request) -> String {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    format!("peer:{}", address.unwrap_or_default())
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// The log line of one request. It has no path, because a caller can mistype a secret into the
/// path, and never a body or a credential.
struct LogLine<'a> {
    method: &'a Method,
    route: &'a str,
    request_id: &'a str,
    caller_request_id: Option<&'a str>,
    trace_id: Option<&'a str>,
    xray_trace_id: Option<&'a str>,
    caller: Option<&'a str>,
    steps: &'a Steps,
    duration: Duration,
}

impl LogLine<'_> {
    fn log(&self, result: &Result<ApiResponse, Problem>) {
        let Self {
            method,
            route,
            request_id,
            caller_request_id,
            trace_id,
            xray_trace_id,
            caller,
            steps,
            duration,
        } = *self;
        let status = result
            .as_ref()
            .map_or_else(Problem::status, ApiResponse::status);
        metrics::observe_http_request(method.as_str(), route, status, duration);
        let duration_ms = (duration.as_secs_f64() * 10_000.0).round() / 10.0;
        let milliseconds = |kind| steps.milliseconds(kind);
        let (auth_ms, parse_ms, temporal_ms, database_ms) = (
            milliseconds("auth"),
            milliseconds("parse"),
            milliseconds("temporal"),
            milliseconds("store"),
        );
        let spent = steps.to_string();
        let spent = if spent.is_empty() {
            spent
        } else {
            format!(" ({spent})")
        };
        // The fields are always the same; `tracing` needs the level as a constant.
        macro_rules! line {
            ($level:ident $(, $more:tt = $value:expr)*) => {
                tracing::$level!(
                    %method, route, status, duration_ms, auth_ms, parse_ms, temporal_ms, database_ms, caller,
                    $($more = $value,)* request_id, caller_request_id, trace_id, xray_trace_id,
                    "{method} {route} {status} in {duration_ms:.1} ms{spent}"
                )
            };
        }
        match result {
            Ok(_) => line!(info),
            Err(problem) => {
                let (code, cause) = (problem.code(), problem.cause());
                metrics::count_problem(code);
                match status {
                    500 => line!(error, code = code, cause = cause.unwrap_or("-")),
                    501.. => line!(warn, code = code, cause = cause.unwrap_or("-")),
                    _ => line!(info, code = code),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::http::header;

    use super::*;
    use crate::next_link;

    fn request(text: &str) -> Request {
        lambda_http::request::from_str(text).unwrap()
    }

    /// An event of an HTTP API or of `cargo lambda watch`, which has no path parameters.
    fn http_api(stage: &str, path: &str) -> Request {
        request(&format!(
            r#"{{"version":"2.0","routeKey":"$default","rawPath":"{path}","rawQueryString":"q=a%20b","headers":{{"host":"x"}},
            "requestContext":{{"http":{{"method":"GET","path":"{path}"}},"routeKey":"$default","stage":"{stage}"}},"isBase64Encoded":false}}"#
        ))
    }

    async fn echo(call: ApiRequest) -> Result<ApiResponse, Problem> {
        assert!(call.path_parameter() != "panic", "on purpose");
        ApiResponse::ok(
            &serde_json::json!({"id": call.path_parameter(), "q": call.query_parameter("q")}),
        )
    }

    async fn handled(request: Request) -> (u16, String) {
        let response = serve_to(Some(&Auth::None), Function::Query, request, echo).await;
        assert!(response.headers().contains_key("x-request-id"));
        assert!(
            response.headers()["server-timing"]
                .to_str()
                .unwrap()
                .contains("total;dur=")
        );
        (
            response.status().as_u16(),
            String::from_utf8(response.body().to_vec())
                .unwrap()
                .trim_end()
                .to_owned(),
        )
    }

    #[tokio::test]
    async fn both_kinds_of_events_are_routed() {
        let expected = (200, r#"{"id":"ORD-1","q":"a b"}"#.to_owned());
        assert_eq!(
            handled(http_api("$default", "/orders/ORD-1")).await,
            expected
        );
        assert_eq!(
            handled(http_api("prod", "/prod/orders/ORD-1")).await,
            expected
        );
        let rest = r#"{"resource":"/orders/{id}","path":"/orders/ORD-1","httpMethod":"GET","headers":{"host":"x"},
            "multiValueHeaders":{"host":["x"]},"queryStringParameters":{"q":"a b"},"multiValueQueryStringParameters":{"q":["a b"]},
            "requestContext":{"stage":"prod","httpMethod":"GET"},"isBase64Encoded":false}"#;
        assert_eq!(handled(request(rest)).await, expected);
    }

    #[tokio::test]
    async fn links_and_locations_contain_the_base_path() {
        let headers = async |request| {
            let response = async |_| {
                let next = next_link("/orders/ORD-1/events", &[("after", Some("1".to_owned()))]);
                Ok(ApiResponse::accepted("/orders/ORD-1".to_owned(), &())?
                    .with_header(header::LINK, next))
            };
            let response = serve_to(Some(&Auth::None), Function::Query, request, response).await;
            ["location", "link"].map(|name| response.headers()[name].to_str().unwrap().to_owned())
        };
        let staged = headers(http_api("prod", "/prod/orders/ORD-1")).await;
        assert_eq!(
            staged,
            [
                "/prod/orders/ORD-1",
                "</prod/orders/ORD-1/events?after=1>; rel=\"next\""
            ]
        );
        let plain = headers(http_api("$default", "/orders/ORD-1")).await;
        assert_eq!(
            plain,
            [
                "/orders/ORD-1",
                "</orders/ORD-1/events?after=1>; rel=\"next\""
            ]
        );
        let (_, problem) = handled(http_api("prod", "/prod/nowhere")).await;
        assert!(
            problem.contains(r#""instance":"/prod/nowhere""#),
            "{problem}"
        );
    }

    #[tokio::test]
    async fn request_before_configuration_is_an_error() {
        let response = serve_to(
            None,
            Function::Query,
            http_api("$default", "/orders/ORD-1"),
            echo,
        )
        .await;
        assert_eq!(response.status(), 500);
    }

    #[tokio::test]
    async fn public_route_needs_no_configuration() {
        let health = async |_| ApiResponse::ok(&"ok");
        let request = http_api("$default", "/health");
        let response = serve_to(None, Function::Start, request, health).await;
        assert_eq!(response.status(), 200);
    }

    #[tokio::test]
    async fn panic_is_an_internal_error() {
        let (status, body) = handled(http_api("$default", "/orders/panic")).await;
        assert_eq!(status, 500);
        assert!(
            body.contains("internal_error") && !body.contains("on purpose"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn routes_of_other_functions_are_not_found() {
        assert_eq!(
            handled(http_api("$default", "/orders/1/events")).await.0,
            404
        );
        assert_eq!(handled(http_api("$default", "/nowhere")).await.0, 404);
        assert_eq!(
            handled(http_api("$default", "/orders/1/cancel")).await.0,
            405
        );
    }

    #[tokio::test]
    async fn trailing_slash_is_redirected_with_the_query() {
        let event = http_api("prod", "/prod/orders/1/");
        let response = serve_to(Some(&Auth::None), Function::Query, event, echo).await;
        assert_eq!(response.status(), 308);
        assert_eq!(response.headers()["location"], "/prod/orders/1?q=a%20b");
    }

    #[tokio::test]
    async fn head_has_the_headers_of_get_and_no_body() {
        let respond = async |method: &str| {
            let mut event = http_api("$default", "/orders/1");
            *event.method_mut() = method.parse().unwrap();
            let response = serve_to(Some(&Auth::None), Function::Query, event, echo).await;
            let body = response.body().to_vec();
            (
                response.status().as_u16(),
                response.headers()["content-type"].clone(),
                body,
            )
        };
        let (get, head) = (respond("GET").await, respond("HEAD").await);
        assert_eq!((get.0, &get.1), (200, &head.1));
        assert_eq!((head.0, head.2.len()), (200, 0));
        assert!(!get.2.is_empty());
    }

    #[tokio::test]
    async fn headers_follow_the_kind_of_response() {
        for (path, caching, vary) in [
            (
                "/orders/1",
                "private, no-cache",
                Some("Authorization, X-Api-Key"),
            ),
            (
                "/orders/panic",
                "no-store",
                Some("Authorization, X-Api-Key"),
            ),
            ("/orders/1/cancel", "no-store", None),
            ("/nowhere", "no-store", None),
            ("/health", "no-store", None),
        ] {
            let event = http_api("$default", path);
            let response = serve_to(Some(&Auth::None), Function::Query, event, echo).await;
            let header = |name: &str| {
                let value = response.headers().get(name);
                value.map(|value| value.to_str().unwrap())
            };
            assert_eq!(header("cache-control"), Some(caching), "{path}");
            assert_eq!(header("vary"), vary, "{path}");
            assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
            assert_eq!(
                header("cross-origin-resource-policy"),
                Some("same-origin"),
                "{path}"
            );
            assert_eq!(
                header("content-security-policy"),
                Some("default-src 'none'; frame-ancestors 'none'"),
                "{path}"
            );
            assert_eq!(header("access-control-allow-origin"), None, "{path}");
        }
    }
}
