//! Where a call was made: the path that our routes know, and what stands in front of it for the caller.
//!
//! That is the stage of an API's own address, the base path of a domain, both or nothing. A REST API tells in `path` some of
//! it and in its context's all; an HTTP API tells all in `rawPath`. What a caller wrote never becomes a part of it: API Gateway
//! says which route it took, or which stage, and all before that is its own.

use lambda_http::{
    Request, RequestExt, aws_lambda_events::query_map::QueryMap, request::RequestContext,
};

use crate::route;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestPath {
    prefix: String,
    path: String,
}

impl RequestPath {
    pub(crate) fn from_request(request: &Request) -> Self {
        let raw = request.raw_http_path();
        let parameters = request.path_parameters();
        let split = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => {
                // SAM's local gateway puts the route's pattern there.
                let whole = context
                    .path
                    .as_deref()
                    .filter(|whole| whole.ends_with(raw))
                    .unwrap_or(raw);
                let pattern = context.resource_path.as_deref();
                let by_route = pattern.and_then(|pattern| by_route(whole, pattern, &parameters));
                by_route.or_else(|| Some((whole.strip_suffix(raw)?, raw)))
            }
            Some(RequestContext::ApiGatewayV2(context)) => {
                // `GET /orders/{id}`; a `$default` route has no path.
                let pattern = context
                    .route_key
                    .as_deref()
                    .and_then(|key| key.split_once(' '));
                let by_route = pattern.and_then(|(_, pattern)| by_route(raw, pattern, &parameters));
                by_route.or_else(|| by_stage(raw, context.stage.as_deref()?))
            }
            _ => None,
        };
        let (prefix, path) = split
            .filter(|(prefix, _)| is_plain(prefix))
            .unwrap_or(("", raw));
        Self {
            prefix: prefix.to_owned(),
            path: path.to_owned(),
        }
    }

    /// As our route table has it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What stands before each path of ours. Empty, or it begins with one slash and does not end with one.
    pub(crate) fn base_path(&self) -> &str {
        &self.prefix
    }

    /// As the caller sees it.
    pub(crate) fn full_path(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }
}

/// The end that API Gateway found its route for. It counts segments: what stands for a parameter may be anything.
fn by_route<'a>(
    whole: &'a str,
    pattern: &str,
    parameters: &QueryMap,
) -> Option<(&'a str, &'a str)> {
    if pattern == "/" {
        return Some((whole.trim_end_matches('/'), "/"));
    }
    let mut slashes = pattern.matches('/').count();
    // What a greedy parameter stands for may have slashes of its own.
    if let Some((_, greedy)) = pattern
        .strip_suffix("+}")
        .and_then(|rest| rest.rsplit_once('{'))
    {
        slashes += parameters.first(greedy)?.matches('/').count();
    }
    let (start, _) = whole.rmatch_indices('/').nth(slashes.checked_sub(1)?)?;
    let (prefix, path) = whole.split_at(start);
    let segments: Vec<_> = path[1..].split('/').map(str::to_owned).collect();
    route::matches_pattern(pattern, &segments).then_some((prefix, path))
}

fn by_stage<'a>(raw: &'a str, stage: &str) -> Option<(&'a str, &'a str)> {
    let path = raw
        .strip_prefix('/')?
        .strip_prefix(stage)
        .filter(|path| path.starts_with('/'))?;
    (stage != "$default").then(|| (&raw[..raw.len() - path.len()], path))
}

