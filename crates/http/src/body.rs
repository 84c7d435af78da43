//! Checks of a request body before its fields are read: size, media type, encoding.

use lambda_http::http::{HeaderMap, header};

use crate::{Problem, ProblemCode};

/// Largest request body in bytes. An order with 100 line items is far smaller.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Largest webhook event in bytes. Some providers send whole orders, and disable an endpoint that
/// rejects them.
pub const MAX_WEBHOOK_BYTES: usize = 1024 * 1024;

/// Returns the body of a webhook event unchanged, or rejects one that is too large.
pub(crate) fn check_webhook_size(body: &[u8]) -> Result<&[u8], Problem> {
    check_size(body, MAX_WEBHOOK_BYTES)
}

fn check_size(body: &[u8], limit: usize) -> Result<&[u8], Problem> {
    if body.len() > limit {
        let kib = limit / 1024;
        return Err(Problem::new(
            ProblemCode::BodyTooLarge,
            format!("The body is larger than the limit of {kib} KiB."),
        ));
    }
    Ok(body)
}

/// Returns the body as text. An empty body needs no content type.
pub(crate) fn json_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<&'a str, Problem> {
    let body = check_size(body, MAX_BODY_BYTES)?;
    if body.is_empty() {
        return Ok("");
    }
    if !is_json(headers) {
        return Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "Send the body with the header 'Content-Type: application/json'.",
        ));
    }
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| encoding != "identity")
    {
        return Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "Compressed bodies are not supported; send the body without 'Content-Encoding'.",
        ));
    }
    // Some programs write a byte order mark, which RFC 8259 allows to ignore.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|error| {
        // Counted in the valid part, so that an editor shows the same line and column.
        let valid = &body[..error.valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = valid
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count()
            + 1;
        Problem::new(
            ProblemCode::MalformedJson,
            format!("The body is not UTF-8 text (line {line}, column {column})."),
        )
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers
        .get(header::CONTENT_TYPE)
        .map(|value| value.to_str())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: Option<&str>, body: &[u8]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        json_text(&headers, body)
            .map(str::to_owned)
            .map_err(|problem| problem.status())
    }

    #[test]
    fn body_needs_a_json_content_type() {
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.order+json",
        ] {
            assert_eq!(read(Some(good), b"{}"), Ok("{}".to_owned()), "{good}");
        }
        for bad in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("text/json+json2"),
        ] {
            assert_eq!(read(bad, b"{}"), Err(415), "{bad:?}");
        }
    }

    #[test]
    fn compressed_body_is_rejected() {
        for (encoding, status) in [("identity", None), ("gzip", Some(415)), ("br", Some(415))] {
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CONTENT_ENCODING, encoding),
            ];
            let headers = headers
                .map(|(name, value)| (name, value.parse().unwrap()))
                .into_iter()
                .collect();
            assert_eq!(
                json_text(&headers, b"{}")
                    .err()
                    .map(|problem| problem.status()),
                status,
                "{encoding}"
            );
        }
    }

    #[test]
    fn empty_body_needs_no_content_type() {
        assert_eq!(read(None, b""), Ok(String::new()));
        assert_eq!(read(Some("text/plain"), b""), Ok(String::new()));
    }

    #[test]
    fn webhook_event_can_be_larger_than_a_request() {
        let size = |length: usize| check_webhook_size(&vec![b' '; length]).map(<[u8]>::len);
        assert_eq!(size(MAX_WEBHOOK_BYTES).unwrap(), MAX_WEBHOOK_BYTES);
        assert_eq!(size(MAX_WEBHOOK_BYTES + 1).unwrap_err().status(), 413);
    }

    #[test]
    fn oversized_or_invalid_utf8_body_is_rejected() {
        let json = Some("application/json");
        assert_eq!(
            read(json, &vec![b' '; MAX_BODY_BYTES]).map(|text| text.len()),
            Ok(MAX_BODY_BYTES)
        );
        assert_eq!(read(json, &vec![b' '; MAX_BODY_BYTES + 1]), Err(413));
        assert_eq!(read(json, b"{\"a\": \"\xff\"}"), Err(400));
    }

    #[test]
    fn byte_order_mark_is_ignored() {
        let json = Some("application/json");
        assert_eq!(read(json, b"\xef\xbb\xbf{}"), Ok("{}".to_owned()));
        assert_eq!(read(json, b"{}\xef\xbb\xbf"), Ok("{}\u{feff}".to_owned()));
    }
}
