//! Responses of the API that are not problems.
//!
//! Every body is text. A REST API returns binary bodies only as base64, for media types in its
//! settings, and an HTTP API has other rules. API Gateway compresses large responses.

use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use crate::{ETag, Problem, Wait, prefer::PREFERENCE_APPLIED};

/// A response of the API with its headers; the body is JSON by default.
///
/// # Examples
///
/// ```
/// use orderflow_http::{ApiResponse, ETag};
///
/// # fn main() -> Result<(), orderflow_http::Problem> {
/// let response = ApiResponse::ok(&["a list"])?.with_etag(ETag(3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ApiResponse {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(HeaderName, String)>,
    /// `None` for a response without content.
    body: Option<String>,
}

const JSON: &str = "application/json";

/// The value of `Cache-Control` for everything that is an order.
pub(crate) const PRIVATE: &str = "private, no-cache";

impl ApiResponse {
    /// Returns 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, body)
    }

    /// Returns 201: the request has created the resource at the path `location`, without base path.
    pub fn created(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::json(StatusCode::CREATED, body)?.with_header(header::LOCATION, location))
    }

    /// Returns 202: the request continues. `location` is the path of its status, without base path.
    pub fn accepted(location: String, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self::json(StatusCode::ACCEPTED, body)?.with_header(header::LOCATION, location))
    }

    /// Returns 503 with a JSON body, for a failed health check.
    pub fn service_unavailable(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::SERVICE_UNAVAILABLE, body)
    }

    /// Returns a file: a page, a script or a document.
    pub fn file(content_type: &'static str, text: &str) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            headers: Vec::new(),
            body: Some(text.to_owned()),
        }
    }

    /// Returns 200 with a table as CSV (RFC 4180), which a browser stores as `file_name`.
    pub fn csv(file_name: &str, table: String) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "text/csv; charset=utf-8; header=present",
            headers: Vec::new(),
            body: Some(table),
        }
        .with_header(
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file_name}\""),
        )
    }

    /// Returns 308: the same request belongs to another path, which has no base path here.
    pub(crate) fn moved(location: String) -> Self {
        Self {
            status: StatusCode::PERMANENT_REDIRECT,
            ..Self::no_content()
        }
        .with_header(header::LOCATION, location)
    }

    /// Returns 204.
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content_type: JSON,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Returns 304 for a file.
    pub fn file_not_modified() -> Self {
        Self {
            status: StatusCode::NOT_MODIFIED,
            content_type: JSON,
            headers: Vec::new(),
            body: None,
        }
    }

    /// Returns 304 for an order's state.
    pub fn not_modified(tag: ETag) -> Self {
        Self::file_not_modified().with_etag(tag)
    }

    /// Adds the entity tag. A cache must revalidate the response before it returns it again.
    #[must_use]
    pub fn with_etag(self, tag: ETag) -> Self {
        self.with_header(header::ETAG, tag.to_string())
            .with_header(header::CACHE_CONTROL, PRIVATE.to_owned())
    }

    /// Adds `Preference-Applied` if the caller's wait was applied.
    #[must_use]
    pub fn with_applied_wait(self, wait: Option<Wait>) -> Self {
        match wait {
            Some(wait) => self.with_header(PREFERENCE_APPLIED, wait.preference_applied()),
            None => self,
        }
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self {
            status,
            content_type: JSON,
            headers: Vec::new(),
            body: Some(to_json_line(body)?),
        })
    }

    /// Adds a header; an invalid value is omitted from the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds several headers.
    #[must_use]
    pub(crate) fn with_headers(mut self, headers: Vec<(HeaderName, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns the HTTP response for a caller that reaches our paths below `base_path`.
    pub(crate) fn into_response(self, base_path: &str) -> Response<Body> {
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
            if let Ok(value) = HeaderValue::from_str(&with_base_path(&name, value, base_path)) {
                headers.append(name, value);
            }
        }
        response
    }
}

/// Returns the header's value with the base path before our paths.
fn with_base_path(name: &HeaderName, value: String, base_path: &str) -> String {
    match *name {
        header::LOCATION => format!("{base_path}{value}"),
        header::LINK => value.replacen("</", &format!("<{base_path}/"), 1),
        _ => value,
    }
}

/// Returns one line of JSON with a line end, so that a terminal shows its prompt on the next line.
fn to_json_line(body: &impl Serialize) -> Result<String, Problem> {
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
    fn json_response_is_one_line() {
        let (status, body, headers) = shown(ApiResponse::ok(&[1, 2]).unwrap().with_etag(ETag(3)));
        assert_eq!((status, body.as_str()), (200, "[1,2]\n"));
        assert_eq!(headers["etag"], "W/\"3\"");
        assert_eq!(headers["content-type"], "application/json");
    }

    #[test]
    fn not_modified_response_has_no_body() {
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
