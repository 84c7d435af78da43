//! Headers of every response: protection in browsers, and rules for caches.

use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Access, Operation, StartOperation, response::PRIVATE};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds the headers that protect a browser. A page has its own policy of content.
pub(crate) fn add_security_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Adds the rules for caches, unless the response has its own. `operation` is `None` for a request
/// without a route.
pub(crate) fn add_caching_headers(
    headers: &mut HeaderMap,
    operation: Option<Operation>,
    is_problem: bool,
    depends_on_origin: bool,
) {
    let is_private = operation.is_some_and(|operation| operation.access() != Access::Public);
    let is_fleeting = is_problem
        || matches!(
            operation,
            Some(Operation::Start(StartOperation::Health) | Operation::Webhook)
        );
    let rule = if is_fleeting {
        Some("no-store")
    } else {
        // A shared cache does not know that a response depends on `X-Api-Key`.
        is_private.then_some(PRIVATE)
    };
    if let Some(rule) = rule {
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static(rule));
    }
    let own: Vec<String> = headers
        .get_all(header::VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    let credentials = is_private.then_some("Authorization, X-Api-Key");
    let origin = depends_on_origin.then_some("Origin");
    let names: Vec<&str> = credentials
        .into_iter()
        .chain(origin)
        .chain(own.iter().map(String::as_str))
        .collect();
    if let Ok(value) = HeaderValue::from_str(&names.join(", "))
        && !value.is_empty()
    {
        headers.insert(header::VARY, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventsOperation;

    #[test]
    fn vary_has_every_name_in_one_header() {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        let operation = Some(Operation::Events(EventsOperation::Orders));
        add_caching_headers(&mut headers, operation, false, true);
        let vary: Vec<_> = headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Authorization, X-Api-Key, Origin, Accept"]);
    }

    #[test]
    fn page_keeps_its_policy() {
        let mut headers = HeaderMap::new();
        let own = HeaderValue::from_static("default-src 'self'");
        headers.insert(header::CONTENT_SECURITY_POLICY, own.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        add_security_headers(&mut headers);
        add_caching_headers(&mut headers, None, false, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], own);
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(!headers.contains_key(header::VARY));
    }
}
