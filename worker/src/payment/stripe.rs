//! Stripe: PaymentIntents and Refunds over its HTTP API.
//!
//! Three measures prevent a second charge. The `Idempotency-Key` is made of the order id and the
//! payment id, so a request that is repeated within a day gets the first response. Each intent has
//! both ids in its metadata, so a later try searches for the intent first: among the newest
//! intents, and by search once Stripe may have forgotten the key. An abandoned payment is closed at
//! Stripe: the intent is cancelled; if no intent was found, the key is used up on an intent that
//! takes no money. docs/payments.md explains this for operators.

mod api;
mod charge;
mod object;
mod refund;
mod settings;

use api::{Api, CallError, Form};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, future::BoxFuture};
use object::{Intent, IntentStatus, List, is_of};

use super::{Charge, ChargeRequest, OutcomeUnknown, PaymentProvider, Refund, RefundRequest};
use domain::{ChargeProvider, OrderId, PaymentId, TransactionId};
pub use settings::StripeSettings;
use std::time::SystemTime;

/// Stripe keeps a key for at least 24 hours. One hour less allows for clocks that differ.
const KEY_IS_KEPT: TimeDelta = TimeDelta::hours(23);

/// Charges cards at Stripe.
#[derive(Debug)]
pub struct Stripe {
    api: Api,
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        ChargeProvider::Stripe.as_str()
    }

    fn charge<'a>(
        &'a self,
        request: &'a ChargeRequest,
    ) -> BoxFuture<'a, Result<Charge, OutcomeUnknown>> {
        self.charge_intent(request).boxed()
    }

    fn refund<'a>(
        &'a self,
        request: &'a RefundRequest,
    ) -> BoxFuture<'a, Result<Refund, OutcomeUnknown>> {
        self.give_back(request).boxed()
    }
}

impl Stripe {
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        Ok(Self {
            api: Api::new(settings)?,
        })
    }

    /// Returns the intent of the payment, if Stripe has one: from the newest intents, or by search
    /// once the key may be forgotten.
    async fn find_intent(
        &self,
        of: PaymentKey<'_>,
        since: DateTime<Utc>,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        match self.find_newest(of).await? {
            Some(intent) => Ok(Some(intent)),
            None if age_of(since) < KEY_IS_KEPT => Ok(None),
            None => self.search_intent(of).await,
        }
    }

    async fn find_newest(&self, of: PaymentKey<'_>) -> Result<Option<Intent>, OutcomeUnknown> {
        Ok(of.find_in(self.api.newest_intents().await.map_err(outcome_unknown)?))
    }

    async fn search_intent(&self, of: PaymentKey<'_>) -> Result<Option<Intent>, OutcomeUnknown> {
        Ok(of.find_in(
            self.api
                .search_intents(of.payment_id)
                .await
                .map_err(outcome_unknown)?,
        ))
    }

    /// Cancels an intent, so that it can never be captured.
    async fn cancel_intent(&self, id: &str) -> Result<(), OutcomeUnknown> {
        match self.api.cancel_intent(id).await {
            Ok(_) => Ok(()),
            Err(CallError::NoAnswer(silence)) => Err(silence),
            // The intent was cancelled before, or captured in the meantime; the next try finds out.
            Err(CallError::Refused(refusal)) => {
                let now = self.api.get_intent(id).await.map_err(outcome_unknown)?;
                if now.status == IntentStatus::Canceled {
                    return Ok(());
                }
                Err(OutcomeUnknown(format!(
                    "Stripe refused to cancel the payment: {}",
                    refusal.code()
                )))
            }
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
    /// The idempotency key. It is the same over all retries and crashes, because it has no random
    /// part. Stripe accepts 255 characters; this has at most 232.
    fn idempotency_key(self, what: &str) -> String {
        format!("{what}:{}:{}", self.order_id, self.payment_id)
    }

    /// The metadata, which webhook events return.
    fn metadata_fields(self) -> Form<'static> {
        vec![
            ("metadata[order_id]", self.order_id.to_string()),
            ("metadata[payment_id]", self.payment_id.to_string()),
        ]
    }

    fn find_in(self, intents: List<Intent>) -> Option<Intent> {
        let is_ours =
            |intent: &Intent| is_of(intent.metadata.as_ref(), self.order_id, self.payment_id);
        intents.data.into_iter().find(is_ours)
    }
}

fn age_of(since: DateTime<Utc>) -> TimeDelta {
    DateTime::<Utc>::from(SystemTime::now()) - since
}

fn transaction_id(intent: &Intent) -> Result<TransactionId, OutcomeUnknown> {
    TransactionId::parse(&intent.id)
        .map_err(|error| OutcomeUnknown(format!("Stripe's payment id {error}")))
}

/// A request that Stripe rejects has no result either.
fn outcome_unknown(failed: CallError) -> OutcomeUnknown {
    match failed {
        CallError::Refused(refusal) => {
            OutcomeUnknown(format!("Stripe refused the request: {}", refusal.code()))
        }
        CallError::NoAnswer(silence) => silence,
    }
}
