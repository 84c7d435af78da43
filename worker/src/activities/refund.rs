//! The refund of due money, for orders and for settlements.

use chrono::Utc;

use super::{LimitedProviders, provider_calls::StepError};
use domain::{Money, Movement, MovementKind, OrderId, Transaction};
use payment_providers::{Past, Refund, RefundRequest};
use store::{PgPool, ledger};

/// Pays back the money of a transaction that is due, once: the ledger has the request, and the
/// provider's idempotency key is made of the requested sum. A refund that the provider cannot make
/// is left to an operator.
pub(super) async fn refund_due(
    pool: &PgPool,
    providers: &LimitedProviders,
    order_id: &OrderId,
    transaction: Transaction,
) -> Result<Transaction, StepError> {
    let balance = &transaction.balance;
    let is_void = balance.captured == 0 && balance.refund_all && !balance.ended;
    if balance.by_hand || (balance.due == 0 && !is_void) {
        return Ok(transaction);
    }
    let payment_id = transaction.payment_id.clone();
    // A charge without a clear response may have captured its amount.
    let is_unclear = is_void && balance.authorised == 0;
    // The parts of the shop's refunds are paid by their own workflows, under their own keys.
    let unclaimed = ledger::read_unclaimed_due(pool, &transaction).await?;
    let (minor, target) = if is_unclear {
        (transaction.amount, balance.refunded + transaction.amount)
    } else {
        (unclaimed.due, unclaimed.target)
    };
    if !is_void && (minor == 0 || balance.accepted >= target) {
        return Ok(transaction);
    }
    let amount = Money::from_minor(minor, transaction.currency)
        .map_err(|_| StepError::Amount(payment_id.clone()))?;
    let key = format!("refund:{order_id}:{payment_id}:{target}");
    let request = RefundRequest {
        payment_id: payment_id.clone(),
        order_id: order_id.clone(),
        amount,
        key: key.clone(),
        whole: balance.refund_all,
        provider: transaction.provider.clone(),
        past: Past {
            since: transaction.created_at.unwrap_or_else(Utc::now),
            asked: true,
            transaction_id: transaction.transaction_id.clone(),
        },
    };
    let provider = providers.providers.for_payment(&transaction.provider);
    let refund = providers
        .run(provider.name(), provider.refund(&request))
        .await?;
    let (transaction_id, movements) = match refund {
        Refund::Refunded {
            transaction_id,
            refund_id,
            amount,
        } => {
            let minor = Some(amount.minor());
            let refunded = match refund_id {
                Some(id) => Movement::new(MovementKind::Refunded, id, minor),
                None => Movement::new(MovementKind::RefundedTotal, key.clone(), minor),
            };
            let mut movements = vec![refunded];
            if balance.captured < amount.minor() {
                // The response of the charge was lost.
                movements.push(Movement::new(MovementKind::CapturedTotal, key, minor));
            }
            (Some(transaction_id), movements)
        }
        // A cancellation of uncaptured money is not a refund, which can still follow.
        Refund::Requested { .. } if is_void => return Ok(transaction),
        Refund::Requested { .. } => (
            None,
            vec![Movement::new(
                MovementKind::RefundAccepted,
                key,
                Some(target),
            )],
        ),
        Refund::NeverCaptured => (None, vec![Movement::new(MovementKind::Voided, key, None)]),
        Refund::Unsupported => (
            None,
            vec![Movement::new(MovementKind::RefundByHand, key, None)],
        ),
    };
    let recorded = ledger::record(pool, &payment_id, transaction_id.as_ref(), &movements).await?;
    Ok(recorded.unwrap_or(transaction))
}
