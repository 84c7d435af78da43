//! Problem documents (RFC 9457).
//!
//! A problem has two texts: `detail` for the caller, and a cause that only the log has.

use std::time::Duration;

use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use crate::{Scope, Wait, prefer::PREFERENCE_APPLIED};
use contract::{
    DocumentError, FieldError, InvalidFields, RefusalCode, ReportedPayment, RequestError,
};
use domain::{OrderId, OrderStatus, Shortage};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => ($status:literal, $code:literal, $title:literal)),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            const fn parts(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$variant => ($status, $code, $title)),+ }
            }
        }
    };
}

codes! {
    /// A problem of the API itself, with its HTTP status, its stable code and its title.
    ProblemCode {
        MalformedJson => (400, "malformed_json", "Malformed JSON"),
        InvalidIdempotencyKey => (400, "invalid_idempotency_key", "Invalid idempotency key"),
        WebhookRejected => (400, "webhook_rejected", "Webhook event not verified"),
        Unauthenticated => (401, "unauthenticated", "Missing or invalid credential"),
        InsufficientScope => (403, "insufficient_scope", "Insufficient scope"),
        CustomerCaller => (403, "customer_caller", "Caller is a customer"),
        RouteNotFound => (404, "route_not_found", "Route not found"),
        OrderNotFound => (404, "order_not_found", "Order not found"),
        RefundNotFound => (404, "refund_not_found", "Refund not found"),
        ReturnNotFound => (404, "return_not_found", "Return not found"),
        SkuNotFound => (404, "sku_not_found", "SKU not found"),
        EndpointNotFound => (404, "endpoint_not_found", "Endpoint not found"),
        DeliveryNotFound => (404, "delivery_not_found", "Delivery not found"),
        MethodNotAllowed => (405, "method_not_allowed", "Method not allowed"),
        OrderExists => (409, "order_exists", "Order already exists"),
        OrderRunning => (409, "order_running", "Order still open"),
        OutOfStock => (409, "out_of_stock", "Out of stock"),
        ReservationLimit => (409, "reservation_limit", "Too many unpaid units"),
        InsufficientStock => (409, "insufficient_stock", "Insufficient stock"),
        StockLimit => (409, "stock_limit", "Stock limit exceeded"),
        EndpointLimit => (409, "endpoint_limit", "Too many endpoints"),
        EndpointDisabled => (409, "endpoint_disabled", "Endpoint disabled"),
        EndpointFixed => (409, "endpoint_fixed", "Endpoint not changeable"),
        PreconditionFailed => (412, "precondition_failed", "Order has changed"),
        BodyTooLarge => (413, "body_too_large", "Request body too large"),
        UnsupportedMediaType => (415, "unsupported_media_type", "Unsupported media type"),
        InvalidRequest => (422, "invalid_request", "Invalid request"),
        InvalidQuery => (422, "invalid_query", "Invalid query parameters"),
        IdempotencyKeyReused => (422, "idempotency_key_reused", "Idempotency key reused"),
        QuoteInvalid => (422, "quote_invalid", "Quote not valid"),
        QuoteExpired => (422, "quote_expired", "Quote expired"),
        WebhookTokenInvalid => (498, "webhook_token_invalid", "Webhook event not verified"),
        RateLimited => (429, "rate_limited", "Too many requests"),
        TooManyRequestsForOrder => (429, "too_many_requests_for_order", "Too many requests to one order"),
        WorkerUnavailable => (503, "worker_unavailable", "Worker is unavailable"),
        TemporalUnavailable => (503, "temporal_unavailable", "Temporal is unavailable"),
        DatabaseUnavailable => (503, "database_unavailable", "Database is unavailable"),
        AuthUnavailable => (503, "auth_unavailable", "Authentication is unavailable"),
        // The API itself has no such response; API Gateway has, for a function at its concurrency limit.
        Overloaded => (503, "overloaded", "The API is overloaded"),
        InternalError => (500, "internal_error", "Internal error"),
    }
}

/// Seconds that a caller should wait before it retries after a 503.
const RETRY_AFTER: &str = "5";

/// The kind of a problem: one of the API, or a refusal of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    Api(ProblemCode),
    Refusal(RefusalCode),
}

