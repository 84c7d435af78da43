//! Stripe: PaymentIntents and Refunds over its HTTP API.
//!
//! Three measures prevent a second charge. The `Idempotency-Key` is made of the order id and the
//! payment id, so a request that is repeated within a day gets the first response. Each intent has
//! both ids in its metadata, so a later try searches for the intent first, once the search finds it
//! reliably and before Stripe may have forgotten the key. An abandoned payment is closed at Stripe:
//! the intent is cancelled; if no intent was found, the key is used up on an intent that takes no
//! money. docs/payments.md explains this for operators.

mod api;
mod capture;
mod charge;
mod find;
mod key_faults;
mod object;
mod refund;

use std::time::SystemTime;

use api::{Api, CallError, Form};
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use key_faults::KeyFaults;
use object::{Intent, IntentStatus, is_of};

use crate::{
    Capture, CaptureRequest, Charge, ChargeRequest, FoundPayment, OutcomeUnknown, PaymentProvider,
    ProviderCall, Refund, RefundRequest, StripeSettings,
};
use domain::{ChargeProvider, Currency, Money, OrderId, PaymentId, TransactionId, WebhookProvider};

/// Stripe keeps a key for at least 24 hours. One hour less allows for clocks that differ.
const KEY_IS_KEPT: TimeDelta = TimeDelta::hours(23);
/// The age from which a search usually finds an intent.
const SEARCH_LAG: TimeDelta = TimeDelta::minutes(1);

/// Charges cards at Stripe.
#[derive(Debug)]
pub struct Stripe {
    api: Api,
    key_faults: KeyFaults,
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        ChargeProvider::Stripe.as_str()
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> ProviderCall<'a, Charge> {
        self.charge_intent(request).boxed()
    }

    fn capture<'a>(&'a self, request: &'a CaptureRequest) -> ProviderCall<'a, Capture> {
        self.capture_intent(request).boxed()
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> ProviderCall<'a, Refund> {
        self.refund_payment(request).boxed()
    }

    fn find_payments<'a>(
        &'a self,
        order_id: &'a OrderId,
        since: DateTime<Utc>,
    ) -> ProviderCall<'a, Vec<FoundPayment>> {
        self.find_payments_of(order_id, since).boxed()
    }

    fn find_payment<'a>(
        &'a self,
        transaction_id: &'a TransactionId,
    ) -> ProviderCall<'a, Option<FoundPayment>> {
        self.find_one_payment(transaction_id).boxed()
    }

    fn list_payments(&self, since: DateTime<Utc>) -> ProviderCall<'_, Option<Vec<FoundPayment>>> {
        self.list_all_payments(since)
            .map(|listed| listed.map(Some))
            .boxed()
    }
}

impl Stripe {
    /// Creates an adapter.
    ///
    /// # Errors
    ///
    /// Fails if the HTTP client cannot be created.
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        Ok(Self {
            api: Api::new(settings)?,
            key_faults: KeyFaults::default(),
        })
    }

    /// Creates an intent, and counts the failures of its idempotency key.
    async fn create_intent(&self, form: &Form<'_>, key: &str) -> Result<Intent, CallError> {
        let created = self.api.create_intent(form, key).await;
        match &created {
            Err(CallError::Failed {
                status, replayed, ..
            }) => self.key_faults.count(key, *status, *replayed),
            Ok(_) | Err(CallError::Refused(_)) => self.key_faults.forget(key),
            Err(CallError::NoAnswer(_)) => {}
        }
        created
    }

    /// Cancels an intent, so that it can never be captured.
    async fn cancel_intent(&self, id: &str) -> Result<(), OutcomeUnknown> {
        match self.api.cancel_intent(id).await {
            Ok(_) => Ok(()),
            // The intent was cancelled before, or captured in the meantime; the next try finds out.
            Err(CallError::Refused(refusal)) => {
                let now = self.api.get_intent(id).await?;
                if now.status == IntentStatus::Canceled {
                    return Ok(());
                }
                Err(OutcomeUnknown(format!(
                    "Stripe refused to cancel the payment: {}",
                    refusal.code()
                )))
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

/// The metadata that identifies a payment of this system at Stripe.
#[derive(Clone, Copy)]
struct PaymentKey<'a> {
    order_id: &'a OrderId,
    payment_id: &'a PaymentId,
}

impl PaymentKey<'_> {
    /// The idempotency key of the charge. It is the same over all retries and crashes, because it
    /// has no random part. Stripe accepts 255 characters; this has at most 232.
    fn charge_key(self) -> String {
        format!("charge:{}:{}", self.order_id, self.payment_id)
    }

    /// The metadata, which webhook events return.
    fn metadata_fields(self) -> Form<'static> {
        vec![
            ("metadata[order_id]", self.order_id.to_string()),
            ("metadata[payment_id]", self.payment_id.to_string()),
        ]
    }

    fn is_of(self, intent: &Intent) -> bool {
        is_of(intent.metadata.as_ref(), self.order_id, self.payment_id)
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn age_of(since: DateTime<Utc>) -> TimeDelta {
    now() - since
}

fn transaction_id(intent: &Intent) -> Result<TransactionId, OutcomeUnknown> {
    TransactionId::parse(&intent.id)
        .map_err(|error| OutcomeUnknown(format!("Stripe's payment id {error}")))
}

/// Converts an amount in Stripe's units.
fn money(units: i64, currency: &str) -> Result<Money, OutcomeUnknown> {
    let currency = Currency::parse(&currency.to_ascii_uppercase())
        .map_err(|_| OutcomeUnknown("Stripe's payment has an unknown currency".to_owned()))?;
    WebhookProvider::Stripe
        .money_from_units(units, currency)
        .map_err(|error| OutcomeUnknown(format!("Stripe's amount in {currency}: {error}")))
}
