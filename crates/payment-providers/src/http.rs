//! HTTP calls, as both adapters make them.
//!
//! Errors never contain an address, because addresses contain ids, and never a text of the
//! provider, because such texts can contain card data or parts of keys.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, Request, RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use tracing::{Instrument, Span, field};

use crate::OutcomeUnknown;

const CONNECT: Duration = Duration::from_secs(1);
/// Less than the 3 s that the worker waits for a payment provider.
const ANSWER: Duration = Duration::from_millis(2_800);
/// The maximum size of a response. A page of a hundred intents has a few hundred kilobytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// An HTTP client of one provider.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    /// The provider's name in messages.
    provider: &'static str,
    /// The setting with the provider's key.
    key_setting: &'static str,
    /// The operations for which the key was refused, so that each is logged once.
    forbidden: Mutex<BTreeSet<&'static str>>,
}

impl Http {
    pub(crate) fn new(provider: &'static str, key_setting: &'static str) -> reqwest::Result<Self> {
        // Several crates depend on rustls and none installs a crypto provider. A second
        // installation fails, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()?;
        Ok(Self {
            client,
            provider,
            key_setting,
            forbidden: Mutex::default(),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and reads the response with any status.
    pub(crate) async fn send(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Response, OutcomeUnknown> {
        let lost = |error: reqwest::Error| self.connection_error(&error);
        let mut request = request.build().map_err(lost)?;
        let span = request_span(&request);
        let sent = async {
            add_trace_context(request.headers_mut());
            self.client.execute(request).await
        };
        let sent = sent.instrument(span.clone()).await;
        end_request_span(&span, sent.as_ref().ok());
        let mut response = sent.map_err(lost)?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                let provider = self.provider;
                return Err(OutcomeUnknown(format!(
                    "{provider}'s response to {operation} is too long"
                )));
            }
        }
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            self.log_refused_key(operation, status);
        } else if status.is_success() {
            self.forbidden().remove(operation);
        }
        Ok(Response {
            status,
            headers,
            body,
        })
    }

    /// Returns the error for a successful response with an unknown content.
    pub(crate) fn unreadable(&self, operation: &'static str) -> OutcomeUnknown {
        let provider = self.provider;
        OutcomeUnknown(format!(
            "{provider}'s response to {operation} cannot be read"
        ))
    }

    /// Returns the error for a response that does not decide the request. `code` is the provider's.
    pub(crate) fn no_answer(
        &self,
        operation: &'static str,
        status: StatusCode,
        code: &str,
    ) -> OutcomeUnknown {
        let (provider, status) = (self.provider, status.as_u16());
        OutcomeUnknown(format!(
            "{provider} answered {operation} with {status} {code}"
        ))
    }

    fn log_refused_key(&self, operation: &'static str, status: StatusCode) {
        if !self.forbidden().insert(operation) {
            return;
        }
        let (provider, key_setting) = (self.provider, self.key_setting);
        tracing::error!(
            operation,
            status = status.as_u16(),
            "{provider} rejects {key_setting}; payments wait. Check the key and its permissions (docs/payments.md)"
        );
    }

    fn forbidden(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        // No code panics while it holds this lock.
        self.forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// It is unknown whether the provider received the request.
    fn connection_error(&self, error: &reqwest::Error) -> OutcomeUnknown {
        let provider = self.provider;
        OutcomeUnknown(if error.is_connect() {
            format!("failed to connect to {provider}")
        } else if error.is_timeout() {
            format!("{provider} did not respond in time")
        } else {
            format!("the connection to {provider} was lost")
        })
    }
}

/// Returns the span of a call. It has the host and no path, because a path contains ids.
fn request_span(request: &Request) -> Span {
    tracing::trace_span!(
        "http.call",
        otel.name = request.method().as_str(),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = request.method().as_str(),
        http.response.status_code = field::Empty,
        server.address = request.url().host_str(),
    )
}

fn end_request_span(span: &Span, response: Option<&reqwest::Response>) {
    let status = response.map(|response| response.status().as_u16());
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if status.is_none_or(|status| status >= 400) {
        span.record("otel.status_code", "ERROR");
    }
}

/// Adds the W3C context of the current span. A provider ignores headers that it does not know.
fn add_trace_context(headers: &mut HeaderMap) {
    let Some(context) = telemetry::current_trace() else {
        return;
    };
    for (name, value) in context.fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// Returns whether a provider's text is a code, so that it can be stored and logged.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
