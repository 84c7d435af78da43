//! The activities of an order.

use std::sync::Arc;

use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::time::timeout;

use super::{PAYMENT_ANSWER, projection_of, retryable};
use crate::payment::{
    Charge as Answer, ChargeRequest, EXTERNAL, Past, PaymentProvider, Refund as Undone,
    RefundRequest,
};
use domain::{Currency, Money, PaymentStatus, TransactionId, WebhookProvider};
use store::{
    PgPool,
    inventory::{self, Reservation},
    orders::{self, OrderProjection, RowOwner},
    payments::{self, Claim, Payment, Standing},
    strays,
};
use workflows::activity::{
    ChargeOutcome, ChargePaymentInput, PendingWrite, ReceiveOrderInput, ReceiveOrderOutcome,
    RecordPaymentInput, RecordPaymentOutcome, RefundOutcome, RefundPaymentInput,
    ReservationOutcome, ValidateOrderInput, ValidationOutcome,
};

pub struct OrderActivities {
    pub pool: PgPool,
    pub provider: Arc<dyn PaymentProvider>,
    pub default_stock: i64,
}

#[activities]
impl OrderActivities {
    #[activity(definition = workflows::activity::ReceiveOrder)]
    pub async fn receive_order(
        self: Arc<Self>,
        context: ActivityContext,
        receive: ReceiveOrderInput,
    ) -> Result<ReceiveOrderOutcome, ActivityError> {
        match orders::insert(
            &self.pool,
            projection_of(&context, &receive.write),
            &receive.run_id,
        )
        .await
        {
            Ok(RowOwner::ThisRun) => Ok(ReceiveOrderOutcome::Fresh),
            Ok(RowOwner::OtherRun) => Ok(ReceiveOrderOutcome::Duplicate),
            Err(error) => Err(retryable(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::ValidateOrder)]
    pub async fn validate_order(
        self: Arc<Self>,
        _: ActivityContext,
        validate: ValidateOrderInput,
    ) -> Result<ValidationOutcome, ActivityError> {
        Ok(
            match contract::parse_order(&validate.document.to_string()) {
                Ok(order) => ValidationOutcome::Valid {
                    order: Box::new(order),
                },
                Err(invalid) => ValidationOutcome::Invalid { errors: invalid.0 },
            },
        )
    }

    #[activity(definition = workflows::activity::ReserveInventory)]
    pub async fn reserve_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<ReservationOutcome, ActivityError> {
        let lines = write
            .record
            .order
            .as_ref()
            .map(|order| order.lines.as_slice())
            .unwrap_or_default();
        match inventory::reserve(
            &self.pool,
            projection_of(&context, &write),
            lines,
            self.default_stock,
        )
        .await
        {
            Ok(Reservation::Held) => Ok(ReservationOutcome::Reserved),
            Ok(Reservation::Unavailable { sku, available }) => {
                Ok(ReservationOutcome::Unavailable { sku, available })
            }
            Err(error) => Err(retryable(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::ChargePayment)]
    pub async fn charge_payment(
        self: Arc<Self>,
        context: ActivityContext,
        charge: ChargePaymentInput,
    ) -> Result<ChargeOutcome, ActivityError> {
        self.charge_once(projection_of(&context, &charge.write), &charge)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecordPayment)]
    pub async fn record_payment(
        self: Arc<Self>,
        context: ActivityContext,
        paid: RecordPaymentInput,
    ) -> Result<RecordPaymentOutcome, ActivityError> {
        let payment = Payment {
            payment_id: &paid.payment_id,
            amount: paid.amount,
            provider: paid
                .confirmation
                .provider
                .map_or(EXTERNAL, WebhookProvider::as_str),
            payment_method: paid.confirmation.payment_method.as_deref(),
            status: PaymentStatus::Captured,
            transaction_id: Some(&paid.confirmation.transaction_id),
        };
        let recorded = self
            .confirm_once(projection_of(&context, &paid.write), &paid, payment)
            .await;
        recorded.map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RefundPayment)]
    pub async fn refund_payment(
        self: Arc<Self>,
        context: ActivityContext,
        refund: RefundPaymentInput,
    ) -> Result<RefundOutcome, ActivityError> {
        match self
            .refund_once(projection_of(&context, &refund.write), &refund)
            .await
        {
            Ok(status) => Ok(RefundOutcome { status }),
            Err(error) => Err(retryable(&context, &error)),
        }
    }

    #[activity(definition = workflows::activity::ReleaseInventory)]
    pub async fn release_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<bool, ActivityError> {
        inventory::release(&self.pool, projection_of(&context, &write))
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::CommitInventory)]
    pub async fn commit_inventory(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        inventory::commit(&self.pool, projection_of(&context, &write))
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::ConfirmDelivery)]
    pub async fn confirm_delivery(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        orders::record_projection(&self.pool, projection_of(&context, &write))
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecordOrder)]
    pub async fn record_order(
        self: Arc<Self>,
        context: ActivityContext,
        write: PendingWrite,
    ) -> Result<(), ActivityError> {
        orders::record_projection(&self.pool, projection_of(&context, &write))
            .await
            .map_err(|error| retryable(&context, &error))
    }
}

