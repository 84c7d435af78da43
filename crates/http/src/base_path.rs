//! The path of a request, split into the base path and the path of our route table.
//!
//! The base path is the stage of the API's own address, the base path of a custom domain, both, or
//! empty. A REST API sends a part of the full path in `path` and all of it in
//! `requestContext.path`; an HTTP API sends all of it in `rawPath`. No text of a caller becomes a
//! part of the base path: API Gateway reports the matched route or the stage, and only the text
//! before it is the base path.

use lambda_http::{
    Request, RequestExt, aws_lambda_events::query_map::QueryMap, request::RequestContext,
};

use crate::route;

/// The path of a request as API Gateway and our route table see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestPath {
    base_path: String,
    path: String,
}

impl RequestPath {
    pub(crate) fn from_request(request: &Request) -> Self {
        let raw = request.raw_http_path();
        let parameters = request.path_parameters();
        let split = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => {
                // SAM's local gateway sends the route's pattern in the context's path.
                let full = context
                    .path
                    .as_deref()
                    .filter(|full| full.ends_with(raw))
                    .unwrap_or(raw);
                let pattern = context.resource_path.as_deref();
                let by_route =
                    pattern.and_then(|pattern| split_by_route(full, pattern, &parameters));
                by_route.or_else(|| Some((full.strip_suffix(raw)?, raw)))
            }
            Some(RequestContext::ApiGatewayV2(context)) => {
                // `GET /orders/{id}`; a `$default` route has no path.
                let pattern = context
                    .route_key
                    .as_deref()
                    .and_then(|key| key.split_once(' '));
                let by_route =
                    pattern.and_then(|(_, pattern)| split_by_route(raw, pattern, &parameters));
                by_route.or_else(|| split_by_stage(raw, context.stage.as_deref()?))
            }
            _ => None,
        };
        let (prefix, path) = split
            .filter(|(prefix, _)| is_valid_base_path(prefix))
            .unwrap_or(("", raw));
        Self {
            base_path: prefix.to_owned(),
            path: path.to_owned(),
        }
    }

    /// Returns the path without the base path, as the route table has it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the base path: empty, or text that begins with one slash and does not end with one.
    pub(crate) fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Returns the full path, as the caller sent it.
    pub(crate) fn full_path(&self) -> String {
        format!("{}{}", self.base_path, self.path)
    }
}

/// Splits `full` before the part that API Gateway matched with `pattern`.
///
/// The segments are counted, because a parameter's value can be any text.
fn split_by_route<'a>(
    full: &'a str,
    pattern: &str,
    parameters: &QueryMap,
) -> Option<(&'a str, &'a str)> {
    if pattern == "/" {
        return Some((full.trim_end_matches('/'), "/"));
    }
    let mut slashes = pattern.matches('/').count();
    // The value of a greedy parameter can contain slashes.
    if let Some((_, greedy)) = pattern
        .strip_suffix("+}")
        .and_then(|rest| rest.rsplit_once('{'))
    {
        slashes += parameters.first(greedy)?.matches('/').count();
    }
    let (start, _) = full.rmatch_indices('/').nth(slashes.checked_sub(1)?)?;
    let (prefix, path) = full.split_at(start);
    let segments: Vec<_> = path[1..].split('/').map(str::to_owned).collect();
    route::matches_pattern(pattern, &segments).then_some((prefix, path))
}

/// Splits `raw` after the stage.
fn split_by_stage<'a>(raw: &'a str, stage: &str) -> Option<(&'a str, &'a str)> {
    let path = raw
        .strip_prefix('/')?
        .strip_prefix(stage)
        .filter(|path| path.starts_with('/'))?;
    (stage != "$default").then(|| (&raw[..raw.len() - path.len()], path))
}

