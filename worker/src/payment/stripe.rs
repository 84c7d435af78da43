//! Stripe: PaymentIntents and Refunds over its HTTP API.
//!
//! Once-only rests on three things. The `Idempotency-Key` is made of the order's and the payment's ids, so whatever is sent twice within
//! a day gets the first answer. Each intent has them in its metadata, so a try after the first looks for it
//! before it asks: among the newest intents, and by search once Stripe may have forgotten the key. And what is given
//! up is closed at Stripe: the intent is cancelled, or, where none was found, the key is spent on one that takes
//! nothing. docs/payments.md tells it for operators.

mod api;
mod charge;
mod object;
mod refund;
mod settings;

use api::{Api, Failed, Form};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, future::BoxFuture};
use object::{Intent, IntentStatus, List, is_of};

use super::{Charge, ChargeRequest, NoAnswer, PaymentProvider, Refund, RefundRequest};
use domain::{ChargeProvider, OrderId, PaymentId, TransactionId};
pub use settings::StripeSettings;
use std::time::SystemTime;

/// Stripe keeps a key for at least 24 hours; an hour is for clocks that differ.
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

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> BoxFuture<'a, Result<Charge, NoAnswer>> {
        self.take(request).boxed()
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> BoxFuture<'a, Result<Refund, NoAnswer>> {
        self.give_back(request).boxed()
    }
}

impl Stripe {
    pub fn new(settings: StripeSettings) -> anyhow::Result<Self> {
        Ok(Self {
            api: Api::new(settings)?,
        })
    }

    /// The payment's intent, if Stripe has one: among the newest, and where the key may be forgotten by search.
    async fn find(&self, of: Of<'_>, since: DateTime<Utc>) -> Result<Option<Intent>, NoAnswer> {
        match self.newest(of).await? {
            Some(intent) => Ok(Some(intent)),
            None if age(since) < KEY_IS_KEPT => Ok(None),
            None => self.search(of).await,
        }
    }

    async fn newest(&self, of: Of<'_>) -> Result<Option<Intent>, NoAnswer> {
        Ok(of.among(self.api.newest_intents().await.map_err(unclear)?))
    }

    async fn search(&self, of: Of<'_>) -> Result<Option<Intent>, NoAnswer> {
        Ok(of.among(
            self.api
                .search_intents(of.payment_id)
                .await
                .map_err(unclear)?,
        ))
    }

    /// Cancels an intent: it can never be captured after this.
    async fn close(&self, id: &str) -> Result<(), NoAnswer> {
        match self.api.cancel_intent(id).await {
            Ok(_) => Ok(()),
            Err(Failed::NoAnswer(silence)) => Err(silence),
            // Cancelled before, or captured meanwhile: then the next try sees that.
            Err(Failed::Refused(refusal)) => {
                let now = self.api.intent(id).await.map_err(unclear)?;
                if now.status == IntentStatus::Canceled {
                    return Ok(());
                }
                Err(NoAnswer(format!(
                    "Stripe does not cancel the payment: {}",
                    refusal.code()
                )))
            }
        }
    }
}

/// What makes a payment ours at Stripe.
#[derive(Clone, Copy)]
struct Of<'a> {
    order_id: &'a OrderId,
    payment_id: &'a PaymentId,
}

impl Of<'_> {
    /// The same over any retry and crash: nothing in it is made up. Stripe takes 255 characters, this is at most 232.
    fn key(self, what: &str) -> String {
        format!("{what}:{}:{}", self.order_id, self.payment_id)
    }

    /// The metadata, with which webhooks come back.
    fn named(self) -> Form<'static> {
        vec![
            ("metadata[order_id]", self.order_id.to_string()),
            ("metadata[payment_id]", self.payment_id.to_string()),
        ]
    }

    fn among(self, intents: List<Intent>) -> Option<Intent> {
        let is_ours =
            |intent: &Intent| is_of(intent.metadata.as_ref(), self.order_id, self.payment_id);
        intents.data.into_iter().find(is_ours)
    }
}

fn age(since: DateTime<Utc>) -> TimeDelta {
    DateTime::<Utc>::from(SystemTime::now()) - since
}

fn transaction(intent: &Intent) -> Result<TransactionId, NoAnswer> {
    TransactionId::parse(&intent.id)
        .map_err(|error| NoAnswer(format!("Stripe's payment id {error}")))
}

/// A question that Stripe refuses has no answer either.
fn unclear(failed: Failed) -> NoAnswer {
    match failed {
        Failed::Refused(refusal) => NoAnswer(format!("Stripe refuses to say: {}", refusal.code())),
        Failed::NoAnswer(silence) => silence,
    }
}