/// The reason to repeat a compensation.
#[derive(Debug, thiserror::Error)]
enum RefundError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the payment provider did not refund")]
    Provider(#[from] crate::payment::OutcomeUnknown),
    #[error("the payment provider did not respond in time")]
    Silent,
    #[error("payment {0} has an invalid amount")]
    Amount(String),
}

impl OrderActivities {
    /// Writes the row first, then calls the provider with the payment's idempotency key, then
    /// updates the row. If the worker dies in between, the next try finds the row, repeats the call
    /// with the same key and receives the first response.
    async fn charge_once(
        &self,
        image: OrderProjection<'_>,
        charge: &ChargePaymentInput,
    ) -> Result<ChargeOutcome, store::Error> {
        let payment = Payment {
            payment_id: &charge.payment_id,
            amount: charge.amount,
            provider: self.provider.name(),
            payment_method: charge.payment_method.as_deref(),
            status: PaymentStatus::Pending,
            transaction_id: None,
        };
        let Claim::Ours(standing) = payments::claim(&self.pool, image, payment).await? else {
            return Ok(ChargeOutcome::InUse);
        };
        if let Some(charged) = charged_before(&standing) {
            return Ok(charged);
        }
        if standing.provider != self.provider.name() {
            // The other provider may have charged already. A worker that uses that provider finds
            // out.
            let reason = format!(
                "this payment was started at {}, and this worker uses another provider",
                standing.provider
            );
            return Ok(ChargeOutcome::Unavailable { reason });
        }
        let request = ChargeRequest {
            past: past_of(&standing),
            payment_id: charge.payment_id.clone(),
            order_id: charge.write.record.order_id.clone(),
            amount: charge.amount,
            payment_method: charge.payment_method.clone(),
        };
        match timeout(PAYMENT_ANSWER, self.provider.charge(&request)).await {
            Ok(Ok(Answer::Captured(transaction_id))) => {
                let captured = PaymentStatus::Captured;
                payments::record_status(
                    &self.pool,
                    &charge.payment_id,
                    captured,
                    Some(&transaction_id),
                )
                .await?;
                Ok(ChargeOutcome::Captured { transaction_id })
            }
            Ok(Ok(Answer::Unfinished(transaction_id))) => {
                payments::record_transaction(&self.pool, &charge.payment_id, &transaction_id)
                    .await?;
                Ok(ChargeOutcome::Unfinished { transaction_id })
            }
            Ok(Ok(Answer::Declined(reason))) => {
                payments::record_status(
                    &self.pool,
                    &charge.payment_id,
                    PaymentStatus::Declined,
                    None,
                )
                .await?;
                Ok(ChargeOutcome::Declined { reason })
            }
            Ok(Err(error)) => Ok(ChargeOutcome::Unavailable {
                reason: error.to_string(),
            }),
            Err(_) => Ok(ChargeOutcome::Unavailable {
                reason: format!("no response within {PAYMENT_ANSWER:?}"),
            }),
        }
    }

