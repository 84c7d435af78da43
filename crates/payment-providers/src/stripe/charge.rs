//! Charging: creates an intent and confirms it immediately, or uses the intent of an earlier try.

use super::{
    PaymentKey, SEARCH_LAG, Stripe, age_of,
    api::CallError,
    find::LookUp,
    object::{Intent, IntentStatus, Refusal},
    transaction_id,
};
use crate::{Charge, ChargeRequest, OutcomeUnknown};
use domain::{CaptureMode, ChargeProvider, UnitsError, WebhookProvider};

impl Stripe {
    pub(super) async fn charge_intent(
        &self,
        request: &ChargeRequest,
    ) -> Result<Charge, OutcomeUnknown> {
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
        let of = PaymentKey {
            order_id: &request.order_id,
            payment_id: &request.payment_id,
        };
        let key = of.charge_key();
        if request.past.asked
            && let Some(intent) = self.find_earlier_try(of, request, &key).await?
        {
            return self.charge_from_intent(intent, request.capture).await;
        }
        let mut form = of.metadata_fields();
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
        match request.capture {
            // The form has the same fields as in the previous release, so that a repeated request
            // is the same request.
            CaptureMode::Immediate => {}
            CaptureMode::OnDispatch => form.push(("capture_method", "manual".to_owned())),
        }
        match self.create_intent(&form, &key).await {
            Ok(intent) => self.charge_from_intent(intent, request.capture).await,
            // The previous release, or a compensation, used the key for another request. The next
            // try finds its result.
            Err(CallError::Refused(refusal)) if refusal.is_of_the_key() => Err(OutcomeUnknown(
                "Stripe has another request with this idempotency key".to_owned(),
            )),
            Err(CallError::Refused(refusal)) => {
                let left = match &refusal.payment_intent {
                    Some(intent) => Some(intent.as_ref().clone()),
                    // A request that Stripe rejected before it began left no intent, so this is
                    // only needed for declines.
                    None if refusal.has_code("card_declined") => {
                        self.find_declined(of, request.past.since).await?
                    }
                    None => None,
                };
                if let Some(intent) = left {
                    self.cancel_intent(&intent.id).await?;
                }
                if !refusal.is_of_the_card() {
                    // The customer cannot solve this: Stripe rejects something about the account or
                    // the order.
                    let order_id = of.order_id.as_str();
                    tracing::warn!(
                        order.id = order_id,
                        "Stripe refused the charge: {}",
                        refusal.code()
                    );
                }
                declined(&refusal.code())
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// Returns the intent of an earlier try. `None`: the charge can be requested again, because its
    /// key makes that the same request.
    async fn find_earlier_try(
        &self,
        of: PaymentKey<'_>,
        request: &ChargeRequest,
        key: &str,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        if let Some(id) = &request.past.transaction_id {
            return Ok(Some(self.api.get_intent(id.as_str()).await?));
        }
        let since = request.past.since;
        if age_of(since) < SEARCH_LAG && !self.key_faults.is_stuck(key) {
            return Ok(None);
        }
        match self.look_up(of, since, false).await? {
            LookUp::Found(intent) => Ok(Some(*intent)),
            LookUp::Absent | LookUp::NotSeen => Ok(None),
        }
    }

    /// Translates an intent into an outcome for the order. A declined intent is closed, because it
    /// could still be paid with another card.
    async fn charge_from_intent(
        &self,
        intent: Intent,
        capture: CaptureMode,
    ) -> Result<Charge, OutcomeUnknown> {
        match intent.status {
            IntentStatus::RequiresCapture if capture == CaptureMode::OnDispatch => {
                Ok(Charge::Authorised(transaction_id(&intent)?))
            }
            IntentStatus::Succeeded => Ok(Charge::Captured(transaction_id(&intent)?)),
            IntentStatus::RequiresAction | IntentStatus::Processing => {
                Ok(Charge::Unfinished(transaction_id(&intent)?))
            }
            IntentStatus::Canceled => Ok(Charge::Declined(decline_reason(
                &intent,
                "payment_canceled",
            ))),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresCapture => {
                self.cancel_intent(&intent.id).await?;
                Ok(Charge::Declined(decline_reason(&intent, "card_declined")))
            }
            IntentStatus::Unknown => Err(OutcomeUnknown(
                "the payment has an unknown status".to_owned(),
            )),
        }
    }
}

fn decline_reason(intent: &Intent, otherwise: &str) -> String {
    intent
        .last_payment_error
        .as_ref()
        .map_or(otherwise, Refusal::code)
        .to_owned()
}
