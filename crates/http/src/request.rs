//! A request to the API, as a function's handler receives it.

use std::collections::BTreeMap;

use lambda_http::{Request, RequestExt, aws_lambda_events::query_map::QueryMap, http::HeaderMap};

use crate::{
    Caller, IdempotencyKey, IfNoneMatch, Operation, Problem, ProblemCode, Route, Scope, Wait,
    accept, body, conditional,
};
use contract::{Request as OrderRequest, RequestOrigin};
use domain::{CustomerId, OrderId};

/// A request that matched a route, from an authenticated caller.
///
/// Headers, query and body are read and checked by the methods, so that a handler never sees the
/// raw event.
#[derive(Debug)]
pub struct ApiRequest {
    pub operation: Operation,
    pub caller: Caller,
    pub request_id: String,
    /// The caller's own id of the request.
    client_request_id: Option<String>,
    /// The value of the pattern's parameter, percent-decoded and not validated.
    path_parameter: Option<String>,
    /// The value of the pattern's second parameter, percent-decoded and not validated.
    second_parameter: Option<String>,
    query: QueryMap,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl ApiRequest {
    pub(crate) fn new(
        request: Request,
        route: &Route,
        (path_parameter, second_parameter): (Option<String>, Option<String>),
        caller: Caller,
        (request_id, client_request_id): (String, Option<String>),
    ) -> Self {
        let query = request.query_string_parameters();
        let (parts, body) = request.into_parts();
        let operation = route.operation;
        Self {
            operation,
            caller,
            request_id,
            client_request_id,
            path_parameter,
            second_parameter,
            query,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    /// Returns the order id in the path.
    ///
    /// # Errors
    ///
    /// An invalid id is reported as `order_not_found`, because no order can have it.
    pub fn order_id(&self) -> Result<OrderId, Problem> {
        let id = self.path_parameter();
        OrderId::parse(id).map_err(|_| Problem::order_not_found(id))
    }

    /// Returns the origin of the request, for the audit log of an order.
    pub fn origin(&self) -> RequestOrigin {
        RequestOrigin {
            actor: self.caller.actor().to_owned(),
            request_id: Some(self.request_id.clone()),
            client_request_id: self.client_request_id.clone(),
            if_match: conditional::accepted_states(&self.headers),
        }
    }

    /// Returns the customer to whose orders the caller is restricted.
    pub fn customer(&self) -> Option<&CustomerId> {
        self.caller.customer()
    }

    /// Returns whether the caller has a scope.
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.caller.has_scope(scope)
    }

    /// Rejects a caller that is restricted to one customer.
    ///
    /// # Errors
    ///
    /// `customer_caller`, for the data of the whole shop.
    pub fn require_shop_caller(&self) -> Result<(), Problem> {
        match self.customer() {
            None => Ok(()),
            Some(_) => Err(Problem::new(
                ProblemCode::CustomerCaller,
                "The credential belongs to a customer; use one of the shop.",
            )),
        }
    }

    /// Returns whether the route's pattern has a parameter.
    #[cfg(feature = "temporal")]
    pub(crate) fn has_path_parameter(&self) -> bool {
        self.path_parameter.is_some()
    }

    /// Returns the path parameter as the caller sent it, percent-decoded.
    pub fn path_parameter(&self) -> &str {
        self.path_parameter.as_deref().unwrap_or_default()
    }

    /// Returns the second path parameter as the caller sent it, percent-decoded.
    pub fn second_parameter(&self) -> &str {
        self.second_parameter.as_deref().unwrap_or_default()
    }

    /// Returns the first value of a query parameter.
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.query.first(name)
    }

    /// Returns every value of a query parameter.
    pub fn query_values(&self, name: &str) -> Vec<&str> {
        self.query.all(name).unwrap_or_default()
    }

    /// Returns whether the caller prefers CSV to JSON (`Accept`, RFC 9110, 12.5.1).
    pub fn prefers_csv(&self) -> bool {
        accept::prefers_csv(&self.headers)
    }

    /// Returns the number of values of each query parameter.
    pub(crate) fn parameter_counts(&self) -> BTreeMap<&str, usize> {
        let mut names = BTreeMap::new();
        for (name, _) in self.query.iter() {
            *names.entry(name).or_default() += 1;
        }
        names
    }

    /// Returns the caller's preferred wait (`Prefer: wait=N`).
    pub fn preferred_wait(&self) -> Option<Wait> {
        Wait::from_headers(&self.headers)
    }

    /// Returns the entity tags that the caller has cached (`If-None-Match`).
    pub fn if_none_match(&self) -> Option<IfNoneMatch> {
        IfNoneMatch::from_headers(&self.headers)
    }

    /// Returns every header with a text value, repeated ones too, as the caller sent them.
    pub fn text_headers(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect()
    }

    /// Returns the bytes of a webhook event without a check of the media type.
    ///
    /// # Errors
    ///
    /// The body has more than [`crate::MAX_WEBHOOK_BYTES`].
    pub fn webhook_bytes(&self) -> Result<&[u8], Problem> {
        body::check_webhook_size(&self.body)
    }

    /// Returns the part of the path that `{path+}` matched: a file's path below its folder.
    pub fn path_remainder(&self) -> &str {
        self.path_parameter()
    }

    /// Returns the body as JSON text that is not parsed yet; a missing body is an empty text.
    ///
    /// # Errors
    ///
    /// The body is too large, is not declared as JSON, is compressed, or is not UTF-8.
    pub fn json_body(&self) -> Result<&str, Problem> {
        body::json_text(&self.headers, &self.body)
    }

    /// Parses the body as a request to an order.
    ///
    /// # Errors
    ///
    /// The problem names every invalid field.
    pub fn parse_body<T: OrderRequest>(&self) -> Result<T, Problem> {
        let _step = telemetry::start_step("parse");
        Ok(T::parse(self.json_body()?)?)
    }

    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Problem> {
        IdempotencyKey::from_headers(&self.headers, &self.caller)
    }
}