impl ProblemKind {
    /// Returns every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        let refusals = RefusalCode::ALL.iter().copied().map(Self::Refusal);
        ProblemCode::ALL
            .iter()
            .copied()
            .map(Self::Api)
            .chain(refusals)
    }

    pub const fn status(self) -> u16 {
        self.parts().0
    }

    pub const fn code(self) -> &'static str {
        self.parts().1
    }

    pub const fn title(self) -> &'static str {
        self.parts().2
    }

    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Api(code) => code.parts(),
            Self::Refusal(code) => match code {
                RefusalCode::PaymentMismatch
                | RefusalCode::TransactionMismatch
                | RefusalCode::DeliveryTimeInvalid
                | RefusalCode::AddressIncomplete
                | RefusalCode::MetadataTooLarge
                | RefusalCode::Malformed => {
                    (422, code.as_str(), "Request not accepted by the order")
                }
                RefusalCode::AlreadyShipped
                | RefusalCode::OrderClosed
                | RefusalCode::NotInReview
                | RefusalCode::PaymentNotExpected
                | RefusalCode::AlreadyPaid
                | RefusalCode::NotPaid
                | RefusalCode::PaymentIdInUse
                | RefusalCode::PaymentRefunded
                | RefusalCode::ItemsNotChangeable
                | RefusalCode::IncreaseNotAllowed
                | RefusalCode::InsufficientStock
                | RefusalCode::PaymentInProgress
                | RefusalCode::RefundExceedsPayment
                | RefusalCode::RefundExceedsItems
                | RefusalCode::NotDelivered
                | RefusalCode::ReturnExceedsItems
                | RefusalCode::ReturnStateConflict
                | RefusalCode::NotShipped => {
                    (409, code.as_str(), "Conflict with the order's state")
                }
            },
        }
    }
}

/// A problem: the response to a request that failed.
///
/// # Examples
///
/// ```
/// use orderflow_http::{Problem, ProblemCode};
///
/// let detail = "Another request started the order 'o-1'.";
/// let problem = Problem::new(ProblemCode::OrderExists, detail);
/// let document = problem.to_document("/orders/o-1/start");
/// assert_eq!((document.status, document.title), (409, "Order already exists"));
/// ```
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Box<str>,
    errors: Box<[FieldError]>,
    order_status: Option<OrderStatus>,
    payment_status: Option<ReportedPayment>,
    reason: Option<&'static str>,
    shortages: Option<Box<Shortages>>,
    waited: Option<Wait>,
    headers: Vec<(HeaderName, String)>,
    /// The cause, for the log only.
    cause: Option<Box<str>>,
}

/// The body of a problem response (RFC 9457).
#[derive(Serialize)]
pub struct ProblemDocument<'a> {
    pub r#type: String,
    pub title: &'a str,
    pub status: u16,
    pub detail: &'a str,
    pub instance: &'a str,
    pub code: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
    /// The order's status; the member `status` is the HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_status: Option<OrderStatus>,
    /// With a refused confirmation, the payment that it reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_status: Option<ReportedPayment>,
    /// The failed check of a webhook event: `header`, `signature` or `timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// With `out_of_stock`, each SKU that is short.
    #[serde(skip_serializing_if = "<[Shortage]>::is_empty")]
    pub shortages: &'a [Shortage],
}

