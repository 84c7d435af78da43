//! Adyen: captures, refunds and cancellations over the Checkout API.
//!
//! Adyen accepts a request and reports its outcome later, by a webhook event with the reference
//! that the response has. The shop's own integration takes the payments, so this adapter does not
//! charge. Adyen has no API to look payments up.

use data_encoding::HEXLOWER;
use futures::FutureExt;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    AdyenSettings, Capture, CaptureRequest, OutcomeUnknown, PaymentProvider, ProviderCall, Refund,
    RefundRequest,
    http::{Http, Response, is_code},
};
use domain::{Money, OrderId, TransactionId, WebhookProvider};

/// The maximum length of `reference`.
const LONGEST_REFERENCE: usize = 80;
/// The error code of a request whose idempotency key is in use.
const IN_PROGRESS: &str = "704";

/// Acts for payments that were taken at Adyen.
#[derive(Debug)]
pub struct Adyen {
    http: Http,
    settings: AdyenSettings,
}

/// Adyen's response to a request.
enum Modification {
    /// Adyen's reference of this request, which the webhook event also has.
    Received(Option<String>),
    /// The refusal is final. Contains a code.
    Refused(String),
}

impl PaymentProvider for Adyen {
    fn name(&self) -> &'static str {
        WebhookProvider::Adyen.as_str()
    }

    fn capture<'a>(&'a self, request: &'a CaptureRequest) -> ProviderCall<'a, Capture> {
        self.request_capture(request).boxed()
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> ProviderCall<'a, Refund> {
        self.request_refund(request).boxed()
    }
}

impl Adyen {
    /// Creates an adapter.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be created.
    pub fn new(settings: AdyenSettings) -> anyhow::Result<Self> {
        let http = Http::new("Adyen", "ADYEN_API_KEY")?;
        Ok(Self { http, settings })
    }

    async fn request_capture(&self, request: &CaptureRequest) -> Result<Capture, OutcomeUnknown> {
        let Some(amount) = amount_field(request.amount) else {
            let reason = "amount_not_capturable".to_owned();
            return Ok(Capture::Refused { reason });
        };
        let body = self.body(&request.order_id, Some(amount));
        let requested = self
            .request("captures", &request.transaction_id, &body, &request.key)
            .await?;
        Ok(match requested {
            Modification::Received(_) => Capture::Requested,
            Modification::Refused(reason) => Capture::Refused { reason },
        })
    }

    /// Refunds a captured payment, or cancels a payment that was not captured.
    async fn request_refund(&self, request: &RefundRequest) -> Result<Refund, OutcomeUnknown> {
        let is_ours = request.provider == self.name();
        let Some(payment) = request.past.transaction_id.as_ref().filter(|_| is_ours) else {
            return Ok(Refund::Unsupported);
        };
        let (operation, amount) = match amount_field(request.amount) {
            Some(amount) => ("refunds", Some(amount)),
            None if request.whole && request.amount.is_zero() => ("cancels", None),
            None => return Ok(Refund::Unsupported),
        };
        let body = self.body(&request.order_id, amount);
        let requested = self
            .request(operation, payment, &body, &request.key)
            .await?;
        Ok(match requested {
            Modification::Received(refund_id) => Refund::Requested { refund_id },
            Modification::Refused(code) => {
                tracing::warn!(
                    order.id = request.order_id.as_str(),
                    operation,
                    "Adyen refused the request; an operator must act: {code}"
                );
                Refund::Unsupported
            }
        })
    }

    /// The reference is the order id: the webhook event has it as `merchantReference`, from which
    /// the order is read.
    fn body(&self, order_id: &OrderId, amount: Option<Value>) -> Value {
        let mut body = json!({"merchantAccount": self.settings.merchant_account});
        if order_id.as_str().len() <= LONGEST_REFERENCE {
            body["reference"] = json!(order_id.as_str());
        }
        if let Some(amount) = amount {
            body["amount"] = amount;
        }
        body
    }

    #[tracing::instrument(name = "adyen.payments.modify", skip_all, fields(operation))]
    async fn request(
        &self,
        operation: &'static str,
        payment: &TransactionId,
        body: &Value,
        key: &str,
    ) -> Result<Modification, OutcomeUnknown> {
        let mut url = self.settings.base.clone();
        // The URL has a host; the settings check it.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["payments", payment.as_str(), operation]);
        }
        let call = self
            .http
            .client()
            .post(url)
            .header("X-API-Key", self.settings.key.expose_secret())
            .header("Idempotency-Key", idempotency_key(operation, key))
            .json(body);
        let response = self.http.send(operation, call).await?;
        self.read_response(operation, &response)
    }

    fn read_response(
        &self,
        operation: &'static str,
        response: &Response,
    ) -> Result<Modification, OutcomeUnknown> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Body {
            psp_reference: Option<String>,
            error_code: Option<String>,
        }
        let status = response.status;
        let body = serde_json::from_slice::<Body>(&response.body);
        if status.is_success() {
            let body = body.map_err(|_| self.http.unreadable(operation))?;
            return Ok(Modification::Received(body.psp_reference));
        }
        let code = body
            .ok()
            .and_then(|body| body.error_code)
            .filter(|code| is_code(code));
        let no_answer = |code: Option<&str>| {
            let code = code.unwrap_or("without a code");
            self.http.no_answer(operation, status, code)
        };
        // Adyen marks failures that a repeated request with the same key can solve.
        let is_transient = response
            .headers
            .get("transient-error")
            .is_some_and(|value| value == "true");
        match (status, code) {
            (_, code) if is_transient => Err(no_answer(code.as_deref())),
            (_, Some(code)) if code == IN_PROGRESS => Err(no_answer(Some(&code))),
            (
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::CONFLICT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::REQUEST_TIMEOUT,
                code,
            ) => Err(no_answer(code.as_deref())),
            (status, code) if status.is_client_error() => {
                // Adyen's codes are numbers.
                let code = code.map(|code| format!("adyen_{code}"));
                Ok(Modification::Refused(
                    code.unwrap_or_else(|| format!("http_{}", status.as_u16())),
                ))
            }
            (_, code) => Err(no_answer(code.as_deref())),
        }
    }
}

/// Adyen accepts 64 characters, and ours can be longer. Adyen stores a key for at least 31 days.
fn idempotency_key(operation: &str, key: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(format!("{operation}:{key}")))
}

/// Returns the amount in Adyen's units, or `None` if it is zero or Adyen cannot express it.
fn amount_field(amount: Money) -> Option<Value> {
    let value = WebhookProvider::Adyen.units_from_money(amount).ok()?;
    (value > 0).then(|| json!({"currency": amount.currency().code(), "value": value}))
}
