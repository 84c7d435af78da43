//! HTTP to the event of a REST API, and back.

use std::net::SocketAddr;

use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::Request as HttpRequest,
    http::Response as HttpResponse,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use lambda_http::{
    Body, Request, Response, aws_lambda_events::apigw::ApiGatewayProxyRequest,
    request::LambdaRequest,
};

/// What API Gateway takes at most; functions take less and say so.
const LARGEST: usize = 10 << 20;

/// The event of one call. Its body travels as base64, so that the function sees exactly the bytes sent.
pub(crate) async fn event_from_http(request: HttpRequest, peer: SocketAddr) -> Request {
    let (parts, body) = request.into_parts();
    // A body beyond any limit, or cut off: the function refuses it, as too large, with its own words.
    let bytes = to_bytes(body, LARGEST)
        .await
        .map_or_else(|_| vec![b' '; LARGEST], Into::into);
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
    event.body = (!bytes.is_empty()).then(|| STANDARD.encode(&bytes));
    event.is_base64_encoded = event.body.is_some();
    event.request_context.http_method = parts.method;
    event.request_context.identity.source_ip = Some(peer.ip().to_string());
    LambdaRequest::ApiGatewayV1(event).into()
}

pub(crate) fn response_to_http(response: Response<Body>) -> HttpResponse<HttpBody> {
    response.map(|body| match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        // The type may grow; an answer of a kind that no function makes has no body.
        Body::Empty | _ => HttpBody::empty(),
    })
}
