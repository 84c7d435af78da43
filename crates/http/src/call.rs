//! One call, as a function's handler sees it.

use std::collections::BTreeMap;

use lambda_http::{Request, RequestExt, aws_lambda_events::query_map::QueryMap, http::HeaderMap};

use crate::{Caller, IdempotencyKey, Known, Operation, Problem, Route, Wait, body};
use contract::Request as OrderRequest;
use domain::OrderId;

/// A call that found its route.
#[derive(Debug)]
pub struct Call {
    pub operation: Operation,
    pub caller: Caller,
    pub request_id: String,
    /// What stands in the path for the order, decoded and not checked.
    id: Option<String>,
    query: QueryMap,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
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
        let id = self.raw_id();
        OrderId::parse(id).map_err(|_| Problem::order_not_found(id))
    }

    /// Whether the path names an order.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The id in the path, as it was sent.
    pub fn raw_id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.first(name)
    }

    /// Each query parameter that was sent, with how often.
    pub(crate) fn parameters(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        for (name, _) in self.query.iter() {
            *names.entry(name).or_default() += 1;
        }
        names
    }

    /// How long the caller is ready to wait (`Prefer`).
    pub fn wait(&self) -> Option<Wait> {
        Wait::read(&self.headers)
    }

    /// What the caller has already (`If-None-Match`).
    pub fn known(&self) -> Option<Known> {
        Known::read(&self.headers)
    }

    /// Every header that is text, doubled ones too, as they were sent.
    pub fn header_texts(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect()
    }

    /// The body's own bytes, whatever their type.
    pub fn bytes(&self) -> Result<&[u8], Problem> {
        body::bytes(&self.body)
    }

    /// What `{path+}` stands for: of a file, where it is.
    pub fn rest(&self) -> &str {
        self.raw_id()
    }

    /// The body as JSON text that nobody has read yet; nothing is an empty text.
    pub fn text(&self) -> Result<&str, Problem> {
        body::text(&self.headers, &self.body)
    }

    /// The body as a request to an order.
    pub fn read<T: OrderRequest>(&self) -> Result<T, Problem> {
        let _step = telemetry::step("parse");
        Ok(T::parse(self.text()?)?)
    }

    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Problem> {
        IdempotencyKey::read(&self.headers, &self.caller)
    }
}
