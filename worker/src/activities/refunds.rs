//! The activities of refunds that the shop makes.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use super::{LimitedProviders, provider_calls::StepError, retryable};
use contract::{MAX_STOCK, RefundDecision, RefundRequest, RefusalCode};
use domain::{Money, Movement, MovementKind, RefundState};
use order_client::OrderClient;
use payment_providers::{Past, Refund, RefundRequest as ProviderRequest};
use store::{
    PgPool,
    ledger::{
        self, NewRefund, PartResult, PartState, RefundAmount, RefundClaim, RefundPart,
        ReportedResult,
    },
    refunds::{self, Announced},
    stock::{self, StockAmount, StockChange, StockOutcome},
};
use workflows::{
    RefundInput, RefundNotice,
    activity::{AnnounceRefundInput, AnnounceRefundOutcome, RecoverRefundsInput, RefundReference},
};

/// The number of refunds that one search starts again. The next search continues.
const RECOVERED: u32 = 500;

/// A claim waits at most a second for late audit events, within the three seconds of its activity.
const LATE_EVENT_CHECKS: u32 = 10;
const LATE_EVENT_PAUSE: Duration = Duration::from_millis(100);

/// The reason why a recovery failed.
#[derive(Debug, thiserror::Error)]
enum RecoveryError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Temporal(#[from] order_client::Error),
}

pub struct RefundActivities {
    pub pool: PgPool,
    pub providers: Arc<LimitedProviders>,
    pub temporal: OrderClient,
}

#[activities]
impl RefundActivities {
    #[activity(definition = workflows::activity::ClaimRefund)]
    pub async fn claim_refund(
        self: Arc<Self>,
        context: ActivityContext,
        refund: RefundInput,
    ) -> Result<RefundDecision, ActivityError> {
        self.claim_once(&refund)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::PayRefund)]
    pub async fn pay_refund(
        self: Arc<Self>,
        context: ActivityContext,
        refund: RefundReference,
    ) -> Result<RefundState, ActivityError> {
        self.pay_once(&refund)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::AnnounceRefund)]
    pub async fn announce_refund(
        self: Arc<Self>,
        context: ActivityContext,
        announce: AnnounceRefundInput,
    ) -> Result<AnnounceRefundOutcome, ActivityError> {
        let RefundReference {
            order_id,
            refund_id,
        } = &announce.refund;
        let refund = (order_id, refund_id);
        let origin = announce.origin.as_ref();
        let announced =
            refunds::announce(&self.pool, refund, announce.is_result, origin, Utc::now())
                .await
                .map_err(|error| retryable(&context, &error))?;
        Ok(match announced {
            Announced::Written { .. } => AnnounceRefundOutcome::Written,
            Announced::Nothing => AnnounceRefundOutcome::Nothing,
            Announced::Open(notice) => AnnounceRefundOutcome::Open {
                notice: Box::new(RefundNotice {
                    kind: notice.kind,
                    payload: notice.payload,
                    transactions: notice.transactions,
                }),
            },
        })
    }

    #[activity(definition = workflows::activity::RestockRefund)]
    pub async fn restock_refund(
        self: Arc<Self>,
        context: ActivityContext,
        refund: RefundReference,
    ) -> Result<(), ActivityError> {
        self.restock_once(&refund)
            .await
            .map_err(|error| retryable(&context, &error))
    }

    #[activity(definition = workflows::activity::RecoverRefunds)]
    pub async fn recover_refunds(
        self: Arc<Self>,
        context: ActivityContext,
        recover: RecoverRefundsInput,
    ) -> Result<u32, ActivityError> {
        self.recover_once(&recover)
            .await
            .map_err(|error| retryable(&context, &error))
    }
}

