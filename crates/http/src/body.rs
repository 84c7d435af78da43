//! The body of a request, before anybody reads a field of it.

use lambda_http::http::{HeaderMap, header};

use crate::{Problem, ProblemCode};

/// What a body may have at most. No order of a hundred lines comes near.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The body as it is.
pub(crate) fn check_size(body: &[u8]) -> Result<&[u8], Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Problem::new(
            ProblemCode::BodyTooLarge,
            "A body has at most 256 KiB.",
        ));
    }
    Ok(body)
}

/// The body as text; an empty one needs no content type.
pub(crate) fn json_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<&'a str, Problem> {
    let body = check_size(body)?;
    if body.is_empty() {
        return Ok("");
    }
    if !is_json(headers) {
        return Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "Send it with 'content-type: application/json'.",
        ));
    }
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| encoding != "identity")
    {
        return Err(Problem::new(
            ProblemCode::UnsupportedMediaType,
            "Send it without 'content-encoding'.",
        ));
    }
    std::str::from_utf8(body).map_err(|error| {
        // Of the bytes that are good: up to there an editor shows the same.
        let good = &body[..error.valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Problem::new(
            ProblemCode::MalformedJson,
            format!("the text is not UTF-8 (line {line}, column {column})"),
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
    fn a_body_must_be_json_by_its_own_account() {
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
    fn a_body_that_is_compressed_is_refused_as_such() {
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
    fn no_body_needs_no_content_type() {
        assert_eq!(read(None, b""), Ok(String::new()));
        assert_eq!(read(Some("text/plain"), b""), Ok(String::new()));
    }

    #[test]
    fn what_is_too_large_or_not_utf8_is_refused() {
        let json = Some("application/json");
        assert_eq!(
            read(json, &vec![b' '; MAX_BODY_BYTES]).map(|text| text.len()),
            Ok(MAX_BODY_BYTES)
        );
        assert_eq!(read(json, &vec![b' '; MAX_BODY_BYTES + 1]), Err(413));
        assert_eq!(read(json, b"{\"a\": \"\xff\"}"), Err(400));
    }
}
