//! The activities that process payment events.

use std::sync::Arc;

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{LimitedProviders, provider_calls::StepError, reconcile, refund, retryable};
use domain::{PaymentStatus, WebhookOutcome};
use store::{
    PgPool,
    late_events::{self, Appended, LateAuditEvent},
    ledger::{self, StoredTransaction, UnmatchedPayment},
    webhook_events,
};
use workflows::activity::{
    FoundOrder, LateAuditEventInput, OrderPresence, ReceivePaymentEventInput, ReconcileInput,
    ReconcileOutcome, RecordPaymentEventInput, RecordedEvent, SettlePaymentOutcome,
    UnmatchedPaymentInput,
};

pub struct SettlementActivities {
    pub pool: PgPool,
    pub providers: Arc<LimitedProviders>,
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
    ) -> Result<RecordedEvent, ActivityError> {
        self.record_event(&delivered)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::FindOrder)]
    pub async fn find_order(
        self: Arc<Self>,
        context: ActivityContext,
        event: domain::PaymentEvent,
    ) -> Result<FoundOrder, ActivityError> {
        let (order_id, presence) = late_events::find_order(&self.pool, &event)
            .await
            .map_err(|error| retryable(&context, &error))?;
        let presence = match presence {
            late_events::OrderPresence::Unknown => OrderPresence::Unknown,
            late_events::OrderPresence::Open => OrderPresence::Open,
            late_events::OrderPresence::Closed => OrderPresence::Closed,
        };
        Ok(FoundOrder { order_id, presence })
    }

    #[activity(definition = workflows::activity::SettlePayment)]
    pub async fn settle_payment(
        self: Arc<Self>,
        context: ActivityContext,
        unmatched: UnmatchedPaymentInput,
    ) -> Result<SettlePaymentOutcome, ActivityError> {
        self.settle_payment_once(&unmatched)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RefundEndedOrder)]
    pub async fn refund_ended_order(
        self: Arc<Self>,
        context: ActivityContext,
        order_id: domain::OrderId,
    ) -> Result<SettlePaymentOutcome, ActivityError> {
        self.refund_ended_once(&order_id)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::ReconcilePayments)]
    pub async fn reconcile_payments(
        self: Arc<Self>,
        context: ActivityContext,
        input: ReconcileInput,
    ) -> Result<ReconcileOutcome, ActivityError> {
        reconcile::compare_payments(&self.pool, &self.providers.providers, &input)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::AppendToTrail)]
    pub async fn append_to_trail(
        self: Arc<Self>,
        context: ActivityContext,
        late: LateAuditEventInput,
    ) -> Result<Option<WebhookOutcome>, ActivityError> {
        self.append_late_event(&late)
            .await
            .map_err(|error| retryable(&context, &error))
    }
}

impl SettlementActivities {
    async fn record_event(
        &self,
        delivered: &RecordPaymentEventInput,
    ) -> Result<RecordedEvent, store::Error> {
        let RecordPaymentEventInput {
            event,
            outcome,
            detail,
            settled,
        } = delivered;
        // Stored first, so that an order that takes the transaction later finds the event.
        webhook_events::receive(&self.pool, event).await?;
        // Before the event is recorded as done, so that a reader of the payment sees its effect.
        let applied = ledger::apply_event(&self.pool, event).await?;
        let stored = applied.stored;
        let is_of_another_order = stored.as_ref().is_some_and(|stored| {
            event.order_id.is_some()
                && stored.order_id.is_some()
                && stored.order_id != event.order_id
        });
        if *settled || !is_of_another_order {
            webhook_events::record_outcome(&self.pool, event, *outcome, detail.as_deref()).await?;
        }
        Ok(RecordedEvent::Recorded {
            transaction: stored.map(|stored| Box::new(stored.transaction)),
            is_of_another_order,
            is_second_payment: applied.is_second_payment,
            refuted: applied.refuted,
        })
    }