/// All shortages of an order. In a box, because few problems have them.
#[derive(Debug)]
struct Shortages(Vec<Shortage>);

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::from_kind(ProblemKind::Api(code), detail)
    }

    fn from_kind(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into().into_boxed_str(),
            errors: Box::default(),
            order_status: None,
            payment_status: None,
            reason: None,
            shortages: None,
            waited: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// Returns the problem of a webhook event that is not verified.
    ///
    /// `reason` is one stable word; `detail` is a sentence.
    pub fn webhook_rejected(code: ProblemCode, reason: &'static str, detail: &str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::new(code, detail)
        }
        .with_cause(reason)
    }

    /// Adds a cause, which only the log has.
    #[must_use]
    pub fn with_cause(self, cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string().into_boxed_str()),
            ..self
        }
    }

    /// Returns an internal error; only the log has the cause.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(
            ProblemCode::InternalError,
            "The log has the cause under the request id; include `X-Request-Id` in your report.",
        )
        .with_cause(cause)
    }

    /// Returns the problem of an unknown order.
    pub fn order_not_found(id: &str) -> Self {
        Self::new(
            ProblemCode::OrderNotFound,
            format!("No order has the id '{}'.", printable_excerpt(id)),
        )
    }

    /// Returns the problem of an unknown return.
    pub fn return_not_found(order_id: &OrderId) -> Self {
        Self::new(
            ProblemCode::ReturnNotFound,
            format!("The order '{order_id}' has no return with this id."),
        )
    }

    /// Returns the problem of one invalid field of the body.
    pub fn invalid_field(pointer: String, detail: String) -> Self {
        InvalidFields(vec![FieldError { pointer, detail }]).into()
    }

    /// Returns the problem of a path with an invalid value.
    pub fn invalid_path(detail: String) -> Self {
        Self::new(ProblemCode::InvalidRequest, detail)
    }

    /// Returns the problem that names every invalid query parameter.
    pub fn invalid_query(errors: Vec<FieldError>) -> Self {
        let texts: Vec<_> = errors
            .iter()
            .map(|error| format!("{} {}", &error.pointer[1..], error.detail))
            .collect();
        let detail = format!("{}.", texts.join("; "));
        Self {
            errors: errors.into(),
            ..Self::new(ProblemCode::InvalidQuery, detail)
        }
    }

    /// Returns the problem of a query whose parameters are valid, but select too much.
    pub fn invalid_list(name: &str, detail: &str) -> Self {
        Self::invalid_query(vec![FieldError {
            pointer: format!("/{name}"),
            detail: detail.to_owned(),
        }])
    }

    /// Returns the problem of an order without a result; `waited` is the caller's preferred wait.
    pub fn order_running(order_status: OrderStatus, waited: Option<Wait>) -> Self {
        let detail = format!(
            "The order is {order_status} and has no result yet; send 'Prefer: wait=20' to wait for its end."
        );
        Self {
            order_status: Some(order_status),
            waited,
            ..Self::new(ProblemCode::OrderRunning, detail)
        }
    }

    /// Returns the problem of an order that failed because of its stock, within the caller's wait.
    pub fn out_of_stock(order_id: &OrderId, shortages: Vec<Shortage>, waited: Wait) -> Self {
        let names: Vec<_> = shortages
            .iter()
            .map(|shortage| printable_excerpt(shortage.sku.as_str()))
            .collect();
        let detail = format!(
            "The order '{order_id}' has failed: too few units are available of {}.",
            names.join(", ")
        );
        Self {
            order_status: Some(OrderStatus::Failed),
            shortages: Some(Box::new(Shortages(shortages))),
            waited: Some(waited),
            ..Self::new(ProblemCode::OutOfStock, detail)
        }
    }

    /// Returns the problem of an order that failed because of the customer's other unpaid orders, within
    /// the caller's wait.
    pub fn reservation_limit(order_id: &OrderId, waited: Wait) -> Self {
        let detail = format!(
            "The order '{order_id}' has failed: the customer's unpaid orders hold too many units; pay or cancel one of them."
        );
        Self {
            order_status: Some(OrderStatus::Failed),
            waited: Some(waited),
            ..Self::new(ProblemCode::ReservationLimit, detail)
        }
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("The path supports these methods: {allow}.");
        Self::new(ProblemCode::MethodNotAllowed, detail).with_header(header::ALLOW, allow)
    }

    /// Returns the problem of an unauthenticated caller.
    ///
    /// `challenge` is the value of `WWW-Authenticate` (RFC 9110, RFC 6750).
    pub(crate) fn unauthenticated(detail: String, challenge: String) -> Self {
        Self::new(ProblemCode::Unauthenticated, detail)
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn insufficient_scope(scope: Scope, challenge: String) -> Self {
        Self::new(
            ProblemCode::InsufficientScope,
            format!("The route requires the scope '{scope}'."),
        )
        .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// Returns the problem of keys that could not be loaded. The cause goes to the log.
    pub fn auth_unavailable(cause: impl std::fmt::Display) -> Self {
        Self::new(
            ProblemCode::AuthUnavailable,
            "The keys that verify callers could not be loaded; retry in 5 seconds.",
        )
        .with_cause(cause)
    }

    /// Returns the problem of a rate limit. The wait is whole seconds, at least one.
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let seconds = (wait.as_millis().div_ceil(1_000)).max(1);
        let detail = format!("The caller has reached its rate limit; retry in {seconds} s.");
        Self::new(ProblemCode::RateLimited, detail)
            .with_header(header::RETRY_AFTER, seconds.to_string())
    }

    /// Returns the problem of a request beyond the quota of its kind and order.
    pub fn too_many_requests_for_order(seconds: u32) -> Self {
        let detail = format!(
            "The order got too many requests of this kind and did not accept this one; retry in {seconds} s."
        );
        Self::new(ProblemCode::TooManyRequestsForOrder, detail)
            .with_header(header::RETRY_AFTER, seconds.to_string())
    }

    /// Returns the problem of a change with `If-Match` whose order has changed since.
    pub fn precondition_failed(seq: u32) -> Self {
        let tag = crate::ETag(seq);
        let detail = format!(
            "The order has changed; its tag is {tag} now. Read the order, then repeat the request with its tag."
        );
        Self::new(ProblemCode::PreconditionFailed, detail)
            .with_header(header::ETAG, tag.to_string())
    }

    fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns a refusal of the order: its state does not allow the request, or the request does
    /// not match the order.
    pub fn refused_by_order(
        code: RefusalCode,
        detail: &str,
        order_status: Option<OrderStatus>,
    ) -> Self {
        Self {
            order_status,
            ..Self::from_kind(ProblemKind::Refusal(code), detail)
        }
    }

    /// Adds the payment that a refused confirmation reports.
    #[must_use]
    pub fn with_payment_status(self, payment_status: Option<ReportedPayment>) -> Self {
        Self {
            payment_status,
            ..self
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.kind.status()
    }

    pub(crate) fn code(&self) -> &'static str {
        self.kind.code()
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Returns the response body for the path `instance`.
    pub fn to_document<'a>(&'a self, instance: &'a str) -> ProblemDocument<'a> {
        let (status, code, title) = self.kind.parts();
        ProblemDocument {
            r#type: format!("urn:orderflow:problem:{code}"),
            title,
            status,
            detail: &self.detail,
            instance,
            code,
            errors: &self.errors,
            order_status: self.order_status,
            payment_status: self.payment_status,
            reason: self.reason,
            shortages: self
                .shortages
                .as_ref()
                .map_or(&[], |shortages| shortages.0.as_slice()),
        }
    }

    pub(crate) fn into_response(self, instance: &str) -> Response<Body> {
        let status = self.status();
        let text = serde_json::to_string(&self.to_document(instance)).unwrap_or_default() + "\n";
        let mut response = Response::new(Body::Text(text));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == 503 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        if let Some(wait) = self
            .waited
            .and_then(|wait| HeaderValue::from_str(&wait.preference_applied()).ok())
        {
            headers.insert(PREFERENCE_APPLIED, wait);
        }
        response
    }
}

/// Returns a caller's text in a form that is safe to return: short, without control characters.
pub(crate) fn printable_excerpt(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(64).collect()
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        let DocumentError {
            message,
            line,
            column,
        } = error;
        Self::new(
            ProblemCode::MalformedJson,
            format!("The body is not valid JSON: {message} (line {line}, column {column})."),
        )
    }
}

