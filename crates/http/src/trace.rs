//! The span of one request, which continues the caller's trace.

use lambda_http::http::{HeaderMap, Method};
use tracing::{Span, field};

use crate::{ApiResponse, Operation, Problem, Route, StartOperation};
use telemetry::TraceContext;

/// Returns the span of a request. It has the pattern of the route and no path, as the log.
///
/// Its level keeps it out of the log lines, which have the same fields.
pub(crate) fn request_span(method: &Method, route: &str, request_id: &str) -> Span {
    tracing::trace_span!(
        "http.request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = field::Empty,
        request_id,
    )
}

/// Ends the span of a request. Only an error of the server is an error of the span.
pub(crate) fn end_request_span(span: Span, result: &Result<ApiResponse, Problem>) {
    let status = result
        .as_ref()
        .map_or_else(Problem::status, ApiResponse::status);
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Returns whether a request without a caller's trace begins one. Supervisors poll the health.
pub(crate) fn is_root(route: &Route) -> bool {
    route.operation != Operation::Start(StartOperation::Health)
}

/// Returns the trace in the caller's headers, without the free text of `tracestate`, which would be
/// in each span.
pub(crate) fn caller_context(headers: &HeaderMap) -> Option<TraceContext> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    TraceContext::from_fields([("traceparent", parent)])
}
