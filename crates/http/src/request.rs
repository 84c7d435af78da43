//! One call, as a function's handler sees it.

use std::collections::BTreeMap;

use lambda_http::{Request, RequestExt, aws_lambda_events::query_map::QueryMap, http::HeaderMap};

use crate::{Caller, IdempotencyKey, IfNoneMatch, Operation, Problem, Route, Wait, body};
use contract::Request as OrderRequest;
use domain::OrderId;

/// A call that found its route.
#[derive(Debug)]
pub struct ApiRequest {
    pub operation: Operation,
    pub caller: Caller,
    pub request_id: String,
    /// What stands in the path for the order, decoded and not checked.
    id: Option<String>,
    query: QueryMap,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl ApiRequest {
    pub(crate) fn new(
        request: Request,
        route: &Route,
        id: Option<String>,
        caller: Caller,
        request_id: String,
    ) -> Self {
        let query = request.query_string_parameters();
        let (parts, body) = request.into_parts();
        let operation = route.operation;
        Self {
            operation,
            caller,
            request_id,
            id,
            query,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    /// The order that the path names. What can be no order's id is an order that nobody knows.
    pub fn order_id(&self) -> Result<OrderId, Problem> {
        let id = self.path_parameter();
        OrderId::parse(id).map_err(|_| Problem::order_not_found(id))
    }

    /// Whether the path names an order.
    pub(crate) fn has_path_parameter(&self) -> bool {
        self.id.is_some()
    }

    /// The id in the path, as it was sent.
    pub fn path_parameter(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The first value of a query parameter.
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.query.first(name)
    }

    /// Each query parameter that was sent, with how often.
    pub(crate) fn parameter_counts(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        for (name, _) in self.query.iter() {
            *names.entry(name).or_default() += 1;
        }
        names
    }

    /// How long the caller is ready to wait (`Prefer`).
    pub fn preferred_wait(&self) -> Option<Wait> {
        Wait::from_headers(&self.headers)
    }

    /// What the caller has already (`If-None-Match`).
    pub fn if_none_match(&self) -> Option<IfNoneMatch> {
        IfNoneMatch::from_headers(&self.headers)
    }

    /// Every header that is text, doubled ones too, as they were sent.
    pub fn text_headers(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect()
    }

    /// The body's own bytes, whatever their type.
    pub fn body_bytes(&self) -> Result<&[u8], Problem> {
        body::check_size(&self.body)
    }

    /// What `{path+}` stands for: of a file, where it is.
    pub fn path_remainder(&self) -> &str {
        self.path_parameter()
    }

    /// The body as JSON text that nobody has read yet; nothing is an empty text.
    pub fn json_body(&self) -> Result<&str, Problem> {
        body::json_text(&self.headers, &self.body)
    }

    /// The body as a request to an order.
    pub fn parse_body<T: OrderRequest>(&self) -> Result<T, Problem> {
        let _step = telemetry::start_step("parse");
        Ok(T::parse(self.json_body()?)?)
    }

    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Problem> {
        IdempotencyKey::from_headers(&self.headers, &self.caller)
    }
}