/// What API Gateway takes for stages and base paths, and nothing that a browser reads as another host or folder.
fn is_plain(prefix: &str) -> bool {
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

    fn place(event: &Value) -> (String, String) {
        let place =
            RequestPath::from_request(&lambda_http::request::from_str(&event.to_string()).unwrap());
        (place.prefix, place.path)
    }

    fn rest(resource: &str, path: &str, whole: &str, parameters: &Value) -> (String, String) {
        place(&json!({
            "resource": resource, "path": path, "httpMethod": "GET", "headers": {"host": "x"},
            "multiValueHeaders": {"host": ["x"]}, "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "pathParameters": parameters, "isBase64Encoded": false,
            "requestContext": {"stage": "prod", "httpMethod": "GET", "path": whole, "resourcePath": resource},
        }))
    }

    fn http(route: &str, stage: &str, raw: &str, parameters: &Value) -> (String, String) {
        place(&json!({
            "version": "2.0", "routeKey": route, "rawPath": raw, "rawQueryString": "", "headers": {"host": "x"},
            "pathParameters": parameters, "isBase64Encoded": false,
            "requestContext": {"routeKey": route, "stage": stage, "http": {"method": "GET", "path": raw}},
        }))
    }

    fn is(prefix: &str, path: &str) -> (String, String) {
        (prefix.to_owned(), path.to_owned())
    }

    #[test]
    fn a_rest_api_has_its_stage_or_its_domains_base_path_in_front() {
        let id = json!({"id": "o-1"});
        let order = |path, whole| rest("/orders/{id}", path, whole, &id);
        assert_eq!(
            order("/orders/o-1", "/prod/orders/o-1"),
            is("/prod", "/orders/o-1"),
            "its own address"
        );
        assert_eq!(
            order("/orders/o-1", "/orders/o-1"),
            is("", "/orders/o-1"),
            "a domain"
        );
        assert_eq!(
            order("/shop/orders/o-1", "/shop/orders/o-1"),
            is("/shop", "/orders/o-1"),
            "with a base path"
        );
        assert_eq!(
            order("/a/b/orders/o-1", "/a/b/orders/o-1"),
            is("/a/b", "/orders/o-1"),
            "of two levels"
        );
        assert_eq!(
            order("/prod/orders/o-1", "/prod/orders/o-1"),
            is("/prod", "/orders/o-1"),
            "mapped to no stage"
        );
        assert_eq!(
            order("/orders/orders/orders", "/orders/orders/orders"),
            is("/orders", "/orders/orders")
        );
        let pattern = "/orders/{id}";
        assert_eq!(
            order("/orders/o-1", pattern),
            is("", "/orders/o-1"),
            "SAM's local gateway"
        );
        let none = json!(null);
        assert_eq!(
            rest("/orders", "/orders", "/prod/orders", &none),
            is("/prod", "/orders")
        );
        assert_eq!(rest("/", "/", "/prod/", &none), is("/prod", "/"));
        assert_eq!(rest("/", "/shop", "/shop", &none), is("/shop", "/"));
        assert_eq!(rest("/", "/", "/", &none), is("", "/"));
        let file = json!({"path": "redoc-2.5.4/redoc.js"});
        let asked = "/shop/redoc/redoc-2.5.4/redoc.js";
        assert_eq!(
            rest("/redoc/{path+}", asked, asked, &file),
            is("/shop", "/redoc/redoc-2.5.4/redoc.js")
        );
    }

    #[test]
    fn an_http_api_has_its_stage_or_its_domains_base_path_in_front() {
        let none = json!(null);
        assert_eq!(
            http("$default", "$default", "/orders/o-1", &none),
            is("", "/orders/o-1")
        );
        assert_eq!(
            http("$default", "prod", "/prod/orders/o-1", &none),
            is("/prod", "/orders/o-1")
        );
        assert_eq!(
            http("$default", "prod", "/production/orders", &none),
            is("", "/production/orders")
        );
        let id = json!({"id": "o-1"});
        assert_eq!(
            http("GET /orders/{id}", "prod", "/prod/orders/o-1", &id),
            is("/prod", "/orders/o-1")
        );
        assert_eq!(
            http("ANY /orders/{id}", "$default", "/shop/orders/o-1", &id),
            is("/shop", "/orders/o-1")
        );
        // A domain's, that has no path of its own.
        assert_eq!(
            http("GET /orders/{id}", "prod", "/orders/o-1", &id),
            is("", "/orders/o-1")
        );
    }

    #[test]
    fn nothing_that_a_caller_writes_stands_in_front() {
        let none = json!(null);
        // API Gateway takes these for no route of ours, so they are none.
        let proxy = |rest| json!({"proxy": rest});
        let asked = "/prod/evil/orders";
        assert_eq!(
            rest("/{proxy+}", "/evil/orders", asked, &proxy("evil/orders")),
            is("/prod", "/evil/orders")
        );
        assert_eq!(
            http("$default", "$default", "//evil.example/orders", &none),
            is("", "//evil.example/orders")
        );
        assert_eq!(
            http("$default", "$default", "/evil/orders", &none),
            is("", "/evil/orders")
        );
        // What could not be a stage or a base path is none, whoever says so.
        for whole in [
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
            assert_eq!(rest("/orders", whole, whole, &none).0, "", "{whole}");
            assert_eq!(
                http("GET /orders", "$default", whole, &none).0,
                "",
                "{whole}"
            );
        }
    }
}