impl RefundActivities {
    async fn claim_once(&self, refund: &RefundInput) -> Result<RefundDecision, store::Error> {
        let RefundInput {
            order_id,
            refund_id,
            request,
            requested_by,
            origin,
            fingerprint,
        } = refund;
        let claim = NewRefund {
            order_id,
            refund_id,
            amount: match request.amount {
                Some(amount) => RefundAmount::Exactly(amount),
                None => RefundAmount::Of {
                    items: &request.items,
                    shipping: request.shipping_amount,
                },
            },
            restock: request.restock,
            reason: request.reason.as_deref(),
            public_reason: request.public_reason.as_deref(),
            requested_by,
            origin: origin.as_ref(),
            fingerprint,
        };
        let refused = |code, detail, order_status| RefundDecision::Refused {
            code,
            detail,
            order_status,
        };
        let (claimed, seq) = self.claim_for_state(claim).await?;
        Ok(match claimed {
            RefundClaim::Accepted => match refunds::read(&self.pool, order_id, refund_id).await? {
                Some(view) => RefundDecision::Accepted {
                    refund: Box::new(view),
                    seq,
                },
                None => RefundDecision::UnknownOrder,
            },
            RefundClaim::KeyReused => RefundDecision::KeyReused,
            RefundClaim::UnknownOrder => RefundDecision::UnknownOrder,
            RefundClaim::OrderChanged { seq } => RefundDecision::OrderChanged { seq },
            RefundClaim::NotPaid { status } => refused(
                RefusalCode::NotPaid,
                "the order has no captured payment, so nothing can be refunded".to_owned(),
                status,
            ),
            RefundClaim::Inexact { currency } => {
                let name = match request.amount {
                    Some(_) => "/amount",
                    None => "/shipping_amount",
                };
                invalid(
                    name,
                    format!(
                        "must have at most {} decimals, as {currency} has",
                        currency.exponent()
                    ),
                )
            }
            RefundClaim::UnknownItem(sku) => {
                let index = request.items.iter().position(|item| item.sku == sku);
                let pointer = format!("/items/{}/sku", index.unwrap_or_default());
                invalid(&pointer, "is not an item of the order".to_owned())
            }
            RefundClaim::NoValue => {
                let detail = "have no value in this order, so nothing can be refunded";
                invalid("/items", detail.to_owned())
            }
            RefundClaim::ExceedsItems { status, error } => {
                refused(RefusalCode::RefundExceedsItems, error.to_string(), status)
            }
            RefundClaim::ExceedsShipping { status, left } => refused(
                RefusalCode::RefundExceedsPayment,
                format!("at most {left} of the shipping can be refunded"),
                status,
            ),
            RefundClaim::NotShipped { status } => refused(
                RefusalCode::NotShipped,
                "the order has not shipped, so its items cannot be put back into stock".to_owned(),
                status,
            ),
            RefundClaim::Exceeds {
                status,
                refundable,
                captured,
            } => refused(
                RefusalCode::RefundExceedsPayment,
                format!(
                    "at most {refundable} of the captured {captured} can be refunded; the rest is refunded, due or lost"
                ),
                status,
            ),
        })
    }

    /// Claims the money of a refund. The audit events of an open order are in the database a moment after their
    /// decisions. So a refusal with a state that the caller accepts, or that is older, is checked again: a caller
    /// who reads the order again would get the same tag.
    async fn claim_for_state(
        &self,
        claim: NewRefund<'_>,
    ) -> Result<(RefundClaim, Option<u32>), store::Error> {
        for _ in 0..LATE_EVENT_CHECKS {
            let claimed = refunds::claim(&self.pool, claim, Utc::now()).await?;
            let (RefundClaim::OrderChanged { seq }, Some(origin)) = (&claimed.0, claim.origin)
            else {
                return Ok(claimed);
            };
            if origin.check_not_older(*seq).is_err() {
                return Ok(claimed);
            }
            tokio::time::sleep(LATE_EVENT_PAUSE).await;
        }
        refunds::claim(&self.pool, claim, Utc::now()).await
    }

    /// Pays each part that has no result. The database has the part; then the provider is called with
    /// the key of the part; then the result is recorded. If the worker dies in between, the next try
    /// repeats the call with the same key.
    async fn pay_once(&self, refund: &RefundReference) -> Result<RefundState, StepError> {
        let RefundReference {
            order_id,
            refund_id,
        } = refund;
        for part in ledger::list_open_parts(&self.pool, order_id, refund_id).await? {
            self.pay_part(refund, &part).await?;
        }
        let paid = refunds::read(&self.pool, order_id, refund_id).await?;
        // An order that was purged has no refunds.
        Ok(paid.map_or(RefundState::Failed, |refund| refund.state))
    }

    async fn pay_part(&self, refund: &RefundReference, part: &RefundPart) -> Result<(), StepError> {
        let balance = &part.transaction.balance;
        let result = PartResult {
            state: PartState::Refunded,
            transaction_id: None,
            movements: &[],
            reference: None,
            refunded: part.amount,
            failure: None,
        };
        if part.is_accepted {
            return match part.reported {
                None => Ok(()),
                Some(ReportedResult::Refunded) => self.record(refund, part, result).await,
                Some(ReportedResult::Failed) => self.record(refund, part, due(REJECTED)).await,
            };
        }
        if balance.by_hand {
            return self.record(refund, part, due(BY_HAND)).await;
        }
        // Not what is left: an earlier try can have refunded the part, and its response was lost. The
        // provider finds that refund by its key, and never refunds more than it has captured.
        let most = part.amount.min(balance.captured - balance.lost);
        if most == 0 {
            let failed = PartResult {
                state: PartState::Failed,
                refunded: 0,
                failure: Some(NOTHING_LEFT),
                ..result
            };
            return self.record(refund, part, failed).await;
        }
        let amount = Money::from_minor(most, part.transaction.currency)
            .map_err(|_| StepError::Amount(part.transaction.payment_id.clone()))?;
        self.call_provider(refund, part, amount).await
    }

