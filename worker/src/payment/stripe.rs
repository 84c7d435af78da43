//! Stripe: PaymentIntents and Refunds over its HTTP API.
//!
//! Once-only rests on three things. The `Idempotency-Key` is made of the order's and the payment's ids, so whatever is sent twice within
//! a day gets the first answer. Each intent has them in its metadata, so a try after the first looks for it
//! before it asks: among the newest intents, and by search once Stripe may have forgotten the key. And what is given
//! up is closed at Stripe: the intent is cancelled, or, where none was found, the key is spent on one that takes
//! nothing. docs/payments.md tells it for operators.

mod amount;
mod api;
mod object;
mod settings;

use super::{Charge, ChargeRequest, EXTERNAL, NoAnswer, PaymentProvider, Refund, RefundRequest};
use api::{Api, Failed, Form};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ChargeProvider, OrderId, PaymentId, TransactionId};
use futures::{FutureExt, future::BoxFuture};
use object::{Intent, IntentStatus, List, RefundStatus, Refusal, is_of};
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
        Ok(Self { api: Api::new(settings)? })
    }

    async fn take(&self, request: &ChargeRequest) -> Result<Charge, NoAnswer> {
        let declined = |reason: &dyn ToString| Ok(Charge::Declined(reason.to_string()));
        let method = request.payment_method.as_deref();
        let (Some(method), None) = (method, ChargeProvider::Stripe.objection(method)) else {
            return declined(&"payment_method_missing");
        };
        let units = match amount::units(request.amount) {
            Ok(units) => units,
            Err(error) => return declined(&error),
        };
        let of = Of { order_id: &request.order_id, payment_id: &request.payment_id };
        if request.past.asked {
            let found = match &request.past.transaction_id {
                Some(id) => Some(self.api.intent(id.as_str()).await.map_err(unclear)?),
                None => self.find(of, request.past.since).await?,
            };
            if let Some(intent) = found {
                return self.judge(intent).await;
            }
        }
        let mut form = of.named();
        form.extend([
            ("amount", units.to_string()),
            ("currency", request.amount.currency().code().to_ascii_lowercase()),
            ("payment_method", method.to_owned()),
            // Cards, and the wallets that are cards: other methods may want a page to come back to.
            ("payment_method_types[]", "card".to_owned()),
            ("confirm", "true".to_owned()),
        ]);
        match self.api.create_intent(&form, &of.key("charge")).await {
            Ok(intent) => self.judge(intent).await,
            Err(Failed::NoAnswer(silence)) => Err(silence),
            // The release before, or an undo, sent something else under the key: what came of it is found next time.
            Err(Failed::Refused(refusal)) if refusal.is_of_the_key() => {
                Err(NoAnswer("Stripe knows this payment by another request".to_owned()))
            }
            Err(Failed::Refused(refusal)) => {
                let left = match &refusal.payment_intent {
                    Some(intent) => Some(intent.as_ref().clone()),
                    // What was refused before it began has left nothing, so this is asked for declines alone.
                    None if refusal.is("card_declined") => self.newest(of).await?,
                    None => None,
                };
                if let Some(intent) = left {
                    self.close(&intent.id).await?;
                }
                if !refusal.is_of_the_card() {
                    // No customer can help that: something about the account or the order is not as Stripe wants it.
                    let order_id = of.order_id.as_str();
                    tracing::warn!(order.id = order_id, "Stripe refuses the charge: {}", refusal.code());
                }
                declined(&refusal.code())
            }
        }
    }

    /// What an intent means for the order. A declined one could still be paid with another card: so it is closed.
    async fn judge(&self, intent: Intent) -> Result<Charge, NoAnswer> {
        match intent.status {
            IntentStatus::Succeeded => Ok(Charge::Captured(transaction(&intent)?)),
            IntentStatus::RequiresAction | IntentStatus::Processing => Ok(Charge::Unfinished(transaction(&intent)?)),
            IntentStatus::Canceled => Ok(Charge::Declined(reason(&intent, "payment_canceled"))),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresCapture => {
                self.close(&intent.id).await?;
                Ok(Charge::Declined(reason(&intent, "card_declined")))
            }
            IntentStatus::Unknown => Err(NoAnswer("the payment has a status that is not known here".to_owned())),
        }
    }

    async fn give_back(&self, request: &RefundRequest) -> Result<Refund, NoAnswer> {
        let known = request.past.transaction_id.as_ref().filter(|id| id.as_str().starts_with("pi_"));
        // Ours, or one that somebody confirmed to us; what is in other books is for a person.
        let confirmed = request.provider == EXTERNAL && known.is_some();
        if request.provider != self.name() && !confirmed {
            return Ok(Refund::Unsupported);
        }
        let of = Of { order_id: &request.order_id, payment_id: &request.payment_id };
        let found = match known {
            None => self.find(of, request.past.since).await?,
            Some(id) => match self.api.intent(id.as_str()).await {
                Ok(intent) => Some(intent),
                // Confirmed, and not in our account.
                Err(Failed::Refused(_)) if confirmed => return Ok(Refund::Unsupported),
                Err(failed) => return Err(unclear(failed)),
            },
        };
        let intent = match found {
            Some(intent) => intent,
            None => match self.spend_key(of, request).await? {
                Some(intent) => intent,
                None => return Ok(Refund::NeverCaptured),
            },
        };
        match intent.status {
            IntentStatus::Succeeded => self.refund_intent(&intent, of).await,
            IntentStatus::Canceled => Ok(Refund::NeverCaptured),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture => {
                self.close(&intent.id).await?;
                Ok(Refund::NeverCaptured)
            }
            IntentStatus::Processing => {
                Err(NoAnswer("the payment is being processed; then it can be undone".to_owned()))
            }
            IntentStatus::Unknown => Err(NoAnswer("the payment has a status that is not known here".to_owned())),
        }
    }

    async fn refund_intent(&self, intent: &Intent, of: Of<'_>) -> Result<Refund, NoAnswer> {
        let capture = transaction(intent)?;
        let before = self.api.refunds(&intent.id).await.map_err(unclear)?;
        let ours = before.data.iter().find(|refund| is_of(refund.metadata.as_ref(), of.order_id, of.payment_id));
        if let Some(refund) = ours {
            return Ok(refunded(refund.status, capture));
        }
        let mut form = of.named();
        // Without an amount it is all that has not gone back yet.
        form.push(("payment_intent", intent.id.clone()));
        match self.api.create_refund(&form, &of.key("refund")).await {
            Ok(refund) => Ok(refunded(refund.status, capture)),
            Err(Failed::Refused(refusal)) if refusal.is("charge_already_refunded") => Ok(Refund::Refunded(capture)),
            Err(Failed::Refused(refusal)) => {
                let order_id = of.order_id.as_str();
                tracing::error!(order.id = order_id, "Stripe refuses the refund, which is now due: {}", refusal.code());
                Ok(Refund::Unsupported)
            }
            Err(Failed::NoAnswer(silence)) => Err(silence),
        }
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
        Ok(of.among(self.api.search_intents(of.payment_id).await.map_err(unclear)?))
    }

    /// Nothing was found, and a charge may still be on its way: its key is spent on an intent that takes nothing, and
    /// that is closed. Where the key is spent already, on the charge itself, its intent must be found.
    async fn spend_key(&self, of: Of<'_>, request: &RefundRequest) -> Result<Option<Intent>, NoAnswer> {
        let Ok(units) = amount::units(request.amount) else { return Ok(None) };
        let mut form = of.named();
        form.extend([
            ("amount", units.to_string()),
            ("currency", request.amount.currency().code().to_ascii_lowercase()),
            ("payment_method_types[]", "card".to_owned()),
        ]);
        match self.api.create_intent(&form, &of.key("charge")).await {
            Ok(intent) => {
                self.close(&intent.id).await?;
                Ok(None)
            }
            Err(Failed::Refused(refusal)) if refusal.is_of_the_key() => match self.search(of).await? {
                Some(intent) => Ok(Some(intent)),
                None => Err(NoAnswer("Stripe has the charge, but its search does not find it yet".to_owned())),
            },
            // What Stripe refuses now, it refused as a charge.
            Err(Failed::Refused(_)) => Ok(None),
            Err(Failed::NoAnswer(silence)) => Err(silence),
        }
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
                Err(NoAnswer(format!("Stripe does not cancel the payment: {}", refusal.code())))
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
        vec![("metadata[order_id]", self.order_id.to_string()), ("metadata[payment_id]", self.payment_id.to_string())]
    }

    fn among(self, intents: List<Intent>) -> Option<Intent> {
        let is_ours = |intent: &Intent| is_of(intent.metadata.as_ref(), self.order_id, self.payment_id);
        intents.data.into_iter().find(is_ours)
    }
}

