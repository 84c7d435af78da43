//! Captures an intent that was authorised with `capture_method=manual`.

use super::{
    Stripe,
    api::CallError,
    money,
    object::{Intent, IntentStatus, Refusal},
};
use crate::{Capture, CaptureRequest, OutcomeUnknown};
use domain::WebhookProvider;

impl Stripe {
    pub(super) async fn capture_intent(
        &self,
        request: &CaptureRequest,
    ) -> Result<Capture, OutcomeUnknown> {
        if !request.transaction_id.is_stripe_intent() {
            return Ok(Capture::Unsupported);
        }
        let units = match WebhookProvider::Stripe.units_from_money(request.amount) {
            Ok(units) if units > 0 => units,
            Ok(_) | Err(_) => return Ok(refused("amount_not_capturable")),
        };
        let id = request.transaction_id.as_str();
        let form = vec![("amount_to_capture", units.to_string())];
        match self.api.capture_intent(id, &form, &request.key).await {
            Ok(intent) => capture_from_intent(&intent, None),
            // The intent was captured or cancelled before, or the amount is too large.
            Err(CallError::Refused(refusal)) => match self.api.get_intent(id).await {
                Ok(intent) => capture_from_intent(&intent, Some(&refusal)),
                Err(CallError::Refused(_)) => Ok(refused(refusal.code())),
                Err(failed) => Err(failed.into()),
            },
            Err(failed) => Err(failed.into()),
        }
    }
}

fn capture_from_intent(
    intent: &Intent,
    refusal: Option<&Refusal>,
) -> Result<Capture, OutcomeUnknown> {
    match (intent.status, refusal) {
        (IntentStatus::Succeeded, _) => Ok(Capture::Captured {
            // The amount is the sum of all captures, as in the event `payment_intent.succeeded`.
            capture_id: None,
            amount: money(intent.captured_units(), &intent.currency)?,
        }),
        (IntentStatus::Canceled, _) => Ok(refused("payment_canceled")),
        (IntentStatus::Processing, _) => Err(OutcomeUnknown(
            "the capture is still being processed".to_owned(),
        )),
        (_, Some(refusal)) => Ok(refused(refusal.code())),
        (_, None) => Err(OutcomeUnknown(
            "the payment has an unknown status after its capture".to_owned(),
        )),
    }
}

fn refused(reason: &str) -> Capture {
    Capture::Refused {
        reason: reason.to_owned(),
    }
}
