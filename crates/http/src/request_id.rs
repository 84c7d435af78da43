//! The request id, which is in the response, in the log, in the order's memo and in the trace.

use lambda_http::{
    Request, RequestExt,
    http::{HeaderMap, HeaderName},
    request::RequestContext,
};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The header of a response that returns the caller's own id.
pub(crate) const CLIENT_HEADER: HeaderName = HeaderName::from_static("x-client-request-id");
const MAX_LENGTH: usize = 128;

/// Returns the gateway's id of the request, so that its access log and our log have the same id.
///
/// A request without a gateway has Lambda's id, else a new one. A caller cannot choose it: the audit log
/// has it.
pub(crate) fn request_id(request: &Request) -> String {
    let context = request.request_context_ref();
    let from_gateway = context.and_then(|context| match context {
        RequestContext::ApiGatewayV1(context) => context.request_id.as_deref(),
        RequestContext::ApiGatewayV2(context) => context.request_id.as_deref(),
        // The enum is non-exhaustive. Our functions have no other source of events.
        _ => None,
    });
    let from_lambda = || Some(request.lambda_context_ref()?.request_id.as_str());
    from_gateway
        .filter(|id| is_safe_to_log(id))
        .or_else(|| from_lambda().filter(|id| is_safe_to_log(id)))
        .map_or_else(new_request_id, str::to_owned)
}

/// Returns the caller's own id of the request (`X-Request-Id`) if it is safe to log.
pub(crate) fn caller_request_id(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_safe_to_log(id))
}

/// Returns the id that Lambda gives to the request in X-Ray.
///
/// A trace with this id exists only if X-Ray records the request.
pub(crate) fn xray_trace_id(request: &Request) -> Option<&str> {
    let header = request.lambda_context_ref()?.xray_trace_id.as_deref()?;
    header
        .split(';')
        .find_map(|part| part.strip_prefix("Root="))
        .filter(|id| is_safe_to_log(id))
}

/// Returns a new request id, as a gateway gives one to each request.
pub fn new_request_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn is_safe_to_log(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, Context};

    use super::*;

    fn id(header: &str) -> String {
        let mut request = Request::new(Body::Empty);
        request
            .headers_mut()
            .insert(HEADER, header.parse().unwrap());
        request_id(&request)
    }

    #[test]
    fn caller_cannot_choose_the_id() {
        for bad in ["abc-1:2", "", "a b", "a\"b", &"x".repeat(129)] {
            let made = id(bad);
            assert_eq!(made.len(), 32, "{bad:?} gave {made}");
        }
    }

    #[test]
    fn gateways_id_wins_over_the_callers() {
        let rest = r#"{"resource":"/health","path":"/health","httpMethod":"GET","headers":{"x-request-id":"mine"},
            "multiValueHeaders":{"x-request-id":["mine"]},"requestContext":{"requestId":"of-rest","httpMethod":"GET"},"isBase64Encoded":false}"#;
        let http = r#"{"version":"2.0","routeKey":"$default","rawPath":"/health","rawQueryString":"","headers":{"x-request-id":"mine"},
            "requestContext":{"http":{"method":"GET","path":"/health"},"requestId":"of-http="},"isBase64Encoded":false}"#;
        for (event, expected) in [(rest, "of-rest"), (http, "of-http=")] {
            let request = lambda_http::request::from_str(event).unwrap();
            assert_eq!(request_id(&request), expected);
            assert_eq!(caller_request_id(request.headers()), Some("mine"));
        }
    }

    #[test]
    fn id_in_xray_is_the_root_of_lambdas_header() {
        let id = |header: &str| {
            let mut context = Context::default();
            context.xray_trace_id = Some(header.to_owned());
            let request = Request::new(Body::Empty).with_lambda_context(context);
            xray_trace_id(&request).map(str::to_owned)
        };
        let root = "1-5bef4de7-ad49b0e87f6ef6c87fc2e700";
        let rest = "Parent=9a9197af755a6419;Sampled=0;Lineage=1:a87bd80c:0";
        assert_eq!(id(&format!("Root={root};{rest}")).as_deref(), Some(root));
        assert_eq!(id(&format!("Self=1-a;Root={root}")).as_deref(), Some(root));
        for bad in ["", rest, "Root=", "Root=a\nb"] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
        assert_eq!(xray_trace_id(&Request::new(Body::Empty)), None);
    }
}
