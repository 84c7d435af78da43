//! What every call passes through, in Lambda and in the local gateway alike: it is routed, answered
//! whatever happens, named by an id and logged once.

use crate::{Call, Code, Function, NoRoute, Problem, Reply, find, request_id};
use futures_util::FutureExt;
use lambda_http::{Body, Request, RequestExt, Response, http::HeaderValue, request::RequestContext};
use std::{
    borrow::Cow,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

/// Answers `request` with what `handle` makes of it. Only routes of `function` reach it; a panic in it
/// is a 500 like any other bug.
pub async fn serve<F, Fut>(function: Function, request: Request, handle: F) -> Response<Body>
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Result<Reply, Problem>>,
{
    let began = Instant::now();
    let request_id = request_id::request_id(&request);
    let method = request.method().clone();
    let path = path(&request).into_owned();
    let found = find(&method, &path);
    let pattern = found.as_ref().map_or("-", |(route, _)| route.pattern);
    let result = match found {
        Ok((route, id)) if route.operation.function() == function => {
            let call = Call::new(request, route, id, request_id.clone());
            // Nothing of the call outlives it but what it did to Temporal, so no half-changed state is seen.
            let answered = AssertUnwindSafe(async { handle(call).await }).catch_unwind().await;
            answered.unwrap_or_else(|panic| Err(Problem::internal(format!("panic: {}", message(&*panic)))))
        }
        Ok(_) | Err(NoRoute::Unknown) => Err(Problem::new(Code::RouteNotFound, "The path is not one of this API.")),
        Err(NoRoute::WrongMethod { allow }) => Err(Problem::wrong_method(allow)),
    };
    log(&method, pattern, &result, &request_id, began.elapsed());
    let mut response = result.map_or_else(|problem| problem.into_response(&path), Reply::into_response);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(request_id::HEADER, value);
    }
    response
}

/// The path as our route table knows it. An HTTP API's named stage stands in front of it; parameters
/// of the path are not there for a `$default` route, so nobody may look at them.
fn path(request: &Request) -> Cow<'_, str> {
    let raw = request.raw_http_path();
    let stage = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.stage.as_deref().filter(|stage| *stage != "$default"),
        _ => None,
    };
    let rest = stage.and_then(|stage| raw.strip_prefix('/')?.strip_prefix(stage)).filter(|rest| rest.starts_with('/'));
    Cow::Borrowed(rest.unwrap_or(raw))
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// One line a call. No path: it may carry what a caller mistyped; no body, ever.
fn log(
    method: &lambda_http::http::Method,
    route: &str,
    result: &Result<Reply, Problem>,
    request_id: &str,
    took: Duration,
) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok(reply) => {
            let status = reply.status();
            tracing::info!(%method, route, status, duration_ms, request_id, "{method} {route} {status}");
        }
        Err(problem) => {
            let (status, code, cause) = (problem.status(), problem.code(), problem.cause().unwrap_or("-"));
            if status == 500 {
                tracing::error!(%method, route, status, code, cause, duration_ms, request_id, "{method} {route} {status}");
            } else if status > 500 {
                tracing::warn!(%method, route, status, code, cause, duration_ms, request_id, "{method} {route} {status}");
            } else {
                tracing::info!(%method, route, status, code, duration_ms, request_id, "{method} {route} {status}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    async fn echo(call: Call) -> Result<Reply, Problem> {
        assert!(call.raw_id() != "panic", "on purpose");
        Reply::ok(&serde_json::json!({"id": call.raw_id(), "q": call.query("q")}))
    }

    async fn answer(request: Request) -> (u16, String) {
        let response = serve(Function::Query, request, echo).await;
        assert!(response.headers().contains_key("x-request-id"));
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap().trim_end().to_owned())
    }

    #[tokio::test]
    async fn both_kinds_of_events_find_their_route() {
        let expected = (200, r#"{"id":"ORD-1","q":"a b"}"#.to_owned());
        assert_eq!(answer(http_api("$default", "/orders/ORD-1")).await, expected);
        assert_eq!(answer(http_api("prod", "/prod/orders/ORD-1")).await, expected);
        let rest = r#"{"resource":"/orders/{id}","path":"/orders/ORD-1","httpMethod":"GET","headers":{"host":"x"},
            "multiValueHeaders":{"host":["x"]},"queryStringParameters":{"q":"a b"},"multiValueQueryStringParameters":{"q":["a b"]},
            "requestContext":{"stage":"prod","httpMethod":"GET"},"isBase64Encoded":false}"#;
        assert_eq!(answer(request(rest)).await, expected);
    }

    #[tokio::test]
    async fn a_panic_is_answered() {
        let (status, body) = answer(http_api("$default", "/orders/panic")).await;
        assert_eq!(status, 500);
        assert!(body.contains("internal_error") && !body.contains("on purpose"), "{body}");
    }

    #[tokio::test]
    async fn what_another_function_serves_is_not_here() {
        assert_eq!(answer(http_api("$default", "/orders/1/events")).await.0, 404);
        assert_eq!(answer(http_api("$default", "/nowhere")).await.0, 404);
        assert_eq!(answer(http_api("$default", "/orders/1/cancel")).await.0, 405);
    }
}
