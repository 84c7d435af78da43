//! Refunds: returns captured money, in parts or whole, and makes sure that money which was not
//! captured never is.

use super::{
    PaymentKey, SEARCH_LAG, Stripe, age_of,
    api::{CallError, Form},
    find::LookUp,
    money,
    object::{Intent, IntentStatus, Refund as StripeRefund, RefundStatus, is_of},
    transaction_id,
};
use crate::{EXTERNAL, OutcomeUnknown, PaymentProvider, Refund, RefundRequest};
use domain::WebhookProvider;

/// The maximum number of pages of one payment's refunds.
const PAGES: usize = 5;
/// The units of an intent that takes no money, if the amount of the charge is unknown. More than
/// Stripe's minimum and less than its maximum in each currency.
const UNITS_OF_A_VOID: i64 = 1_000_000;

impl Stripe {
    pub(super) async fn refund_payment(
        &self,
        request: &RefundRequest,
    ) -> Result<Refund, OutcomeUnknown> {
        let known = request
            .past
            .transaction_id
            .as_ref()
            .filter(|id| id.is_stripe_intent());
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
            None => self.find_or_prevent(of, request).await?,
            Some(id) => match self.api.get_intent(id.as_str()).await {
                Ok(intent) => Some(intent),
                // The payment was confirmed, and is not in this account.
                Err(CallError::Refused(refusal))
                    if confirmed || refusal.has_code("resource_missing") =>
                {
                    return Ok(Refund::Unsupported);
                }
                Err(failed) => return Err(failed.into()),
            },
        };
        let Some(intent) = found else {
            return Ok(Refund::NeverCaptured);
        };
        match intent.status {
            IntentStatus::Succeeded => self.refund_intent(&intent, of, request).await,
            IntentStatus::Canceled => Ok(Refund::NeverCaptured),
            IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
            | IntentStatus::RequiresCapture => {
                if request.whole {
                    self.cancel_intent(&intent.id).await?;
                }
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
        request: &RefundRequest,
    ) -> Result<Refund, OutcomeUnknown> {
        if let Some(refund) = self.find_refund(intent, of, request).await? {
            return refund_from_stripe(&refund, intent);
        }
        let Some(refunded) = intent.refunded_units() else {
            return Err(OutcomeUnknown("Stripe's payment has no charge".to_owned()));
        };
        let left = intent.captured_units() - refunded;
        if left == 0 {
            return already_refunded(intent, refunded);
        }
        let units = match WebhookProvider::Stripe.units_from_money(request.amount) {
            _ if request.whole => left,
            Ok(units) => units.min(left),
            Err(_) => 0,
        };
        if units <= 0 {
            return Ok(due(of, "amount_not_refundable"));
        }
        let mut form: Form<'_> = of.metadata_fields();
        form.extend([
            ("metadata[refund_key]", request.key.clone()),
            ("payment_intent", intent.id.clone()),
            ("amount", units.to_string()),
        ]);
        match self.api.create_refund(&form, &request.key).await {
            Ok(refund) => refund_from_stripe(&refund, intent),
            Err(CallError::Refused(refusal)) if refusal.has_code("charge_already_refunded") => {
                already_refunded(intent, intent.captured_units())
            }
            // Stripe has another request with this key, and that request is finished. A refund that
            // it made is in the list.
            Err(CallError::Refused(refusal)) if refusal.is_of_the_key() => {
                match self.find_refund(intent, of, request).await? {
                    Some(refund) => refund_from_stripe(&refund, intent),
                    None => Ok(due(of, refusal.code())),
                }
            }
            Err(CallError::Refused(refusal)) => Ok(due(of, refusal.code())),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Returns the refund that an earlier try made.
    async fn find_refund(
        &self,
        intent: &Intent,
        of: PaymentKey<'_>,
        request: &RefundRequest,
    ) -> Result<Option<StripeRefund>, OutcomeUnknown> {
        let is_ours = |refund: &StripeRefund| {
            is_of(refund.metadata.as_ref(), of.order_id, of.payment_id)
                && refund.has_key(&request.key, request.whole)
        };
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.api.list_refunds(&intent.id, after.as_deref()).await?;
            after = page.data.last().map(|refund| refund.id.clone());
            if let Some(refund) = page.data.into_iter().find(is_ours) {
                return Ok(Some(refund));
            }
            if !page.has_more || after.is_none() {
                return Ok(None);
            }
        }
        Err(OutcomeUnknown(
            "the payment has too many refunds".to_owned(),
        ))
    }

    /// Finds the intent of a charge with an unknown outcome, or makes sure that there never is one.
    /// `None`: nothing was captured and nothing can be.
    async fn find_or_prevent(
        &self,
        of: PaymentKey<'_>,
        request: &RefundRequest,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        let since = request.past.since;
        if !request.whole || age_of(since) >= SEARCH_LAG {
            match self.look_up(of, since, false).await? {
                LookUp::Found(intent) => return Ok(Some(*intent)),
                LookUp::Absent if !request.whole => return Ok(None),
                LookUp::NotSeen if !request.whole => {
                    return Err(OutcomeUnknown(
                        "Stripe's search does not find the payment yet".to_owned(),
                    ));
                }
                LookUp::Absent | LookUp::NotSeen => {}
            }
        }
        self.spend_key(of, request).await
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
        let is_amount_known = units > 0;
        let units = if is_amount_known {
            units
        } else {
            UNITS_OF_A_VOID
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
        match self.create_intent(&form, &of.charge_key()).await {
            Ok(intent) => {
                self.cancel_intent(&intent.id).await?;
                Ok(None)
            }
            Err(CallError::Refused(refusal)) if refusal.is_of_the_key() => {
                self.find_finished_charge(of, request).await
            }
            // A request that Stripe rejects now was rejected as a charge as well.
            Err(CallError::Refused(_)) if is_amount_known => Ok(None),
            // Stripe stored this failure for exactly this request, which takes no money. So no
            // charge can use the key any more.
            Err(CallError::Failed { replayed: true, .. }) => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// The charge has used its key, so Stripe has finished it: a request in progress gets another
    /// response. Either there is an intent, or Stripe stored an error.
    async fn find_finished_charge(
        &self,
        of: PaymentKey<'_>,
        request: &RefundRequest,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        let since = request.past.since;
        match self.look_up(of, since, true).await? {
            LookUp::Found(intent) => Ok(Some(*intent)),
            LookUp::Absent if age_of(since) >= SEARCH_LAG => Ok(None),
            LookUp::Absent | LookUp::NotSeen => Err(OutcomeUnknown(
                "Stripe has the charge, but its search does not find it yet".to_owned(),
            )),
        }
    }
}

fn refund_from_stripe(refund: &StripeRefund, intent: &Intent) -> Result<Refund, OutcomeUnknown> {
    match refund.status {
        // Stripe has accepted the refund. If it fails later, a webhook event reports it.
        Some(RefundStatus::Succeeded | RefundStatus::Pending | RefundStatus::Unknown) | None => {
            Ok(Refund::Refunded {
                transaction_id: transaction_id(intent)?,
                refund_id: Some(refund.id.clone()),
                amount: money(refund.amount, &intent.currency)?,
            })
        }
        // The customer's bank rejects the refund or requires an action; an operator must act.
        Some(RefundStatus::RequiresAction | RefundStatus::Failed | RefundStatus::Canceled) => {
            Ok(Refund::Unsupported)
        }
    }
}

/// Everything was refunded before, in Stripe's dashboard for example.
fn already_refunded(intent: &Intent, units: i64) -> Result<Refund, OutcomeUnknown> {
    Ok(Refund::Refunded {
        transaction_id: transaction_id(intent)?,
        refund_id: None,
        amount: money(units, &intent.currency)?,
    })
}

fn due(of: PaymentKey<'_>, code: &str) -> Refund {
    tracing::warn!(
        order.id = of.order_id.as_str(),
        "Stripe refused the refund, which is now due: {code}"
    );
    Refund::Unsupported
}
