//! Problem documents (RFC 9457). What the caller reads and what the log reads are two texts: a cause
//! never leaves the house.

use std::time::Duration;

use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde::Serialize;

use crate::{Scope, Wait, prefer::PREFERENCE_APPLIED};
use contract::{DocumentError, FieldError, InvalidFields, RefusalCode, RequestError};
use domain::OrderStatus;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => ($status:literal, $code:literal, $title:literal)),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            const fn describe(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$variant => ($status, $code, $title)),+ }
            }
        }
    };
}

codes! {
    /// Every kind of problem but the refusals of an order: its status, stable code and title.
    ProblemCode {
        MalformedJson => (400, "malformed_json", "The body is not JSON"),
        InvalidIdempotencyKey => (400, "invalid_idempotency_key", "The idempotency key is not valid"),
        WebhookRejected => (400, "webhook_rejected", "The notification is not verified"),
        Unauthenticated => (401, "unauthenticated", "The call has no credential that is accepted"),
        InsufficientScope => (403, "insufficient_scope", "The caller may not do this"),
        RouteNotFound => (404, "route_not_found", "There is nothing here"),
        OrderNotFound => (404, "order_not_found", "There is no such order"),
        MethodNotAllowed => (405, "method_not_allowed", "The method is not allowed here"),
        OrderExists => (409, "order_exists", "Another request started an order under this id"),
        OrderRunning => (409, "order_running", "The order has not ended yet"),
        BodyTooLarge => (413, "body_too_large", "The body is too large"),
        UnsupportedMediaType => (415, "unsupported_media_type", "The body must be JSON"),
        InvalidRequest => (422, "invalid_request", "The request is not valid"),
        InvalidQuery => (422, "invalid_query", "The query parameters are not valid"),
        IdempotencyKeyReused => (422, "idempotency_key_reused", "The idempotency key belongs to another request"),
        WebhookTokenInvalid => (498, "webhook_token_invalid", "The notification is not verified"),
        RateLimited => (429, "rate_limited", "Too many calls"),
        WorkerUnavailable => (503, "worker_unavailable", "No worker is available"),
        TemporalUnavailable => (503, "temporal_unavailable", "Orders cannot be reached"),
        DatabaseUnavailable => (503, "database_unavailable", "The database cannot be reached"),
        AuthUnavailable => (503, "auth_unavailable", "Callers cannot be checked"),
        InternalError => (500, "internal_error", "Something went wrong on our side"),
    }
}

/// How long a caller should wait before trying a 503 again.
const RETRY_AFTER: &str = "5";

/// What kind of problem it is: ours, or a refusal of the order's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    Api(ProblemCode),
    Refusal(RefusalCode),
}

impl ProblemKind {
    /// Every kind that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let refusals = RefusalCode::ALL.iter().copied().map(Self::Refusal);
        ProblemCode::ALL
            .iter()
            .copied()
            .map(Self::Api)
            .chain(refusals)
    }

    pub const fn status(self) -> u16 {
        self.describe().0
    }

    pub const fn code(self) -> &'static str {
        self.describe().1
    }

    pub const fn title(self) -> &'static str {
        self.describe().2
    }

    const fn describe(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Api(code) => code.describe(),
            Self::Refusal(code) => match code {
                RefusalCode::PaymentMismatch
                | RefusalCode::AddressIncomplete
                | RefusalCode::Malformed => {
                    (422, code.as_str(), "The order does not accept this request")
                }
                RefusalCode::AlreadyShipped
                | RefusalCode::OrderClosed
                | RefusalCode::NotInReview
                | RefusalCode::PaymentNotExpected
                | RefusalCode::AlreadyPaid
                | RefusalCode::NotPaid
                | RefusalCode::PaymentIdInUse
                | RefusalCode::NotShipped => {
                    (409, code.as_str(), "The order's state does not allow this")
                }
            },
        }
    }
}

