//! An answer that is no problem.
//!
//! Every body is text: a REST API hands out anything else only as base64 and with media types of its own
//! settings, and an HTTP API by other rules. What is large is compressed by the API in front of the function.

use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use crate::{ETag, Problem, Wait, prefer::PREFERENCE_APPLIED};

/// An answer, JSON unless it says otherwise, with its headers.
#[derive(Debug)]
pub struct ApiResponse {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(HeaderName, String)>,
    /// Nothing where the caller has it already.
    body: Option<String>,
}

const JSON: &str = "application/json";

impl ApiResponse {
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::with(StatusCode::OK, body)
    }

    /// It goes on; `location` is where to look, a path of ours.
    pub fn accepted(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::with(StatusCode::ACCEPTED, body)?.with_header(header::LOCATION, location))
    }

    /// For a health check: the document says what is missing.
    pub fn service_unavailable(body: &impl Serialize) -> Result<Self, Problem> {
        Self::with(StatusCode::SERVICE_UNAVAILABLE, body)
    }

    /// A file: a page, a script, a document.
    pub fn file(content_type: &'static str, text: &str) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            headers: Vec::new(),
            body: Some(text.to_owned()),
        }
    }

    /// It is done, and there is nothing to say of it.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content_type: JSON,
            headers: Vec::new(),
            body: None,
        }
    }

    /// The caller has this file already.
    pub fn file_not_modified() -> Self {
        Self {
            status: StatusCode::NOT_MODIFIED,
            content_type: JSON,
            headers: Vec::new(),
            body: None,
        }
    }

    /// The caller has this state already.
    pub fn not_modified(tag: ETag) -> Self {
        Self::file_not_modified().with_etag(tag)
    }

    /// Names the state that this answer tells. Whoever keeps it must ask before showing it again.
    #[must_use]
    pub fn with_etag(self, tag: ETag) -> Self {
        self.with_header(header::ETAG, tag.to_string())
            .with_header(header::CACHE_CONTROL, "private, no-cache".to_owned())
    }

    /// Tells that the caller's wish to wait was granted.
    #[must_use]
    pub fn with_applied_wait(self, wait: Option<Wait>) -> Self {
        match wait {
            Some(wait) => self.with_header(PREFERENCE_APPLIED, wait.preference_applied()),
            None => self,
        }
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self {
            status,
            content_type: JSON,
            headers: Vec::new(),
            body: Some(text(body)?),
        })
    }

    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// For a caller who sees our paths behind `prefix`.
    pub(crate) fn into_response(self, prefix: &str) -> Response<Body> {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = self.status;
        if let Some(body) = self.body {
            *response.body_mut() = Body::Text(body);
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(self.content_type),
            );
        }
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&seen(&name, value, prefix)) {
                headers.append(name, value);
            }
        }
        response
    }
}

/// Paths of ours as the caller sees them.
fn seen(name: &HeaderName, value: String, prefix: &str) -> String {
    match *name {
        header::LOCATION => format!("{prefix}{value}"),
        header::LINK => value.replacen("</", &format!("<{prefix}/"), 1),
        _ => value,
    }
}

/// One line, and its end: a terminal shows its prompt on the next.
fn text(body: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(body)
        .map(|text| text + "\n")
        .map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderMap;

    use super::*;

    fn shown(reply: ApiResponse) -> (u16, String, HeaderMap) {
        let (parts, body) = reply.into_response("").into_parts();
        (
            parts.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
            parts.headers,
        )
    }

    #[test]
    fn an_answer_is_one_line() {
        let (status, body, headers) = shown(ApiResponse::ok(&[1, 2]).unwrap().with_etag(ETag(3)));
        assert_eq!((status, body.as_str()), (200, "[1,2]\n"));
        assert_eq!(headers["etag"], "W/\"3\"");
        assert_eq!(headers["content-type"], "application/json");
    }

    #[test]
    fn what_the_caller_has_is_not_sent_again() {
        let (status, body, headers) =
            shown(ApiResponse::not_modified(ETag(3)).with_applied_wait(None));
        assert_eq!((status, body.as_str()), (304, ""));
        assert_eq!(headers["etag"], "W/\"3\"");
        assert!(
            !headers.contains_key("content-type") && !headers.contains_key("preference-applied"),
            "{headers:?}"
        );
    }
}
