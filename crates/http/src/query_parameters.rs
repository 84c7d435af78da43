//! Reading query parameters, so that every bad one is named at once.

use std::collections::BTreeMap;

use crate::{ApiRequest, Problem, problem::printable_excerpt};
use contract::FieldError;

/// How long a page is when nobody says.
pub const DEFAULT_LIMIT: u32 = 50;
/// How long a page may be.
pub const MAX_LIMIT: u32 = 200;

/// So many unknown parameters are named.
const MOST_UNKNOWN: usize = 20;

/// The query parameters of one call. Unknown ones are refused: a filter that was mistyped and ignored would
/// answer with the orders of everybody.
#[derive(Debug)]
pub struct QueryParameters<'a> {
    call: &'a ApiRequest,
    sent: BTreeMap<&'a str, usize>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> QueryParameters<'a> {
    pub fn new(call: &'a ApiRequest) -> Self {
        Self {
            call,
            sent: call.parameter_counts(),
            known: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// What `read` makes of the parameter. An empty one is not absent: it may be a script's variable that is not set,
    /// and its answer the orders of everybody.
    pub fn parse<T>(
        &mut self,
        name: &'static str,
        must: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.push(name);
        if self.sent.remove(name).is_some_and(|times| times > 1) {
            self.reject(name, "must be given once");
            return None;
        }
        let text = self.call.query_parameter(name)?;
        let value = read(text);
        if value.is_none() {
            self.reject(name, must);
        }
        value
    }

    /// Refuses a parameter for what was read of it.
    pub fn reject(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError {
            pointer: format!("/{}", printable_excerpt(name)),
            detail: detail.to_owned(),
        });
    }

    /// `limit`: 1 to 200, 50 when it is not given.
    pub fn parse_limit(&mut self) -> u32 {
        let must = format!("must be a whole number from 1 to {MAX_LIMIT}");
        let within = |limit: &u32| (1..=MAX_LIMIT).contains(limit);
        self.parse("limit", &must, |text| text.parse().ok().filter(within))
            .unwrap_or(DEFAULT_LIMIT)
    }

    /// Refuses the call if a parameter was bad, or is not one of those that were read.
    pub fn finish(mut self) -> Result<(), Problem> {
        let detail = if self.known.is_empty() {
            "is not known: there are none here".to_owned()
        } else {
            format!("is not known: there are {}", self.known.join(", "))
        };
        for name in std::mem::take(&mut self.sent)
            .into_keys()
            .take(MOST_UNKNOWN)
        {
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
        let call = ApiRequest::new(
            request.map(|_| Body::Empty),
            route,
            id,
            Caller::anonymous(),
            "request".to_owned(),
        );
        let mut parameters = QueryParameters::new(&call);
        parameters.parse("after", "must be a number", |text| text.parse::<u32>().ok());
        parameters.parse_limit();
        parameters
            .finish()
            .err()
            .map(|problem| problem.errors().iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    #[test]
    fn every_bad_parameter_is_named_at_once() {
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
                "/limit must be a whole number from 1 to 200; /aftr is not known: there are after, limit",
            ),
            ("a%00b=1", "/ab is not known: there are after, limit"),
        ] {
            assert_eq!(refused(query).join("; "), expected, "{query}");
        }
    }
}