    async fn append_late_event(
        &self,
        late: &LateAuditEventInput,
    ) -> Result<Option<WebhookOutcome>, store::Error> {
        let LateAuditEventInput {
            event,
            order_id,
            kind,
            payload,
        } = late;
        let stored = ledger::apply_event(&self.pool, event).await?.stored;
        let late = LateAuditEvent {
            order_id,
            event,
            kind: *kind,
            payload,
            transaction: stored.as_ref().map(|stored| &stored.transaction),
        };
        Ok(
            match late_events::append(&self.pool, late, Utc::now()).await? {
                Appended::StillOpen => None,
                Appended::Written => Some(WebhookOutcome::Recorded),
                Appended::Known => Some(WebhookOutcome::Known),
            },
        )
    }

    /// Appends a later capture to the audit log of an order that has ended and has the payment.
    async fn append_capture(
        &self,
        event: &domain::PaymentEvent,
        stored: &StoredTransaction,
    ) -> Result<(), store::Error> {
        if let (Some(order_id), Some((kind, payload))) = (&stored.order_id, event.capture_entry()) {
            let late = LateAuditEvent {
                order_id,
                event,
                kind,
                payload: &payload,
                transaction: Some(&stored.transaction),
            };
            late_events::append(&self.pool, late, Utc::now()).await?;
        }
        Ok(())
    }

    /// Writes the ledger first, then calls the provider with the refund's idempotency key, then
    /// updates the ledger. If the worker dies in between, the next try finds the request and
    /// repeats the call with the same key.
    async fn settle_payment_once(
        &self,
        unmatched: &UnmatchedPaymentInput,
    ) -> Result<SettlePaymentOutcome, StepError> {
        if unmatched.amount.is_zero() {
            return Ok(SettlePaymentOutcome::NothingToRefund);
        }
        let event = &unmatched.event;
        // An order that takes the transaction later finds the event, too.
        webhook_events::receive(&self.pool, event).await?;
        let settlement = ledger::settle(
            &self.pool,
            UnmatchedPayment {
                event,
                transaction_id: &unmatched.transaction_id,
                amount: unmatched.amount,
                can_wait: unmatched.can_wait,
            },
        )
        .await?;
        let Some(settlement) = settlement else {
            return Ok(SettlePaymentOutcome::Waits);
        };
        if settlement.known {
            self.append_capture(event, &settlement.stored).await?;
            return Ok(SettlePaymentOutcome::Known);
        }
        let StoredTransaction {
            order_id,
            transaction,
        } = settlement.stored;
        let has_order = order_id.is_some();
        let settled = match order_id.or_else(|| event.order_id.clone()) {
            Some(order_id) => {
                refund::refund_due(&self.pool, &self.providers, &order_id, transaction).await?
            }
            None => transaction,
        };
        Ok(match settled.balance.status(has_order) {
            // The provider accepted the refund and reports its result later.
            PaymentStatus::Refunded | PaymentStatus::Refunding => SettlePaymentOutcome::Refunded,
            PaymentStatus::RefundDue => SettlePaymentOutcome::RefundDue,
            PaymentStatus::Pending | PaymentStatus::Declined => {
                SettlePaymentOutcome::NothingToRefund
            }
            PaymentStatus::Captured => SettlePaymentOutcome::Known,
        })
    }

    /// Writes the requests into the ledger first, as [`Self::settle_payment_once`] does.
    async fn refund_ended_once(
        &self,
        order_id: &domain::OrderId,
    ) -> Result<SettlePaymentOutcome, StepError> {
        let mut outcome = SettlePaymentOutcome::NothingToRefund;
        for transaction in ledger::request_unneeded(&self.pool, order_id).await? {
            let refunded = refund::refund_due(&self.pool, &self.providers, order_id, transaction);
            let balance = refunded.await?.balance;
            if balance.by_hand && balance.due > 0 {
                outcome = SettlePaymentOutcome::RefundDue;
            } else if outcome == SettlePaymentOutcome::NothingToRefund {
                outcome = SettlePaymentOutcome::Refunded;
            }
        }
        Ok(outcome)
    }
}
