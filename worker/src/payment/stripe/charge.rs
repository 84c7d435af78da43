//! Charging: creates an intent and confirms it immediately, or uses the intent of an earlier try.

use super::{
    Of, Stripe,
    api::Failed,
    object::{Intent, IntentStatus, Refusal},
    transaction, unclear,
};
use crate::payment::{Charge, ChargeRequest, NoAnswer};
use domain::{ChargeProvider, UnitsError, WebhookProvider};

impl Stripe {
    pub(super) async fn take(&self, request: &ChargeRequest) -> Result<Charge, NoAnswer> {
        let declined = |reason: &dyn ToString| Ok(Charge::Declined(reason.to_string()));
        let method = request.payment_method.as_deref();
        let (Some(method), None) = (method, ChargeProvider::Stripe.payment_method_error(method))
        else {
            return declined(&"payment_method_missing");
        };
        let units = match WebhookProvider::Stripe.units_from_money(request.amount) {
            Ok(units) => units,
            Err(UnitsError::UnknownExponent) => return declined(&"currency_not_supported"),
            Err(UnitsError::Inexact | UnitsError::Money(_)) => {
                return declined(&"amount_not_chargeable");
            }
        };
        let of = Of {
            order_id: &request.order_id,
            payment_id: &request.payment_id,
        };
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
            (
                "currency",
                request.amount.currency().code().to_ascii_lowercase(),
            ),
            ("payment_method", method.to_owned()),
            // Cards, and wallets that are cards. Other methods can require a page to return to.
            ("payment_method_types[]", "card".to_owned()),
            ("confirm", "true".to_owned()),
        ]);
        match self.api.create_intent(&form, &of.key("charge")).await {
            Ok(intent) => self.judge(intent).await,
            Err(Failed::NoAnswer(silence)) => Err(silence),
            // The previous release, or a compensation, used the key for another request. The next
            // try finds its result.
            Err(Failed::Refused(refusal)) if refusal.is_of_the_key() => Err(NoAnswer(
                "Stripe knows this payment by another request".to_owned(),
            )),
            Err(Failed::Refused(refusal)) => {
                let left = match &refusal.payment_intent {
                    Some(intent) => Some(intent.as_ref().clone()),
                    // A request that Stripe rejected before it began left no intent, so this is
                    // only needed for declines.
                    None if refusal.is("card_declined") => self.newest(of).await?,
                    None => None,
                };
                if let Some(intent) = left {
                    self.close(&intent.id).await?;
                }
                if !refusal.is_of_the_card() {
                    // The customer cannot solve this: Stripe rejects something about the account or
                    // the order.
                    let order_id = of.order_id.as_str();
                    tracing::warn!(
                        order.id = order_id,
                        "Stripe refuses the charge: {}",
                        refusal.code()
                    );
                }
                declined(&refusal.code())
            }
        }
    }

    /// Translates an intent into an outcome for the order. A declined intent is closed, because it
    /// could still be paid with another card.
    async fn judge(&self, intent: Intent) -> Result<Charge, NoAnswer> {
        match intent.status {
            IntentStatus::Succeeded => Ok(Charge::Captured(transaction(&intent)?)),
            IntentStatus::RequiresAction | IntentStatus::Processing => {
                Ok(Charge::Unfinished(transaction(&intent)?))
            }
            IntentStatus::Canceled => Ok(Charge::Declined(reason(&intent, "payment_canceled"))),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresCapture => {
                self.close(&intent.id).await?;
                Ok(Charge::Declined(reason(&intent, "card_declined")))
            }
            IntentStatus::Unknown => Err(NoAnswer(
                "the payment has a status that is not known here".to_owned(),
            )),
        }
    }
}

fn reason(intent: &Intent, otherwise: &str) -> String {
    intent
        .last_payment_error
        .as_ref()
        .map_or(otherwise, Refusal::code)
        .to_owned()
}
