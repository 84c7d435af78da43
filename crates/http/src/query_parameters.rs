//! Query parameters; one problem names every invalid one.

use std::collections::BTreeMap;

use crate::{ApiRequest, Problem, problem::printable_excerpt};
use contract::FieldError;

/// Default number of entries on a page.
pub const DEFAULT_LIMIT: u32 = 50;
/// Largest number of entries on a page.
pub const MAX_LIMIT: u32 = 200;

/// Number of unknown parameters that a problem names at most.
const MAX_UNKNOWN: usize = 20;

/// The query parameters of one request.
///
/// Unknown parameters are rejected: a mistyped filter that is ignored would list all orders.
#[derive(Debug)]
pub struct QueryParameters<'a> {
    request: &'a ApiRequest,
    sent: BTreeMap<&'a str, usize>,
    allowed: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> QueryParameters<'a> {
    pub fn new(request: &'a ApiRequest) -> Self {
        Self {
            request,
            sent: request.parameter_counts(),
            allowed: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Returns the parameter's value as `parse` reads it; `must` describes the allowed values.
    ///
    /// An empty value is not an absent one: it can be an unset variable of a script, which must not
    /// list all orders.
    pub fn parse<T>(
        &mut self,
        name: &'static str,
        must: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.allowed.push(name);
        if self.sent.remove(name).is_some_and(|times| times > 1) {
            self.reject(name, "must be given once");
            return None;
        }
        let text = self.request.query_parameter(name)?;
        let value = parse(text);
        if value.is_none() {
            self.reject(name, must);
        }
        value
    }

    /// Returns each value of a parameter that can be repeated and whose values can be separated by
    /// commas. Equal values count once.
    pub fn parse_list<T: PartialEq>(
        &mut self,
        name: &'static str,
        must: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.allowed.push(name);
        self.sent.remove(name);
        let mut values = Vec::new();
        for text in self.request.query_values(name) {
            for text in text.split(',') {
                match parse(text) {
                    Some(value) if values.contains(&value) => {}
                    Some(value) => values.push(value),
                    None => {
                        self.reject(name, must);
                        return Vec::new();
                    }
                }
            }
        }
        values
    }

    /// Records an invalid parameter.
    pub fn reject(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError {
            pointer: format!("/{}", printable_excerpt(name)),
            detail: detail.to_owned(),
        });
    }

    /// Returns `limit`: 1 to 200, or 50 if it is absent.
    pub fn parse_limit(&mut self) -> u32 {
        self.parse_limit_up_to(MAX_LIMIT).unwrap_or(DEFAULT_LIMIT)
    }

    /// Returns `limit`, at most `most`, if it is present.
    pub fn parse_limit_up_to(&mut self, most: u32) -> Option<u32> {
        let must = format!("must be a whole number from 1 to {most}");
        let within = |limit: &u32| (1..=most).contains(limit);
        self.parse("limit", &must, |text| text.parse().ok().filter(within))
    }

    /// Rejects the request if a parameter was invalid or unknown.
    ///
    /// # Errors
    ///
    /// The problem names every such parameter.
    pub fn finish(mut self) -> Result<(), Problem> {
        let detail = if self.allowed.is_empty() {
            "is not a parameter of this route, which has none".to_owned()
        } else {
            format!(
                "is not a parameter of this route, which has {}",
                self.allowed.join(", ")
            )
        };
        for name in std::mem::take(&mut self.sent).into_keys().take(MAX_UNKNOWN) {
            self.reject(name, &detail);
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_query(self.errors))
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, Request, http::Method};

    use super::*;
    use crate::{Caller, find_route};

    fn refused(query: &str) -> Vec<String> {
        let event = format!(
            r#"{{"version":"2.0","routeKey":"$default","rawPath":"/orders","rawQueryString":"{query}","headers":{{"host":"x"}},
            "requestContext":{{"http":{{"method":"GET","path":"/orders"}},"stage":"$default"}},"isBase64Encoded":false}}"#
        );
        let request: Request = lambda_http::request::from_str(&event).unwrap();
        let (route, id) = find_route(&Method::GET, "/orders").unwrap();
        let request = ApiRequest::new(
            request.map(|_| Body::Empty),
            route,
            (id, None),
            Caller::anonymous(),
            ("request".to_owned(), None),
        );
        let mut parameters = QueryParameters::new(&request);
        parameters.parse("after", "must be a number", |text| text.parse::<u32>().ok());
        parameters.parse_limit();
        parameters
            .finish()
            .err()
            .map(|problem| problem.errors().iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    #[test]
    fn problem_names_every_invalid_parameter() {
        for (query, expected) in [
            ("", ""),
            ("after=1&limit=200", ""),
            (
                "after=&limit=",
                "/after must be a number; /limit must be a whole number from 1 to 200",
            ),
            (
                "after=x&limit=201",
                "/after must be a number; /limit must be a whole number from 1 to 200",
            ),
            ("limit=0", "/limit must be a whole number from 1 to 200"),
            ("after=1&after=2", "/after must be given once"),
            (
                "aftr=1&limit=x",
                "/limit must be a whole number from 1 to 200; /aftr is not a parameter of this route, which has after, limit",
            ),
            (
                "a%00b=1",
                "/ab is not a parameter of this route, which has after, limit",
            ),
        ] {
            assert_eq!(refused(query).join("; "), expected, "{query}");
        }
    }
}
