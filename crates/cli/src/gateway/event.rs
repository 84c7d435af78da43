//! Conversion of HTTP requests to events of a REST API, and of responses back to HTTP.

use std::net::SocketAddr;

use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::Request as HttpRequest,
    http::Response as HttpResponse,
};
use data_encoding::BASE64;
use lambda_http::{
    Body, Request, Response, aws_lambda_events::apigw::ApiGatewayProxyRequest,
    request::LambdaRequest,
};

/// Largest body that API Gateway accepts, in bytes. The functions reject bodies above their own,
/// lower limit.
const MAX_BODY_BYTES: usize = 10 << 20;

/// Returns the event of one request. The body is base64, so that the function gets the exact bytes.
pub(crate) async fn event_from_http(request: HttpRequest, peer: SocketAddr) -> Request {
    let (parts, body) = request.into_parts();
    // A body that is too large or incomplete becomes one of the largest size, which the function
    // rejects with its own problem.
    let bytes = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_or_else(|_| vec![b' '; MAX_BODY_BYTES], Into::into);
    let mut event = ApiGatewayProxyRequest::default();
    event.path = Some(parts.uri.path().to_owned());
    event.http_method = parts.method.clone();
    event.multi_value_headers = parts.headers;
    event.multi_value_query_string_parameters = parts
        .uri
        .query()
        .unwrap_or_default()
        .parse()
        .unwrap_or_default();
    event.body = (!bytes.is_empty()).then(|| BASE64.encode(&bytes));
    event.is_base64_encoded = event.body.is_some();
    event.request_context.http_method = parts.method;
    event.request_context.request_id = Some(orderflow_http::new_request_id());
    event.request_context.identity.source_ip = Some(peer.ip().to_string());
    LambdaRequest::ApiGatewayV1(event).into()
}

/// Returns the function's response as HTTP.
pub(crate) fn response_to_http(response: Response<Body>) -> HttpResponse<HttpBody> {
    response.map(|body| match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        // The enum is non-exhaustive; our functions return no other kind of body.
        Body::Empty | _ => HttpBody::empty(),
    })
}
