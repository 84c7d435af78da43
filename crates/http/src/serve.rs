//! What every call passes through, in Lambda and in the local gateway alike: it is routed, its caller is checked, it
//! is answered whatever happens, named by an id, timed and logged once.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderName, HeaderValue, Method},
    request::RequestContext,
};

use crate::{
    Access, ApiRequest, ApiResponse, Caller, Function, Problem, ProblemCode, Route, RouteError,
    auth::{self, Auth},
    base_path::RequestPath,
    find_route, rate_limit, request_id,
};
use telemetry::{Steps, metrics};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Answers `request` with what `handle` makes of it. Only routes of `function` reach it, and only callers that may
/// (see [`crate::check_callers`]); a panic in it is a 500 like any other bug.
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
    let began = Instant::now();
    let request_id = request_id::request_id(&request);
    let method = request.method().clone();
    let place = RequestPath::from_request(&request);
    let found = find_route(&method, place.path());
    let route = found.as_ref().map_or("-", |(route, _)| route.pattern);
    let mut caller = None;
    let (result, steps) = match found {
        Ok((route, id)) if route.operation.function() == function => {
            // Nothing of the call outlives it but what it did to Temporal, so no half-changed state is seen.
            let answer = AssertUnwindSafe(async {
                let known = admitted(auth, &request, route).await?;
                caller = (!known.is_anonymous()).then(|| known.log_name());
                handle(ApiRequest::new(
                    request,
                    route,
                    id,
                    known,
                    request_id.clone(),
                ))
                .await
            });
            let (answered, steps) = telemetry::collect_steps(answer.catch_unwind()).await;
            let answered = answered.unwrap_or_else(|panic| {
                Err(Problem::internal(format!("panic: {}", message(&*panic))))
            });
            (answered, steps)
        }
        Ok(_) | Err(RouteError::UnknownPath) => (
            Err(Problem::new(
                ProblemCode::RouteNotFound,
                "The path is not one of this API.",
            )),
            Steps::default(),
        ),
        Err(RouteError::WrongMethod { allow }) => {
            (Err(Problem::method_not_allowed(allow)), Steps::default())
        }
    };
    let took = began.elapsed();
    Line {
        method: &method,
        route,
        request_id: &request_id,
        caller: caller.as_deref(),
        steps: &steps,
        took,
    }
    .log(&result);
    let mut response = result.map_or_else(
        |problem| problem.into_response(&place.full_path()),
        |reply| reply.into_response(place.base_path()),
    );
    for (name, value) in [
        (request_id::HEADER, request_id),
        (SERVER_TIMING, steps.to_server_timing(took)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The caller, if it may call the route now. It is asked who it is before anything of its body is looked at, and how
/// often it calls before what it may do; one who is not let in is counted by its address.
async fn admitted(
    auth: Option<&Auth>,
    request: &Request,
    route: &Route,
) -> Result<Caller, Problem> {
    // Without this the program would be open by mistake; a program that starts says who may call.
    let auth =
        auth.ok_or_else(|| Problem::internal("nobody has said who may call: check_callers"))?;
    if route.operation.access() == Access::Public {
        rate_limit::check_rate_limit(route.operation, &peer(request))?;
        return Ok(Caller::anonymous());
    }
    let known = {
        let _step = telemetry::start_step("auth");
        auth.authenticate(request.headers()).await
    };
    let named = known.as_ref().ok().filter(|caller| !caller.is_anonymous());
    rate_limit::check_rate_limit(
        route.operation,
        &named.map_or_else(|| peer(request), |caller| caller.name().to_owned()),
    )?;
    let caller = known?;
    auth.authorize(&caller, route)?;
    Ok(caller)
}

/// Whose connection it is. What a caller writes into headers about that is not asked.
fn peer(request: &Request) -> String {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    format!("peer:{}", address.unwrap_or_default())
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// One line a call. No path: it may carry what a caller mistyped; no body and no credential, ever.
struct Line<'a> {
    method: &'a Method,
    route: &'a str,
    request_id: &'a str,
    caller: Option<&'a str>,
    steps: &'a Steps,
    took: Duration,
}

impl Line<'_> {
    fn log(&self, result: &Result<ApiResponse, Problem>) {
        let Self {
            method,
            route,
            request_id,
            caller,
            steps,
            took,
        } = *self;
        let status = result
            .as_ref()
            .map_or_else(Problem::status, ApiResponse::status);
        metrics::observe_http_request(method.as_str(), route, status, took);
        let duration_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        let of = |kind| steps.milliseconds(kind);
        let (auth_ms, parse_ms, temporal_ms, database_ms) =
            (of("auth"), of("parse"), of("temporal"), of("store"));
        let spent = steps.to_string();
        let spent = if spent.is_empty() {
            spent
        } else {
            format!(" ({spent})")
        };
        // The fields are the same each time; the macro wants its level as a constant.
        macro_rules! line {
            ($level:ident $(, $more:tt = $value:expr)*) => {
                tracing::$level!(
                    %method, route, status, duration_ms, auth_ms, parse_ms, temporal_ms, database_ms, caller,
                    $($more = $value,)* request_id,
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

    /// As `cargo lambda watch` and an HTTP API send it: no path parameters.
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

    async fn answer(request: Request) -> (u16, String) {
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
    async fn both_kinds_of_events_find_their_route() {
        let expected = (200, r#"{"id":"ORD-1","q":"a b"}"#.to_owned());
        assert_eq!(
            answer(http_api("$default", "/orders/ORD-1")).await,
            expected
        );
        assert_eq!(
            answer(http_api("prod", "/prod/orders/ORD-1")).await,
            expected
        );
        let rest = r#"{"resource":"/orders/{id}","path":"/orders/ORD-1","httpMethod":"GET","headers":{"host":"x"},
            "multiValueHeaders":{"host":["x"]},"queryStringParameters":{"q":"a b"},"multiValueQueryStringParameters":{"q":["a b"]},
            "requestContext":{"stage":"prod","httpMethod":"GET"},"isBase64Encoded":false}"#;
        assert_eq!(answer(request(rest)).await, expected);
    }

    #[tokio::test]
    async fn what_is_told_of_other_paths_has_the_stage_in_front() {
        let told = async |request| {
            let reply = async |_| {
                let next = next_link("/orders/ORD-1/events", &[("after", Some("1".to_owned()))]);
                Ok(ApiResponse::accepted("/orders/ORD-1".to_owned(), &())?
                    .with_header(header::LINK, next))
            };
            let response = serve_to(Some(&Auth::None), Function::Query, request, reply).await;
            ["location", "link"].map(|name| response.headers()[name].to_str().unwrap().to_owned())
        };
        let staged = told(http_api("prod", "/prod/orders/ORD-1")).await;
        assert_eq!(
            staged,
            [
                "/prod/orders/ORD-1",
                "</prod/orders/ORD-1/events?after=1>; rel=\"next\""
            ]
        );
        let plain = told(http_api("$default", "/orders/ORD-1")).await;
        assert_eq!(
            plain,
            [
                "/orders/ORD-1",
                "</orders/ORD-1/events?after=1>; rel=\"next\""
            ]
        );
        let (_, problem) = answer(http_api("prod", "/prod/nowhere")).await;
        assert!(
            problem.contains(r#""instance":"/prod/nowhere""#),
            "{problem}"
        );
    }

    #[tokio::test]
    async fn until_somebody_said_who_may_call_nobody_may() {
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
    async fn a_panic_is_answered() {
        let (status, body) = answer(http_api("$default", "/orders/panic")).await;
        assert_eq!(status, 500);
        assert!(
            body.contains("internal_error") && !body.contains("on purpose"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn what_another_function_serves_is_not_here() {
        assert_eq!(
            answer(http_api("$default", "/orders/1/events")).await.0,
            404
        );
        assert_eq!(answer(http_api("$default", "/nowhere")).await.0, 404);
        assert_eq!(
            answer(http_api("$default", "/orders/1/cancel")).await.0,
            405
        );
    }
}