impl From<InvalidFields> for Problem {
    fn from(InvalidFields(errors): InvalidFields) -> Self {
        let count = errors.len();
        let detail = if count == 1 {
            "One field is invalid; 'errors' names it.".to_owned()
        } else {
            format!("{count} fields are invalid; 'errors' names them.")
        };
        Self {
            errors: errors.into(),
            ..Self::new(ProblemCode::InvalidRequest, detail)
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Syntax(error) => error.into(),
            RequestError::Invalid(error) => error.into(),
        }
    }
}

#[cfg(feature = "database")]
impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let cause = telemetry::format_error_chain(&error);
        if !error.is_unavailable() {
            return Self::internal(cause);
        }
        let detail = "The database did not respond; retry in 5 seconds.";
        Self::new(ProblemCode::DatabaseUnavailable, detail).with_cause(cause)
    }
}

#[cfg(feature = "temporal")]
impl From<order_client::Error> for Problem {
    fn from(error: order_client::Error) -> Self {
        match &error {
            order_client::Error::Unavailable(_) => {
                let detail = "Temporal did not respond; retry in 5 seconds.";
                Self::new(ProblemCode::TemporalUnavailable, detail).with_cause(error)
            }
            order_client::Error::NoWorker => {
                let detail = "No worker handled the request in time; the request can still take effect. \
                    Retry in 5 seconds, with the same Idempotency-Key or transaction_id if the request has one.";
                Self::new(ProblemCode::WorkerUnavailable, detail).with_cause(error)
            }
            order_client::Error::NotFound => {
                Self::new(ProblemCode::OrderNotFound, "No order has this id.")
            }
            order_client::Error::Unexpected(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(problem: Problem) -> String {
        let response = problem.into_response("/orders/1");
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {value:?}"))
            .collect();
        format!(
            "{}\n{}\n{}",
            response.status(),
            headers.join("\n"),
            std::str::from_utf8(response.body()).unwrap()
        )
    }

    #[test]
    fn document_names_every_invalid_field() {
        let invalid =
            contract::parse_order(r#"{"items": [{"sku": "A", "quantity": 0, "price": -1}]}"#)
                .unwrap_err();
        insta::assert_snapshot!(show(invalid.into()), @r#"
        422 Unprocessable Entity
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:invalid_request","title":"Invalid request","status":422,"detail":"2 fields are invalid; 'errors' names them.","instance":"/orders/1","code":"invalid_request","errors":[{"pointer":"/items/0/quantity","detail":"must be a whole number from 1 to 10000"},{"pointer":"/items/0/price","detail":"must not be below zero"}]}
        "#);
    }

    #[test]
    fn malformed_json_is_reported_with_its_position() {
        let error = contract::Document::parse("{\n  \"items\": [}").unwrap_err();
        insta::assert_snapshot!(show(error.into()), @r#"
        400 Bad Request
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:malformed_json","title":"Malformed JSON","status":400,"detail":"The body is not valid JSON: expected value (line 2, column 13).","instance":"/orders/1","code":"malformed_json"}
        "#);
    }

    #[test]
    fn refusal_contains_the_order_status() {
        let problem = Problem::refused_by_order(
            RefusalCode::AlreadyShipped,
            "The parcel has left.",
            Some(OrderStatus::Shipped),
        );
        insta::assert_snapshot!(show(problem), @r#"
        409 Conflict
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:already_shipped","title":"Conflict with the order's state","status":409,"detail":"The parcel has left.","instance":"/orders/1","code":"already_shipped","order_status":"shipped"}
        "#);
    }

    #[cfg(feature = "temporal")]
    #[test]
    fn cause_is_not_in_the_response() {
        let problem = Problem::from(order_client::Error::Unavailable(
            "secret-host:7233 refused".to_owned(),
        ));
        assert_eq!(
            problem.cause(),
            Some("failed to reach Temporal: secret-host:7233 refused")
        );
        let text = show(problem);
        assert!(
            text.starts_with("503")
                && text.contains("retry-after: \"5\"")
                && !text.contains("secret"),
            "{text}"
        );
    }

    #[test]
    fn wrong_method_lists_the_allowed_ones() {
        assert!(
            show(Problem::method_not_allowed("GET, POST".to_owned()))
                .contains("allow: \"GET, POST\"")
        );
    }

    #[test]
    fn retry_after_is_in_whole_seconds() {
        for (wait, expected) in [(0, "1"), (400, "1"), (1_000, "1"), (1_001, "2")] {
            let text = show(Problem::rate_limited(Duration::from_millis(wait)));
            assert!(
                text.starts_with("429") && text.contains(&format!("retry-after: \"{expected}\"")),
                "{text}"
            );
        }
    }
}
