//! Stripe's HTTP API: the calls that are used, and the meaning of each response.
//!
//! Errors never contain the key, the name of a customer or the data of a card: of Stripe's errors
//! only the codes are used, never the messages.

use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use url::form_urlencoded;

use super::object::{Intent, List, Refund, Refusal};
use crate::{
    OutcomeUnknown, StripeSettings,
    http::{Http, Response},
};

/// The API version of these requests and responses; `stripe-mock` has its OpenAPI description.
pub(super) const VERSION: &str = "2026-08-26.dahlia";

const PAGE: &str = "100";
/// Adds the charge to an intent, which has the refunded amount.
const WITH_CHARGE: (&str, &str) = ("expand[]", "latest_charge");
const LIST_WITH_CHARGES: (&str, &str) = ("expand[]", "data.latest_charge");

/// The reason why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// Stripe's refusal is final.
    Refused(Refusal),
    /// Stripe failed. It may have executed the request.
    Failed {
        error: OutcomeUnknown,
        status: u16,
        /// Whether Stripe stored this response to an earlier request with the same key, so it will
        /// never execute a request with this key again.
        replayed: bool,
    },
    NoAnswer(OutcomeUnknown),
}

impl From<OutcomeUnknown> for CallError {
    fn from(silence: OutcomeUnknown) -> Self {
        Self::NoAnswer(silence)
    }
}

/// A request that Stripe rejects has no result either.
impl From<CallError> for OutcomeUnknown {
    fn from(failed: CallError) -> Self {
        match failed {
            CallError::Refused(refusal) => {
                Self(format!("Stripe refused the request: {}", refusal.code()))
            }
            CallError::Failed { error, .. } | CallError::NoAnswer(error) => error,
        }
    }
}

/// The fields of a request, in Stripe's spelling.
pub(super) type Form<'a> = Vec<(&'a str, String)>;

/// The part of a list to return.
#[derive(Debug)]
pub(super) struct ListQuery<'a> {
    /// The earliest time of creation, in seconds since 1970.
    pub(super) created_since: i64,
    /// The last object of the previous page.
    pub(super) after: Option<&'a str>,
    pub(super) with_charges: bool,
}

#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    settings: StripeSettings,
}

impl Api {
    pub(super) fn new(settings: StripeSettings) -> reqwest::Result<Self> {
        let http = Http::new("Stripe", "STRIPE_API_KEY")?;
        Ok(Self { http, settings })
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

    /// Returns the intent with its charge.
    #[tracing::instrument(name = "stripe.payment_intents.retrieve", skip_all)]
    pub(super) async fn get_intent(&self, id: &str) -> Result<Intent, CallError> {
        self.send(
            "payment_intents.retrieve",
            self.get(&["payment_intents", id], &[WITH_CHARGE]),
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

    #[tracing::instrument(name = "stripe.payment_intents.capture", skip_all)]
    pub(super) async fn capture_intent(
        &self,
        id: &str,
        form: &Form<'_>,
        key: &str,
    ) -> Result<Intent, CallError> {
        self.send(
            "payment_intents.capture",
            self.post(&["payment_intents", id, "capture"], form, Some(key)),
        )
        .await
    }

    /// Returns one page of intents, the newest first. Unlike a search, the list contains intents
    /// that were created a moment ago.
    #[tracing::instrument(name = "stripe.payment_intents.list", skip_all)]
    pub(super) async fn list_intents(
        &self,
        query: &ListQuery<'_>,
    ) -> Result<List<Intent>, CallError> {
        let since = query.created_since.to_string();
        let mut pairs = vec![("limit", PAGE), ("created[gte]", &since)];
        pairs.extend(query.after.map(|after| ("starting_after", after)));
        pairs.extend(query.with_charges.then_some(LIST_WITH_CHARGES));
        self.send(
            "payment_intents.list",
            self.get(&["payment_intents"], &pairs),
        )
        .await
    }

    /// Searches intents of any age whose metadata have this value. New and changed ones are usually
    /// found within a minute.
    #[tracing::instrument(name = "stripe.payment_intents.search", skip_all)]
    pub(super) async fn search_intents(
        &self,
        field: &str,
        value: &str,
    ) -> Result<List<Intent>, CallError> {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("metadata['{field}']:'{value}'");
        self.send(
            "payment_intents.search",
            self.get(
                &["payment_intents", "search"],
                &[("query", &query), ("limit", PAGE)],
            ),
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

    /// Returns one page of the intent's refunds, the newest first.
    #[tracing::instrument(name = "stripe.refunds.list", skip_all)]
    pub(super) async fn list_refunds(
        &self,
        intent: &str,
        after: Option<&str>,
    ) -> Result<List<Refund>, CallError> {
        let mut pairs = vec![("payment_intent", intent), ("limit", PAGE)];
        pairs.extend(after.map(|after| ("starting_after", after)));
        self.send("refunds.list", self.get(&["refunds"], &pairs))
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
        url.query_pairs_mut().extend_pairs(query);
        self.http.client().request(Method::GET, url)
    }

    fn post(&self, path: &[&str], form: &Form<'_>, key: Option<&str>) -> RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self
            .http
            .client()
            .request(Method::POST, self.url(path))
            .body(body);
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
        let response = self.http.send(operation, request).await?;
        if response.status.is_success() {
            let unreadable = |_| self.http.unreadable(operation);
            return Ok(serde_json::from_slice(&response.body).map_err(unreadable)?);
        }
        Err(self.read_error(operation, &response))
    }

    fn read_error(&self, operation: &'static str, response: &Response) -> CallError {
        #[derive(Deserialize)]
        struct Body {
            error: Refusal,
        }
        let status = response.status;
        let refusal = serde_json::from_slice::<Body>(&response.body)
            .map(|body| body.error)
            .unwrap_or_default();
        let error = self.http.no_answer(operation, status, refusal.code());
        match status {
            // The key is refused, a request with the same idempotency key is in progress, another
            // request locks the object, or the rate limit is exceeded.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT => CallError::NoAnswer(error),
            StatusCode::NOT_FOUND => CallError::Refused(refusal.of_what_is_not_there()),
            _ if status.is_client_error() => CallError::Refused(refusal),
            _ if status.is_server_error() => CallError::Failed {
                error,
                status: status.as_u16(),
                replayed: response
                    .headers
                    .get("Idempotent-Replayed")
                    .is_some_and(|value| value == "true"),
            },
            _ => CallError::NoAnswer(error),
        }
    }
}
