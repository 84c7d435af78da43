//! The activities that process payment events.

use std::sync::Arc;

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{LimitedProviders, provider_calls::StepError, reconcile, refund, retryable};
use contract::RequestOrigin;
use domain::{PaymentEvent, PaymentEventKind, PaymentStatus, Transaction, WebhookOutcome};
use store::{
    PgPool,
    late_events::{self, Appended, LateAuditEvent},
    ledger::{self, StoredTransaction, UnmatchedPayment},
    webhook_events,
};
use workflows::activity::{
    FoundOrder, LateAuditEventInput, OrderPresence, ReceivePaymentEventInput, ReconcileInput,
    ReconcileOutcome, RecordPaymentEventInput, RecordedBatch, RecordedEvent, SettlePaymentOutcome,
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

    #[activity(definition = workflows::activity::RecordDeliveries)]
    pub async fn record_deliveries(
        self: Arc<Self>,
        context: ActivityContext,
        delivered: Vec<RecordPaymentEventInput>,
    ) -> Result<RecordedBatch, ActivityError> {
        self.record_events(&delivered)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::FindOrder)]
    pub async fn find_order(
        self: Arc<Self>,
        context: ActivityContext,
        event: PaymentEvent,
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

fn is_of_another_order(stored: Option<&StoredTransaction>, event: &PaymentEvent) -> bool {
    stored.is_some_and(|stored| {
        event.order_id.is_some() && stored.order_id.is_some() && stored.order_id != event.order_id
    })
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
        let is_of_another_order = is_of_another_order(stored.as_ref(), event);
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

    /// Records events as [`Self::record_event`] does, with few statements for many failed attempts of
    /// one payment.
    async fn record_events(
        &self,
        delivered: &[RecordPaymentEventInput],
    ) -> Result<RecordedBatch, store::Error> {
        // Stored first, so that an order that takes the transaction later finds the events.
        webhook_events::receive_all(&self.pool, delivered.iter().map(|given| &given.event)).await?;
        let mut transactions: Vec<Transaction> = Vec::new();
        let mut of_another_order = Vec::new();
        let mut refuted = Vec::new();
        let mut decided = Vec::new();
        // Of events about one payment that move no money, the first has the effect of all.
        let mut applied: Vec<(&PaymentEvent, bool)> = Vec::new();
        for (index, given) in delivered.iter().enumerate() {
            let event = &given.event;
            let is_same = |known: &&(&PaymentEvent, bool)| {
                let known = known.0;
                (known.provider, &known.transaction_id, &known.aliases)
                    == (event.provider, &event.transaction_id, &event.aliases)
            };
            let moves_nothing = matches!(
                event.kind,
                PaymentEventKind::AttemptFailed { .. }
                    | PaymentEventKind::Unconfirmed { .. }
                    | PaymentEventKind::Ignored { .. }
                    | PaymentEventKind::Unreadable { .. }
            );
            let known = applied.iter().find(is_same).filter(|_| moves_nothing);
            let is_of_another_order = if let Some((_, is_of_another_order)) = known {
                *is_of_another_order
            } else {
                let ledger::AppliedEvent {
                    stored,
                    refuted: of_event,
                    ..
                } = ledger::apply_event(&self.pool, event).await?;
                refuted.extend(of_event);
                let is_of_another_order = is_of_another_order(stored.as_ref(), event);
                if moves_nothing {
                    applied.push((event, is_of_another_order));
                }
                if let Some(StoredTransaction { transaction, .. }) =
                    stored.filter(|_| !is_of_another_order)
                {
                    transactions.retain(|known| known.payment_id != transaction.payment_id);
                    transactions.push(transaction);
                }
                is_of_another_order
            };
            if is_of_another_order {
                of_another_order.push(index);
            }
            if given.settled || !is_of_another_order {
                decided.push((event, given.outcome, given.detail.as_deref()));
            }
        }
        // After the ledger, so that a reader of a payment sees the effect of a recorded event.
        webhook_events::record_outcomes(&self.pool, &decided).await?;
        Ok(RecordedBatch {
            transactions,
            of_another_order,
            refuted,
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
        let origin = RequestOrigin::of_payment_event(event);
        let payload = RequestOrigin::added_to(payload.clone(), origin.as_ref());
        let late = LateAuditEvent {
            order_id,
            event,
            kind: *kind,
            payload: &payload,
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
        event: &PaymentEvent,
        stored: &StoredTransaction,
    ) -> Result<(), store::Error> {
        if let (Some(order_id), Some((kind, payload))) = (&stored.order_id, event.capture_entry()) {
            let origin = RequestOrigin::of_payment_event(event);
            let payload = RequestOrigin::added_to(payload, origin.as_ref());
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
