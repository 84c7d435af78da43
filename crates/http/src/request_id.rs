//! The id by which one call is found again: in the answer, in the log, in the order's memo.

use lambda_http::{Request, RequestExt, http::HeaderName};

pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 128;

/// The caller's own if it is one that a log can take, else Lambda's, else a new one.
pub(crate) fn request_id(request: &Request) -> String {
    let of_caller = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_sane(id));
    let of_lambda = || {
        request
            .lambda_context_ref()
            .map(|context| context.request_id.as_str())
            .filter(|id| is_sane(id))
    };
    of_caller
        .or_else(of_lambda)
        .map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(allowed)
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
    fn a_callers_id_is_kept_if_it_is_sane() {
        assert_eq!(id("abc-1:2"), "abc-1:2");
        for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
            let made = id(bad);
            assert_eq!(made.len(), 32, "{bad:?} gave {made}");
        }
    }
}
