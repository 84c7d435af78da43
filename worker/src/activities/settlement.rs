//! The activities that process payment events.

use std::{error::Error, sync::Arc};

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::timeout;

use super::{PAYMENT_ANSWER, retryable};
use crate::payment::{Past, PaymentProvider, Refund, RefundRequest};
use domain::{PaymentEvent, PaymentId, PaymentStatus, WebhookOutcome};
use store::{
    PgPool, payments,
    strays::{self, Appended, Claim, Standing},
    webhook_events,
};
use workflows::activity::{
    Found, Postscript, ReceivePaymentEventInput, RecordPaymentEventInput, SettlePaymentOutcome,
    Stray, Whose,
};

pub struct SettlementActivities {
    pub pool: PgPool,
    pub provider: Arc<dyn PaymentProvider>,
}

#[activities]
impl SettlementActivities {
    #[activity(definition = workflows::activity::ReceiveDelivery)]
    pub async fn receive_delivery(
        self: Arc<Self>,
        context: ActivityContext,
        delivery: ReceivePaymentEventInput,
    ) -> Result<Option<WebhookOutcome>, ActivityError> {
        let outcome = webhook_events::receive(&self.pool, &delivery.event).await;
        let outcome = outcome.map_err(|error| retryable(&context, &error))?;
        Ok(outcome.filter(|_| !delivery.again))
    }

    #[activity(definition = workflows::activity::RecordDelivery)]
    pub async fn record_delivery(
        self: Arc<Self>,
        context: ActivityContext,
        delivered: RecordPaymentEventInput,
    ) -> Result<Option<PaymentStatus>, ActivityError> {
        self.record_event(&delivered)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::FindOrder)]
    pub async fn find_order(
        self: Arc<Self>,
        context: ActivityContext,
        event: PaymentEvent,
    ) -> Result<Found, ActivityError> {
        let (order_id, standing) = strays::find_order(&self.pool, &event)
            .await
            .map_err(|error| retryable(&context, &error))?;
        let whose = match standing {
            Standing::Unknown => Whose::Unknown,
            Standing::Open => Whose::Open,
            Standing::Closed => Whose::Closed,
        };
        Ok(Found { order_id, whose })
    }

    #[activity(definition = workflows::activity::SettlePayment)]
    pub async fn settle_payment(
        self: Arc<Self>,
        context: ActivityContext,
        stray: Stray,
    ) -> Result<SettlePaymentOutcome, ActivityError> {
        self.settle_payment_once(&stray)
            .await
            .map_err(|error| retryable(&context, &*error))
    }

    #[activity(definition = workflows::activity::AppendToTrail)]
    pub async fn append_to_trail(
        self: Arc<Self>,
        context: ActivityContext,
        postscript: Postscript,
    ) -> Result<Option<WebhookOutcome>, ActivityError> {
        self.append_audit_events(&postscript)
            .await
            .map_err(|error| retryable(&context, &error))
    }
}

impl SettlementActivities {
    async fn record_event(
        &self,
        delivered: &RecordPaymentEventInput,
    ) -> Result<Option<PaymentStatus>, store::Error> {
        let RecordPaymentEventInput {
            event,
            outcome,
            detail,
        } = delivered;
        // Locks the row before it reads the events, so that of two concurrent events one sees both.
        webhook_events::receive(&self.pool, event).await?;
        // Before the event is recorded as done, so that a reader of the payment sees its effect.
        let standing = self.standing_of(event).await?;
        webhook_events::record_outcome(&self.pool, event, *outcome, detail.as_deref()).await?;
        Ok(standing)
    }

    async fn standing_of(
        &self,
        event: &PaymentEvent,
    ) -> Result<Option<PaymentStatus>, store::Error> {
        let Some(transaction_id) = &event.transaction_id else {
            return Ok(None);
        };
        strays::take_stock(&self.pool, event.provider, transaction_id).await
    }

    async fn append_audit_events(
        &self,
        postscript: &Postscript,
    ) -> Result<Option<WebhookOutcome>, store::Error> {
        let Postscript {
            event,
            order_id,
            kind,
            payload,
        } = postscript;
        let standing = self.standing_of(event).await?;
        let postscript = strays::Postscript {
            order_id,
            event,
            kind: *kind,
            payload,
            standing,
        };
        Ok(
            match strays::append_late_entry(&self.pool, postscript, Utc::now()).await? {
                Appended::StillOpen => None,
                Appended::Written => Some(WebhookOutcome::Recorded),
                Appended::Known => Some(WebhookOutcome::Known),
            },
        )
    }

    /// Writes the row first, then calls the provider with the payment's idempotency key, then
    /// updates the row. If the worker dies in between, the next try finds the row and repeats the
    /// call with the same key.
    async fn settle_payment_once(
        &self,
        stray: &Stray,
    ) -> Result<SettlePaymentOutcome, Box<dyn Error + Send + Sync>> {
        if stray.amount.minor() == 0 {
            return Ok(SettlePaymentOutcome::NothingToRefund);
        }
        let provider = stray.event.provider.as_str();
        let payment_id = PaymentId::parse(&format!("{provider}:{}", stray.transaction_id))?;
        let claimed = strays::claim(
            &self.pool,
            strays::Stray {
                order_id: stray.event.order_id.as_ref(),
                payment_id: &payment_id,
                provider,
                transaction_id: &stray.transaction_id,
                amount: stray.amount,
            },
        );
        match claimed.await? {
            Claim::Paid => return Ok(SettlePaymentOutcome::Known),
            Claim::Stray(PaymentStatus::Refunded) => return Ok(SettlePaymentOutcome::Refunded),
            Claim::Stray(PaymentStatus::RefundDue) => return Ok(SettlePaymentOutcome::RefundDue),
            Claim::Stray(PaymentStatus::Declined) => {
                return Ok(SettlePaymentOutcome::NothingToRefund);
            }
            Claim::Stray(
                PaymentStatus::Refunding | PaymentStatus::Pending | PaymentStatus::Captured,
            ) => {}
        }
        let Some(order_id) = stray.event.order_id.clone() else {
            // The payment can be for something that is not an order. An operator must decide.
            payments::record_status(&self.pool, &payment_id, PaymentStatus::RefundDue, None)
                .await?;
            return Ok(SettlePaymentOutcome::RefundDue);
        };
        let request = RefundRequest {
            payment_id: payment_id.clone(),
            order_id,
            amount: stray.amount,
            provider: provider.to_owned(),
            past: Past {
                since: Utc::now(),
                asked: true,
                transaction_id: Some(stray.transaction_id.clone()),
            },
        };
        let (settled, status) =
            match timeout(PAYMENT_ANSWER, self.provider.refund(&request)).await?? {
                Refund::Refunded(_) => (SettlePaymentOutcome::Refunded, PaymentStatus::Refunded),
                Refund::Unsupported | Refund::NeverCaptured => {
                    (SettlePaymentOutcome::RefundDue, PaymentStatus::RefundDue)
                }
            };
        payments::record_status(&self.pool, &payment_id, status, None).await?;
        Ok(settled)
    }
}