    async fn call_provider(
        &self,
        refund: &RefundReference,
        part: &RefundPart,
        amount: Money,
    ) -> Result<(), StepError> {
        let RefundReference {
            order_id,
            refund_id,
        } = refund;
        let transaction = &part.transaction;
        let key = format!("refund:{order_id}:{refund_id}:{}", part.number);
        let request = ProviderRequest {
            payment_id: transaction.payment_id.clone(),
            order_id: order_id.clone(),
            amount,
            key: key.clone(),
            whole: false,
            provider: transaction.provider.clone(),
            past: Past {
                since: transaction.created_at.unwrap_or_else(Utc::now),
                asked: true,
                transaction_id: transaction.transaction_id.clone(),
            },
        };
        let provider = self.providers.providers.for_payment(&transaction.provider);
        let answer = self
            .providers
            .run(provider.name(), provider.refund(&request))
            .await?;
        match answer {
            Refund::Refunded {
                transaction_id,
                refund_id: reference,
                amount,
            } => {
                let minor = amount.minor();
                let (reference, movement) = match reference {
                    Some(id) => {
                        let refunded = Movement::new(MovementKind::Refunded, &id, Some(minor));
                        (Some(id), refunded)
                    }
                    // Everything was refunded before, and `amount` is the sum.
                    None => {
                        let total = Movement::new(MovementKind::RefundedTotal, key, Some(minor));
                        (None, total)
                    }
                };
                let result = PartResult {
                    state: PartState::Refunded,
                    transaction_id: Some(&transaction_id),
                    movements: &[movement],
                    reference: reference.as_deref(),
                    refunded: minor.min(part.amount),
                    failure: None,
                };
                self.record(refund, part, result).await
            }
            Refund::Requested { refund_id } => {
                let accepted = PartResult {
                    state: PartState::Accepted,
                    transaction_id: None,
                    movements: &[],
                    // Without an id, no event can report the result.
                    reference: refund_id.as_deref(),
                    refunded: 0,
                    failure: None,
                };
                self.record(refund, part, accepted).await
            }
            Refund::NeverCaptured | Refund::Unsupported => {
                let movement = Movement::new(MovementKind::RefundByHand, key, None);
                let by_hand = PartResult {
                    movements: &[movement],
                    ..due(REJECTED)
                };
                self.record(refund, part, by_hand).await
            }
        }
    }

    /// Makes the units of a refund available, once: the movement of each SKU has the key of the refund.
    async fn restock_once(&self, refund: &RefundReference) -> Result<(), store::Error> {
        let RefundReference {
            order_id,
            refund_id,
        } = refund;
        let Some(view) = refunds::read(&self.pool, order_id, refund_id).await? else {
            return Ok(());
        };
        let reason = format!("refund {refund_id} of order {order_id}");
        for item in view.items.iter().filter(|_| view.restock) {
            let key = format!("{reason}: {}", item.sku);
            let change = StockChange {
                sku: &item.sku,
                amount: StockAmount::Adjust(item.quantity.into()),
                limit: MAX_STOCK,
                changed_by: &view.requested_by,
                reason: Some(&reason),
                idempotency_key: Some(&key),
            };
            let outcome = stock::change_stock(&self.pool, change).await?;
            if !matches!(outcome, StockOutcome::Changed { .. }) {
                tracing::error!(
                    order.id = order_id.as_str(),
                    refund.id = refund_id.as_str(),
                    "the stock has no place for the units of a refund; set it with `orderflow stock set`: {outcome:?}"
                );
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        refund: &RefundReference,
        part: &RefundPart,
        result: PartResult<'_>,
    ) -> Result<(), StepError> {
        let refund = (&refund.order_id, &refund.refund_id);
        Ok(ledger::record_part(&self.pool, refund, part, result).await?)
    }

    async fn recover_once(&self, recover: &RecoverRefundsInput) -> Result<u32, RecoveryError> {
        let idle_for = recover.idle_for.duration();
        let unfinished = refunds::list_unfinished(&self.pool, idle_for, RECOVERED).await?;
        let mut recovered = 0;
        for refund in unfinished {
            let input = RefundInput {
                order_id: refund.order_id,
                refund_id: refund.refund_id,
                // The database has the accepted request.
                request: RefundRequest::default(),
                requested_by: refund.requested_by,
                origin: None,
                fingerprint: refund.fingerprint,
            };
            if self.temporal.restart_refund(&input).await? {
                tracing::warn!(order.id = %input.order_id, refund.id = %input.refund_id, "the refund's workflow was started again");
                recovered += 1;
            }
        }
        Ok(recovered)
    }
}

fn invalid(pointer: &str, detail: String) -> RefundDecision {
    RefundDecision::Invalid {
        pointer: pointer.to_owned(),
        detail,
    }
}

const REJECTED: &str = "the payment provider rejected the refund";
const BY_HAND: &str = "the payment provider cannot refund this payment by its API";
const NOTHING_LEFT: &str = "nothing of the payment is left to refund";

/// Returns the result of a part that an operator must refund.
fn due(failure: &'static str) -> PartResult<'static> {
    PartResult {
        state: PartState::Due,
        transaction_id: None,
        movements: &[],
        reference: None,
        refunded: 0,
        failure: Some(failure),
    }
}
