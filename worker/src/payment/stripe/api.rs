//! Stripe's HTTP API: the eight calls that are used, and the meaning of each response.
//!
//! Errors never contain the key, the name of a customer or the data of a card: of Stripe's errors
//! only the codes are used, never the messages.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url, redirect::Policy};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use url::form_urlencoded;

use super::{
    StripeSettings,
    object::{Intent, List, Refund, Refusal},
};
use crate::payment::OutcomeUnknown;
use domain::PaymentId;

/// The API version of these requests and responses; `stripe-mock` has its OpenAPI description.
pub(super) const VERSION: &str = "2026-08-26.dahlia";

const CONNECT: Duration = Duration::from_secs(1);
/// Less than the 3 s that the worker waits for a payment provider.
const ANSWER: Duration = Duration::from_millis(2_800);
/// The maximum size of a response. A page of a hundred intents has a few hundred kilobytes.
const LARGEST: usize = 4 * 1024 * 1024;
const PAGE: &str = "100";

/// The reason why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// Stripe's refusal is final.
    Refused(Refusal),
    NoAnswer(OutcomeUnknown),
}

impl From<OutcomeUnknown> for CallError {
    fn from(silence: OutcomeUnknown) -> Self {
        Self::NoAnswer(silence)
    }
}

/// The fields of a request, in Stripe's spelling.
pub(super) type Form<'a> = Vec<(&'a str, String)>;

#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    settings: StripeSettings,
    /// The last refusal of the key, so that each is logged once.
    forbidden: Mutex<BTreeSet<&'static str>>,
}

impl Api {
    pub(super) fn new(settings: StripeSettings) -> reqwest::Result<Self> {
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
            settings,
            forbidden: Mutex::default(),
        })
    }

    #[tracing::instrument(name = "stripe.payment_intents.create", skip_all)]
    pub(super) async fn create_intent(
        &self,
        form: &Form<'_>,
        key: &str,
    ) -> Result<Intent, CallError> {
        self.send(
            "payment_intents.create",
            self.post(&["payment_intents"], form, Some(key)),
        )
        .await
    }

    #[tracing::instrument(name = "stripe.payment_intents.retrieve", skip_all)]
    pub(super) async fn get_intent(&self, id: &str) -> Result<Intent, CallError> {
        self.send(
            "payment_intents.retrieve",
            self.get(&["payment_intents", id], &[]),
        )
        .await
    }

    /// Without an idempotency key: cancelling twice changes nothing, and a key would repeat the
    /// first response for a day.
    #[tracing::instrument(name = "stripe.payment_intents.cancel", skip_all)]
    pub(super) async fn cancel_intent(&self, id: &str) -> Result<Intent, CallError> {
        self.send(
            "payment_intents.cancel",
            self.post(&["payment_intents", id, "cancel"], &Form::new(), None),
        )
        .await
    }

    /// Returns the newest intents. Unlike a search, the list contains intents that were created a
    /// moment ago.
    #[tracing::instrument(name = "stripe.payment_intents.list", skip_all)]
    pub(super) async fn newest_intents(&self) -> Result<List<Intent>, CallError> {
        self.send(
            "payment_intents.list",
            self.get(&["payment_intents"], &[("limit", PAGE)]),
        )
        .await
    }

    /// Searches intents of any age. New ones are usually found within a minute.
    #[tracing::instrument(name = "stripe.payment_intents.search", skip_all)]
    pub(super) async fn search_intents(
        &self,
        payment_id: &PaymentId,
    ) -> Result<List<Intent>, CallError> {
        let value = payment_id
            .as_str()
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        let query = format!("metadata['payment_id']:'{value}'");
        self.send(
            "payment_intents.search",
            self.get(&["payment_intents", "search"], &[("query", &query)]),
        )
        .await
    }

    #[tracing::instrument(name = "stripe.refunds.create", skip_all)]
    pub(super) async fn create_refund(
        &self,
        form: &Form<'_>,
        key: &str,
    ) -> Result<Refund, CallError> {
        self.send("refunds.create", self.post(&["refunds"], form, Some(key)))
            .await
    }

    #[tracing::instrument(name = "stripe.refunds.list", skip_all)]
    pub(super) async fn list_refunds(&self, intent: &str) -> Result<List<Refund>, CallError> {
        self.send(
            "refunds.list",
            self.get(&["refunds"], &[("payment_intent", intent), ("limit", PAGE)]),
        )
        .await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.base.clone();
        // The URL has a host; the settings check it.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push("v1").extend(path);
        }
        url
    }

    fn get(&self, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.client.request(Method::GET, url)
    }

    fn post(&self, path: &[&str], form: &Form<'_>, key: Option<&str>) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self.client.request(Method::POST, self.url(path)).body(body);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, CallError> {
        let request = request
            .bearer_auth(self.settings.key.expose_secret())
            .header("Stripe-Version", VERSION);
        let mut response = request
            .send()
            .await
            .map_err(|error| connection_error(&error))?;
        let status = response.status();
        let mut text = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| connection_error(&error))?
        {
            text.extend_from_slice(&chunk);
            if text.len() > LARGEST {
                return Err(OutcomeUnknown(format!(
                    "Stripe's response to {operation} is too long"
                ))
                .into());
            }
        }
        if status.is_success() {
            self.forbidden().remove(operation);
            let unreadable =
                |_| OutcomeUnknown(format!("Stripe's response to {operation} cannot be read"));
            return Ok(serde_json::from_slice(&text).map_err(unreadable)?);
        }
        Err(self.error_from_response(operation, status, &text))
    }

    fn error_from_response(
        &self,
        operation: &'static str,
        status: StatusCode,
        text: &[u8],
    ) -> CallError {
        #[derive(Deserialize)]
        struct Body {
            error: Refusal,
        }
        let refusal = serde_json::from_slice::<Body>(text)
            .map(|body| body.error)
            .unwrap_or_default();
        let no_answer = OutcomeUnknown(format!(
            "Stripe answered {operation} with {} {}",
            status.as_u16(),
            refusal.code()
        ));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                if self.forbidden().insert(operation) {
                    tracing::error!(
                        operation,
                        status = status.as_u16(),
                        "Stripe rejects STRIPE_API_KEY; payments wait. Check the key and its permissions (docs/payments.md)"
                    );
                }
                CallError::NoAnswer(no_answer)
            }
            // A request with the same key is in progress, another request locks the object, or the
            // rate limit is exceeded.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                CallError::NoAnswer(no_answer)
            }
            StatusCode::NOT_FOUND => CallError::Refused(refusal.of_what_is_not_there()),
            _ if status.is_client_error() => CallError::Refused(refusal),
            _ => CallError::NoAnswer(no_answer),
        }
    }

    fn forbidden(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        // No code panics while it holds this lock.
        self.forbidden
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is unknown whether Stripe received the request. The error's own text contains the address,
/// with ids.
fn connection_error(error: &reqwest::Error) -> OutcomeUnknown {
    let what = if error.is_connect() {
        "failed to connect to Stripe"
    } else if error.is_timeout() {
        "Stripe did not respond in time"
    } else {
        "the connection to Stripe was lost"
    };
    OutcomeUnknown(what.to_owned())
}
