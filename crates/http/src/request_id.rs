//! The request id, which is in the response, in the log and in the order's memo.

use lambda_http::{Request, RequestExt, http::HeaderName};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

/// Returns the caller's id if it is safe to log, else Lambda's id, else a new one.
pub(crate) fn request_id(request: &Request) -> String {
    let from_caller = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_safe_to_log(id));
    let from_lambda = || {
        request
            .lambda_context_ref()
            .map(|context| context.request_id.as_str())
            .filter(|id| is_safe_to_log(id))
    };
    from_caller
        .or_else(from_lambda)
        .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

fn is_safe_to_log(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    fn id(header: &str) -> String {
        let mut request = Request::new(Body::Empty);
        request
            .headers_mut()
            .insert(HEADER, header.parse().unwrap());
        request_id(&request)
    }

    #[test]
    fn callers_id_is_kept_if_safe_to_log() {
        assert_eq!(id("abc-1:2"), "abc-1:2");
        for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
            let made = id(bad);
            assert_eq!(made.len(), 32, "{bad:?} gave {made}");
        }
    }
}