/// One problem, on its way out.
#[derive(Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Box<str>,
    errors: Vec<FieldError>,
    order_status: Option<OrderStatus>,
    reason: Option<&'static str>,
    waited: Option<Wait>,
    headers: Vec<(HeaderName, String)>,
    /// For the log.
    cause: Option<Box<str>>,
}

/// What a caller reads, by RFC 9457.
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
    /// The order's status; the member `status` is the answer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_status: Option<OrderStatus>,
    /// Of a notification that is not verified: `header`, `signature` or `timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

impl Problem {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::of(ProblemKind::Api(code), detail)
    }

    fn of(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into().into_boxed_str(),
            errors: Vec::new(),
            order_status: None,
            reason: None,
            waited: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// A notification that is not verified. `reason` is one stable word, `detail` says it in a sentence.
    pub fn webhook_rejected(code: ProblemCode, reason: &'static str, detail: &str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::new(code, detail)
        }
        .with_cause(reason)
    }

    /// For the log alone.
    #[must_use]
    pub fn with_cause(self, cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Some(cause.to_string().into_boxed_str()),
            ..self
        }
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(
            ProblemCode::InternalError,
            "The request id tells operators where to look.",
        )
        .with_cause(cause)
    }

    pub fn database_unavailable(cause: impl std::fmt::Display) -> Self {
        Self::new(ProblemCode::DatabaseUnavailable, "Try again in a moment.").with_cause(cause)
    }

    pub fn order_not_found(id: &str) -> Self {
        Self::new(
            ProblemCode::OrderNotFound,
            format!("No order has the id '{}'.", printable_excerpt(id)),
        )
    }

    /// Names every bad query parameter.
    pub fn invalid_query(errors: Vec<FieldError>) -> Self {
        let texts: Vec<_> = errors
            .iter()
            .map(|error| format!("{} {}", &error.pointer[1..], error.detail))
            .collect();
        let detail = format!("{}.", texts.join("; "));
        Self {
            errors,
            ..Self::new(ProblemCode::InvalidQuery, detail)
        }
    }

    /// There is no outcome yet; `waited` is how long the caller was ready to wait for it.
    pub fn order_running(order_status: OrderStatus, waited: Option<Wait>) -> Self {
        let detail =
            format!("The order is {order_status} and runs. 'Prefer: wait=20' waits for its end.");
        Self {
            order_status: Some(order_status),
            waited,
            ..Self::new(ProblemCode::OrderRunning, detail)
        }
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("Here one may: {allow}.");
        Self::new(ProblemCode::MethodNotAllowed, detail).with(header::ALLOW, allow)
    }

    /// Who calls is not known; `challenge` says how to tell (RFC 9110, RFC 6750).
    pub(crate) fn unauthenticated(detail: String, challenge: String) -> Self {
        Self::new(ProblemCode::Unauthenticated, detail).with(header::WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn insufficient_scope(scope: Scope, challenge: String) -> Self {
        Self::new(
            ProblemCode::InsufficientScope,
            format!("It needs the scope '{scope}'."),
        )
        .with(header::WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn auth_unavailable(cause: impl std::fmt::Display) -> Self {
        Self::new(ProblemCode::AuthUnavailable, "Try again in a moment.").with_cause(cause)
    }

    /// Whole seconds, and never "at once".
    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let seconds = (wait.as_millis().div_ceil(1_000)).max(1);
        let detail = format!("Try again in {seconds} s.");
        Self::new(ProblemCode::RateLimited, detail).with(header::RETRY_AFTER, seconds.to_string())
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What the order's state refuses, or what it cannot make sense of.
    pub fn refused_by_order(
        code: RefusalCode,
        detail: &str,
        order_status: Option<OrderStatus>,
    ) -> Self {
        Self {
            order_status,
            ..Self::of(ProblemKind::Refusal(code), detail)
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

    /// What the caller of `instance` reads.
    pub fn to_document<'a>(&'a self, instance: &'a str) -> ProblemDocument<'a> {
        let (status, code, title) = self.kind.describe();
        ProblemDocument {
            r#type: format!("urn:orderflow:problem:{code}"),
            title,
            status,
            detail: &self.detail,
            instance,
            code,
            errors: &self.errors,
            order_status: self.order_status,
            reason: self.reason,
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

/// An id, or a name, as a caller may see it again: short, and without control characters.
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
            format!("{message} (line {line}, column {column})"),
        )
    }
}

impl From<InvalidFields> for Problem {
    fn from(InvalidFields(errors): InvalidFields) -> Self {
        let count = errors.len();
        let detail = if count == 1 {
            "One field is".to_owned()
        } else {
            format!("{count} fields are")
        };
        Self {
            errors,
            ..Self::new(ProblemCode::InvalidRequest, format!("{detail} not valid."))
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

impl From<order_client::Error> for Problem {
    fn from(error: order_client::Error) -> Self {
        match &error {
            order_client::Error::Unavailable(_) => {
                Self::new(ProblemCode::TemporalUnavailable, "Try again in a moment.")
                    .with_cause(error)
            }
            order_client::Error::NoWorker => {
                let detail = "Nothing took the request in time; it may yet take effect. Send it again in a moment, with the same \
                    Idempotency-Key or transaction_id if it has one.";
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
    fn bad_fields_are_all_in_the_document() {
        let invalid =
            contract::parse_order(r#"{"items": [{"sku": "A", "quantity": 0, "price": -1}]}"#)
                .unwrap_err();
        insta::assert_snapshot!(show(invalid.into()), @r#"
        422 Unprocessable Entity
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:invalid_request","title":"The request is not valid","status":422,"detail":"2 fields are not valid.","instance":"/orders/1","code":"invalid_request","errors":[{"pointer":"/items/0/quantity","detail":"must be a whole number from 1 to 10000"},{"pointer":"/items/0/price","detail":"must not be below zero"}]}
        "#);
    }

    #[test]
    fn bad_json_is_shown_with_its_place() {
        let error = contract::Document::parse("{\n  \"items\": [}").unwrap_err();
        insta::assert_snapshot!(show(error.into()), @r#"
        400 Bad Request
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:malformed_json","title":"The body is not JSON","status":400,"detail":"expected value (line 2, column 13)","instance":"/orders/1","code":"malformed_json"}
        "#);
    }

    #[test]
    fn a_refusal_carries_the_orders_status() {
        let problem = Problem::refused_by_order(
            RefusalCode::AlreadyShipped,
            "The parcel has left.",
            Some(OrderStatus::Shipped),
        );
        insta::assert_snapshot!(show(problem), @r#"
        409 Conflict
        content-type: "application/problem+json"
        {"type":"urn:orderflow:problem:already_shipped","title":"The order's state does not allow this","status":409,"detail":"The parcel has left.","instance":"/orders/1","code":"already_shipped","order_status":"shipped"}
        "#);
    }

    #[test]
    fn a_cause_stays_in_the_house() {
        let problem = Problem::from(order_client::Error::Unavailable(
            "secret-host:7233 refused".to_owned(),
        ));
        assert_eq!(
            problem.cause(),
            Some("reach Temporal: secret-host:7233 refused")
        );
        let shown = show(problem);
        assert!(
            shown.starts_with("503")
                && shown.contains("retry-after: \"5\"")
                && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn a_wrong_method_tells_the_right_ones() {
        assert!(
            show(Problem::method_not_allowed("GET, POST".to_owned()))
                .contains("allow: \"GET, POST\"")
        );
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        for (wait, told) in [(0, "1"), (400, "1"), (1_000, "1"), (1_001, "2")] {
            let shown = show(Problem::rate_limited(Duration::from_millis(wait)));
            assert!(
                shown.starts_with("429") && shown.contains(&format!("retry-after: \"{told}\"")),
                "{shown}"
            );
        }
    }
}
