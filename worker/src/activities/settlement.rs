//! What is done about the events of payment providers.

use super::{PAYMENT_ANSWER, again};
use crate::payment::{Past, PaymentProvider, Refund, RefundRequest};
use chrono::Utc;
use domain::{DeliveryOutcome, OrderId, PaymentEventKind, PaymentId, PaymentStatus};
use std::{error::Error, sync::Arc};
use store::{
    PgPool, deliveries, payments,
    strays::{self, Claim, Found},
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::timeout;
use workflows::activity::{Delivered, Delivery, Postscript, Settled, Stray, Whose};

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
        delivery: Delivery,
    ) -> Result<Option<DeliveryOutcome>, ActivityError> {
        let outcome = deliveries::receive(&self.pool, &delivery.event).await;
        let outcome = outcome.map_err(|error| again(&context, &error))?;
        Ok(outcome.filter(|_| !delivery.again))
    }

    #[activity(definition = workflows::activity::RecordDelivery)]
    pub async fn record_delivery(
        self: Arc<Self>,
        context: ActivityContext,
        delivered: Delivered,
    ) -> Result<(), ActivityError> {
        let Delivered { event, outcome, detail } = &delivered;
        // Before it counts as done: whoever looks at the payment then must find it so.
        if let (PaymentEventKind::Refunded { amount }, Some(transaction_id)) = (&event.kind, &event.transaction_id) {
            let given_back = strays::given_back(&self.pool, event.provider.as_str(), transaction_id, *amount);
            given_back.await.map_err(|error| again(&context, &error))?;
        }
        let recorded = deliveries::record(&self.pool, event, *outcome, detail.as_deref()).await;
        recorded.map_err(|error| again(&context, &error))
    }

    #[activity(definition = workflows::activity::FindOrder)]
    pub async fn find_order(
        self: Arc<Self>,
        context: ActivityContext,
        order_id: OrderId,
    ) -> Result<Whose, ActivityError> {
        match strays::find(&self.pool, &order_id).await {
            Ok(Found::Unknown) => Ok(Whose::Unknown),
            Ok(Found::Open) => Ok(Whose::Open),
            Ok(Found::Closed) => Ok(Whose::Closed),
            Err(error) => Err(again(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::SettlePayment)]
    pub async fn settle_payment(
        self: Arc<Self>,
        context: ActivityContext,
        stray: Stray,
    ) -> Result<Settled, ActivityError> {
        self.settle(&stray).await.map_err(|error| again(&context, &*error))
    }

    #[activity(definition = workflows::activity::AppendToTrail)]
    pub async fn append_to_trail(
        self: Arc<Self>,
        context: ActivityContext,
        postscript: Postscript,
    ) -> Result<bool, ActivityError> {
        let Postscript { event, kind, payload } = &postscript;
        let Some(order_id) = &event.order_id else { return Ok(false) };
        let appended = strays::append(&self.pool, order_id, &event.event_id, *kind, payload, Utc::now()).await;
        appended.map_err(|error| again(&context, &error))
    }
}

impl SettlementActivities {
    /// The row first, then the provider under the payment's own name, then the row again: whoever dies in between, the
    /// next try finds the row and asks under the same name.
    async fn settle(&self, stray: &Stray) -> Result<Settled, Box<dyn Error + Send + Sync>> {
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
            Claim::Paid => return Ok(Settled::Known),
            Claim::Stray(PaymentStatus::Refunded) => return Ok(Settled::Refunded),
            Claim::Stray(PaymentStatus::RefundDue) => return Ok(Settled::RefundDue),
            Claim::Stray(
                PaymentStatus::Refunding | PaymentStatus::Pending | PaymentStatus::Captured | PaymentStatus::Declined,
            ) => {}
        }
        let nobody = OrderId::unnamed;
        let request = RefundRequest {
            payment_id: payment_id.clone(),
            order_id: stray.event.order_id.clone().unwrap_or_else(nobody),
            amount: stray.amount,
            provider: provider.to_owned(),
            past: Past { since: Utc::now(), asked: true, transaction_id: Some(stray.transaction_id.clone()) },
        };
        let (settled, status) = match timeout(PAYMENT_ANSWER, self.provider.refund(&request)).await?? {
            Refund::Refunded(_) => (Settled::Refunded, PaymentStatus::Refunded),
            Refund::Unsupported | Refund::NeverCaptured => (Settled::RefundDue, PaymentStatus::RefundDue),
        };
        payments::settle(&self.pool, &payment_id, status, None).await?;
        Ok(settled)
    }
}