    async fn confirm_once(
        &self,
        image: OrderProjection<'_>,
        paid: &RecordPaymentInput,
        payment: Payment<'_>,
    ) -> Result<RecordPaymentOutcome, store::Error> {
        let standing = match payments::claim(&self.pool, image, payment).await? {
            Claim::Ours(standing) => standing,
            Claim::PaymentInUse => return Ok(RecordPaymentOutcome::PaymentInUse),
            Claim::TransactionInUse => return Ok(RecordPaymentOutcome::TransactionInUse),
        };
        let transaction_id = &paid.confirmation.transaction_id;
        if standing.status == PaymentStatus::Pending {
            // A charge of this worker that was pending and now has an outcome.
            payments::record_status(
                &self.pool,
                &paid.payment_id,
                PaymentStatus::Captured,
                Some(transaction_id),
            )
            .await?;
        }
        let Some(provider) = paid.confirmation.provider else {
            return Ok(RecordPaymentOutcome::Recorded);
        };
        // Events about a later refund or dispute can have arrived before this response.
        Ok(
            match strays::take_stock(&self.pool, provider, transaction_id).await? {
                Some(PaymentStatus::Refunded | PaymentStatus::Declined) => {
                    RecordPaymentOutcome::AlreadyRefunded
                }
                Some(
                    PaymentStatus::Pending
                    | PaymentStatus::Captured
                    | PaymentStatus::Refunding
                    | PaymentStatus::RefundDue,
                )
                | None => RecordPaymentOutcome::Recorded,
            },
        )
    }

    /// Compensates a payment with any outcome: refunds a captured payment, voids any other.
    async fn refund_once(
        &self,
        image: OrderProjection<'_>,
        refund: &RefundPaymentInput,
    ) -> Result<PaymentStatus, RefundError> {
        let order_id = &refund.write.record.order_id;
        orders::record_projection(&self.pool, image).await?;
        let Some(standing) =
            payments::read_standing(&self.pool, order_id, &refund.payment_id).await?
        else {
            return Ok(PaymentStatus::Declined);
        };
        match standing.status {
            PaymentStatus::Declined | PaymentStatus::Refunded | PaymentStatus::RefundDue => {
                return Ok(standing.status);
            }
            PaymentStatus::Pending | PaymentStatus::Captured | PaymentStatus::Refunding => {}
        }
        let amount = Currency::parse(&standing.currency)
            .and_then(|currency| Money::from_minor(standing.amount_minor, currency))
            .map_err(|_| RefundError::Amount(refund.payment_id.to_string()))?;
        let request = RefundRequest {
            payment_id: refund.payment_id.clone(),
            order_id: order_id.clone(),
            amount,
            past: past_of(&standing),
            provider: standing.provider,
        };
        payments::record_status(
            &self.pool,
            &refund.payment_id,
            PaymentStatus::Refunding,
            None,
        )
        .await?;
        let undone = timeout(PAYMENT_ANSWER, self.provider.refund(&request))
            .await
            .map_err(|_| RefundError::Silent)??;
        let (status, capture) = match undone {
            Undone::Refunded(capture) => (PaymentStatus::Refunded, Some(capture)),
            Undone::NeverCaptured => (PaymentStatus::Declined, None),
            Undone::Unsupported => (PaymentStatus::RefundDue, None),
        };
        payments::record_status(&self.pool, &refund.payment_id, status, capture.as_ref()).await?;
        Ok(status)
    }
}

fn past_of(standing: &Standing) -> Past {
    let transaction_id = standing
        .transaction_id
        .as_deref()
        .and_then(|id| TransactionId::parse(id).ok());
    Past {
        since: standing.since,
        asked: standing.known,
        transaction_id,
    }
}

/// The data that an earlier try of this charge stored.
fn charged_before(standing: &Standing) -> Option<ChargeOutcome> {
    let transaction_id = standing
        .transaction_id
        .as_deref()
        .and_then(|id| TransactionId::parse(id).ok());
    match (standing.status, transaction_id) {
        (PaymentStatus::Captured, Some(transaction_id)) => {
            Some(ChargeOutcome::Captured { transaction_id })
        }
        (PaymentStatus::Declined, _) => Some(ChargeOutcome::Declined {
            reason: "declined before".to_owned(),
        }),
        // A try that Temporal gave up can continue after the compensation. By then, the provider
        // may have forgotten the idempotency key.
        (PaymentStatus::Refunding | PaymentStatus::Refunded | PaymentStatus::RefundDue, _) => {
            Some(ChargeOutcome::Declined {
                reason: "refunded before".to_owned(),
            })
        }
        (PaymentStatus::Pending | PaymentStatus::Captured, _) => None,
    }
}