/// Returns whether API Gateway accepts `prefix` as stage or base path.
///
/// A browser never reads such a prefix as another host or as a relative path.
fn is_valid_base_path(prefix: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()".contains(c);
    let is_segment = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part.chars().all(is_allowed)
    };
    prefix.is_empty()
        || prefix
            .strip_prefix('/')
            .is_some_and(|parts| parts.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn split(event: &Value) -> (String, String) {
        let split =
            RequestPath::from_request(&lambda_http::request::from_str(&event.to_string()).unwrap());
        (split.base_path, split.path)
    }

    fn rest(resource: &str, path: &str, full: &str, parameters: &Value) -> (String, String) {
        split(&json!({
            "resource": resource, "path": path, "httpMethod": "GET", "headers": {"host": "x"},
            "multiValueHeaders": {"host": ["x"]}, "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "pathParameters": parameters, "isBase64Encoded": false,
            "requestContext": {"stage": "prod", "httpMethod": "GET", "path": full, "resourcePath": resource},
        }))
    }

    fn http(route: &str, stage: &str, raw: &str, parameters: &Value) -> (String, String) {
        split(&json!({
            "version": "2.0", "routeKey": route, "rawPath": raw, "rawQueryString": "", "headers": {"host": "x"},
            "pathParameters": parameters, "isBase64Encoded": false,
            "requestContext": {"routeKey": route, "stage": stage, "http": {"method": "GET", "path": raw}},
        }))
    }

    fn split_at(prefix: &str, path: &str) -> (String, String) {
        (prefix.to_owned(), path.to_owned())
    }

    #[test]
    fn rest_api_base_path_is_split_off() {
        let id = json!({"id": "o-1"});
        let order = |path, full| rest("/orders/{id}", path, full, &id);
        assert_eq!(
            order("/orders/o-1", "/prod/orders/o-1"),
            split_at("/prod", "/orders/o-1"),
            "its own address"
        );
        assert_eq!(
            order("/orders/o-1", "/orders/o-1"),
            split_at("", "/orders/o-1"),
            "a domain"
        );
        assert_eq!(
            order("/shop/orders/o-1", "/shop/orders/o-1"),
            split_at("/shop", "/orders/o-1"),
            "with a base path"
        );
        assert_eq!(
            order("/a/b/orders/o-1", "/a/b/orders/o-1"),
            split_at("/a/b", "/orders/o-1"),
            "of two levels"
        );
        assert_eq!(
            order("/prod/orders/o-1", "/prod/orders/o-1"),
            split_at("/prod", "/orders/o-1"),
            "mapped to no stage"
        );
        assert_eq!(
            order("/orders/orders/orders", "/orders/orders/orders"),
            split_at("/orders", "/orders/orders")
        );
        let pattern = "/orders/{id}";
        assert_eq!(
            order("/orders/o-1", pattern),
            split_at("", "/orders/o-1"),
            "SAM's local gateway"
        );
        let none = json!(null);
        assert_eq!(
            rest("/orders", "/orders", "/prod/orders", &none),
            split_at("/prod", "/orders")
        );
        assert_eq!(rest("/", "/", "/prod/", &none), split_at("/prod", "/"));
        assert_eq!(rest("/", "/shop", "/shop", &none), split_at("/shop", "/"));
        assert_eq!(rest("/", "/", "/", &none), split_at("", "/"));
        let file = json!({"path": "redoc-2.5.4/redoc.js"});
        let path = "/shop/redoc/redoc-2.5.4/redoc.js";
        assert_eq!(
            rest("/redoc/{path+}", path, path, &file),
            split_at("/shop", "/redoc/redoc-2.5.4/redoc.js")
        );
    }

    #[test]
    fn http_api_base_path_is_split_off() {
        let none = json!(null);
        assert_eq!(
            http("$default", "$default", "/orders/o-1", &none),
            split_at("", "/orders/o-1")
        );
        assert_eq!(
            http("$default", "prod", "/prod/orders/o-1", &none),
            split_at("/prod", "/orders/o-1")
        );
        assert_eq!(
            http("$default", "prod", "/production/orders", &none),
            split_at("", "/production/orders")
        );
        let id = json!({"id": "o-1"});
        assert_eq!(
            http("GET /orders/{id}", "prod", "/prod/orders/o-1", &id),
            split_at("/prod", "/orders/o-1")
        );
        assert_eq!(
            http("ANY /orders/{id}", "$default", "/shop/orders/o-1", &id),
            split_at("/shop", "/orders/o-1")
        );
        // A custom domain without a base path.
        assert_eq!(
            http("GET /orders/{id}", "prod", "/orders/o-1", &id),
            split_at("", "/orders/o-1")
        );
    }

    #[test]
    fn caller_cannot_set_the_base_path() {
        let none = json!(null);
        // No route of API Gateway matches these paths.
        let proxy = |rest| json!({"proxy": rest});
        let path = "/prod/evil/orders";
        assert_eq!(
            rest("/{proxy+}", "/evil/orders", path, &proxy("evil/orders")),
            split_at("/prod", "/evil/orders")
        );
        assert_eq!(
            http("$default", "$default", "//evil.example/orders", &none),
            split_at("", "//evil.example/orders")
        );
        assert_eq!(
            http("$default", "$default", "/evil/orders", &none),
            split_at("", "/evil/orders")
        );
        // An invalid stage or base path is ignored, even if the event contains it.
        for full in [
            "//evil.example/orders",
            "/\\evil.example/orders",
            "/a/../orders",
            "/a//orders",
            "https://evil/orders",
            "/a\r\nSet-Cookie: a=b/orders",
            "/a%0d%0a/orders",
            "/a>/orders",
            "evil/orders",
            "/ü/orders",
        ] {
            assert_eq!(rest("/orders", full, full, &none).0, "", "{full}");
            assert_eq!(http("GET /orders", "$default", full, &none).0, "", "{full}");
        }
    }
}