fn age(since: DateTime<Utc>) -> TimeDelta {
    DateTime::<Utc>::from(SystemTime::now()) - since
}

fn transaction(intent: &Intent) -> Result<TransactionId, NoAnswer> {
    TransactionId::parse(&intent.id).map_err(|error| NoAnswer(format!("Stripe's payment id {error}")))
}

fn reason(intent: &Intent, otherwise: &str) -> String {
    intent.last_payment_error.as_ref().map_or(otherwise, Refusal::code).to_owned()
}

fn refunded(status: Option<RefundStatus>, capture: TransactionId) -> Refund {
    match status {
        // Stripe has taken it on; should it fail after all, a webhook tells.
        Some(RefundStatus::Succeeded | RefundStatus::Pending | RefundStatus::Unknown) | None => {
            Refund::Refunded(capture)
        }
        // The customer's bank does not take it, or wants to be asked: a person must.
        Some(RefundStatus::RequiresAction | RefundStatus::Failed | RefundStatus::Canceled) => Refund::Unsupported,
    }
}

/// A question that Stripe refuses has no answer either.
fn unclear(failed: Failed) -> NoAnswer {
    match failed {
        Failed::Refused(refusal) => NoAnswer(format!("Stripe refuses to say: {}", refusal.code())),
        Failed::NoAnswer(silence) => silence,
    }
}
