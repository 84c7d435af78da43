//! Compensation: refunds a captured payment, and makes sure that any other is never captured.

use super::{
    PaymentKey, Stripe,
    api::CallError,
    object::{Intent, IntentStatus, RefundStatus, is_of},
    outcome_unknown, transaction_id,
};
use crate::payment::{EXTERNAL, OutcomeUnknown, PaymentProvider, Refund, RefundRequest};
use domain::{TransactionId, WebhookProvider};

impl Stripe {
    pub(super) async fn give_back(
        &self,
        request: &RefundRequest,
    ) -> Result<Refund, OutcomeUnknown> {
        let known = request
            .past
            .transaction_id
            .as_ref()
            .filter(|id| id.as_str().starts_with("pi_"));
        // Only payments of this account, or confirmed ones. An operator must refund payments at
        // other providers.
        let confirmed = request.provider == EXTERNAL && known.is_some();
        if request.provider != self.name() && !confirmed {
            return Ok(Refund::Unsupported);
        }
        let of = PaymentKey {
            order_id: &request.order_id,
            payment_id: &request.payment_id,
        };
        let found = match known {
            None => self.find_intent(of, request.past.since).await?,
            Some(id) => match self.api.get_intent(id.as_str()).await {
                Ok(intent) => Some(intent),
                // The payment was confirmed, and is not in this account.
                Err(CallError::Refused(refusal))
                    if confirmed || refusal.has_code("resource_missing") =>
                {
                    return Ok(Refund::Unsupported);
                }
                Err(failed) => return Err(outcome_unknown(failed)),
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
                self.cancel_intent(&intent.id).await?;
                Ok(Refund::NeverCaptured)
            }
            IntentStatus::Processing => Err(OutcomeUnknown(
                "the payment is still being processed; it can be refunded later".to_owned(),
            )),
            IntentStatus::Unknown => Err(OutcomeUnknown(
                "the payment has an unknown status".to_owned(),
            )),
        }
    }

    async fn refund_intent(
        &self,
        intent: &Intent,
        of: PaymentKey<'_>,
    ) -> Result<Refund, OutcomeUnknown> {
        let capture = transaction_id(intent)?;
        let before = self
            .api
            .list_refunds(&intent.id)
            .await
            .map_err(outcome_unknown)?;
        let ours = before
            .data
            .iter()
            .find(|refund| is_of(refund.metadata.as_ref(), of.order_id, of.payment_id));
        if let Some(refund) = ours {
            return Ok(refund_from_status(refund.status, capture));
        }
        let mut form = of.metadata_fields();
        // Without an amount, Stripe refunds everything that is not refunded yet.
        form.push(("payment_intent", intent.id.clone()));
        match self
            .api
            .create_refund(&form, &of.idempotency_key("refund"))
            .await
        {
            Ok(refund) => Ok(refund_from_status(refund.status, capture)),
            Err(CallError::Refused(refusal)) if refusal.has_code("charge_already_refunded") => {
                Ok(Refund::Refunded(capture))
            }
            Err(CallError::Refused(refusal)) => {
                let order_id = of.order_id.as_str();
                tracing::error!(
                    order.id = order_id,
                    "Stripe refused the refund, which is now due: {}",
                    refusal.code()
                );
                Ok(Refund::Unsupported)
            }
            Err(CallError::NoAnswer(silence)) => Err(silence),
        }
    }

    /// No intent was found, and a charge may still arrive. So the key is used up on an intent that
    /// takes no money, and that intent is closed. If the charge has used the key already, its
    /// intent must be found.
    async fn spend_key(
        &self,
        of: PaymentKey<'_>,
        request: &RefundRequest,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        let Ok(units) = WebhookProvider::Stripe.units_from_money(request.amount) else {
            return Ok(None);
        };
        let mut form = of.metadata_fields();
        form.extend([
            ("amount", units.to_string()),
            (
                "currency",
                request.amount.currency().code().to_ascii_lowercase(),
            ),
            ("payment_method_types[]", "card".to_owned()),
        ]);
        match self
            .api
            .create_intent(&form, &of.idempotency_key("charge"))
            .await
        {
            Ok(intent) => {
                self.cancel_intent(&intent.id).await?;
                Ok(None)
            }
            Err(CallError::Refused(refusal)) if refusal.is_of_the_key() => {
                match self.search_intent(of).await? {
                    Some(intent) => Ok(Some(intent)),
                    None => Err(OutcomeUnknown(
                        "Stripe has the charge, but its search does not find it yet".to_owned(),
                    )),
                }
            }
            // A request that Stripe rejects now was rejected as a charge as well.
            Err(CallError::Refused(_)) => Ok(None),
            Err(CallError::NoAnswer(silence)) => Err(silence),
        }
    }
}

fn refund_from_status(status: Option<RefundStatus>, capture: TransactionId) -> Refund {
    match status {
        // Stripe has accepted the refund. If it fails later, a webhook event reports it.
        Some(RefundStatus::Succeeded | RefundStatus::Pending | RefundStatus::Unknown) | None => {
            Refund::Refunded(capture)
        }
        // The customer's bank rejects the refund or requires an action; an operator must act.
        Some(RefundStatus::RequiresAction | RefundStatus::Failed | RefundStatus::Canceled) => {
            Refund::Unsupported
        }
    }
}
