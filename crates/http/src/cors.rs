//! Pages of other origins that call the API (CORS), by the setting `CORS_ORIGINS`.
//!
//! Only an origin of the setting is ever returned. Credentials are headers that a page sets itself,
//! so no response allows cookies.

use std::sync::OnceLock;

use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use settings::{CORS_ORIGINS, Environment, SettingError};

/// The request headers of the API.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, \
     X-Api-Key, X-Request-Id, traceparent";

/// The response headers that a page can read besides those that every page can.
const RESPONSE_HEADERS: &str = "ETag, Link, Location, Preference-Applied, Retry-After, Server-Timing, WWW-Authenticate, \
     X-Client-Request-Id, X-Request-Id";

/// The time for which a browser keeps the response to a preflight request, in seconds.
const MAX_AGE: &str = "600";

static ORIGINS: OnceLock<Origins> = OnceLock::new();

/// The origins that may call the API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins(Vec<String>);

/// Reads the origins that may call the API, for all calls of this program.
///
/// # Errors
///
/// When the setting has a text that is not an origin.
pub fn configure_cors() -> Result<(), SettingError> {
    let environment = Environment::from_process();
    let value = environment.get(&CORS_ORIGINS).unwrap_or_default();
    let origins = Origins::parse(value).map_err(|problem| CORS_ORIGINS.reject(value, problem))?;
    // A second call reads the same environment, so the first value stays correct.
    let _ = ORIGINS.set(origins);
    Ok(())
}

/// Returns the origins that [`configure_cors`] has read; none before its call.
pub(crate) fn configured_origins() -> &'static Origins {
    static NONE: Origins = Origins(Vec::new());
    ORIGINS.get().unwrap_or(&NONE)
}

impl Origins {
    fn parse(value: &str) -> Result<Self, String> {
        let texts = value.split(',').map(str::trim);
        let texts = texts.filter(|text| !text.is_empty());
        let origins: Result<_, _> = texts.map(parse_origin).collect();
        Ok(Self(origins?))
    }

    /// Returns the origin of a request, if it may call the API.
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        let is_allowed = self.0.iter().any(|allowed| origin == allowed.as_str());
        is_allowed.then(|| origin.clone())
    }

    /// Returns the headers of the response to a preflight request from an allowed origin. `allow`
    /// lists the methods of the path.
    pub(crate) fn preflight(
        &self,
        method: &Method,
        request: &HeaderMap,
        allow: &str,
    ) -> Option<Vec<(HeaderName, String)>> {
        let is_preflight = *method == Method::OPTIONS
            && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.find(request).is_some();
        is_preflight.then(|| {
            vec![
                (header::ACCESS_CONTROL_ALLOW_METHODS, allow.to_owned()),
                (
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    REQUEST_HEADERS.to_owned(),
                ),
                (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE.to_owned()),
            ]
        })
    }

    /// Adds the headers of an allowed origin to a response. `origin` is the result of
    /// [`Origins::find`].
    pub(crate) fn apply(&self, origin: Option<HeaderValue>, response: &mut HeaderMap) {
        if let Some(origin) = origin {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(RESPONSE_HEADERS),
            );
        }
    }

    /// Returns whether responses depend on the origin of their request.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Returns the origin as a browser sends it: a scheme, a host and an optional port.
fn parse_origin(text: &str) -> Result<String, String> {
    let problem = |problem: &str| {
        format!("{text}: {problem}; write each origin as https://HOST or https://HOST:PORT")
    };
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(|| problem("not an origin"))?;
    if host.is_empty() || host.contains(['/', '*', '?', '#', '@', ' ']) {
        return Err(problem("not one exact origin"));
    }
    if text.to_ascii_lowercase() != text {
        return Err(problem("a browser sends an origin in lower case"));
    }
    if text.starts_with("https://") && host.ends_with(":443")
        || text.starts_with("http://") && host.ends_with(":80")
    {
        return Err(problem("a browser omits the default port"));
    }
    HeaderValue::from_str(text).map_err(|_| problem("not an origin"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(HeaderName, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    fn shop() -> Origins {
        Origins::parse("https://shop.example, http://localhost:3000").unwrap()
    }

    #[test]
    fn only_exact_origins_are_returned() {
        for (origin, expected) in [
            ("https://shop.example", true),
            ("http://localhost:3000", true),
            ("http://shop.example", false),
            ("https://shop.example.evil.example", false),
            ("https://shop.example:8443", false),
            ("https://sub.shop.example", false),
            ("null", false),
            ("*", false),
            ("", false),
        ] {
            let found = shop().find(&request(&[(header::ORIGIN, origin)]));
            assert_eq!(
                found.as_ref().map(|origin| origin.to_str().unwrap()),
                expected.then_some(origin),
                "{origin}"
            );
        }
        assert_eq!(shop().find(&HeaderMap::new()), None);
        let none = Origins::default();
        assert_eq!(
            none.find(&request(&[(header::ORIGIN, "https://shop.example")])),
            None
        );
    }

    #[test]
    fn preflight_needs_an_allowed_origin_and_a_method() {
        let preflight = |method: Method, headers: &[(HeaderName, &str)]| {
            shop()
                .preflight(&method, &request(headers), "GET, HEAD")
                .is_some()
        };
        let origin = (header::ORIGIN, "https://shop.example");
        let wanted = (header::ACCESS_CONTROL_REQUEST_METHOD, "GET");
        assert!(preflight(
            Method::OPTIONS,
            &[origin.clone(), wanted.clone()]
        ));
        assert!(!preflight(Method::OPTIONS, std::slice::from_ref(&origin)));
        assert!(!preflight(Method::OPTIONS, std::slice::from_ref(&wanted)));
        assert!(!preflight(Method::GET, &[origin, wanted.clone()]));
        let other = (header::ORIGIN, "https://evil.example");
        assert!(!preflight(Method::OPTIONS, &[other, wanted]));
    }

    #[test]
    fn setting_names_exact_origins_only() {
        assert!(Origins::parse("").unwrap().0.is_empty());
        for wrong in [
            "*",
            "null",
            "shop.example",
            "https://",
            "https://*.example",
            "https://shop.example/",
            "https://Shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://user@shop.example",
        ] {
            let problem = Origins::parse(wrong).unwrap_err();
            assert!(problem.starts_with(wrong), "{problem}");
        }
    }
}
