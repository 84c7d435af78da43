//! The payout of refunds: the parts of a refund, and the due money that belongs to no refund.

use sqlx::{PgConnection, PgPool};

use super::rows;
use crate::{Error, error::SqlxResultExt, pool};
use domain::{
    Movement, MovementKind, OrderId, PaymentId, RefundId, Transaction, TransactionId, string_enum,
};

string_enum! {
    /// The state of a part of a refund; the column `refund_parts.state`.
    PartState {
        Pending => "pending",
        /// The provider has accepted the refund and reports its result later.
        Accepted => "accepted",
        Refunded => "refunded",
        Failed => "failed",
        Due => "due",
    }
}

/// The part of a refund that one payment pays back.
#[derive(Debug, Clone, PartialEq)]
pub struct RefundPart {
    /// The number of the part in its refund, from 1 on, which never changes.
    pub number: u32,
    /// The payment, or the payment that has its movements now.
    pub transaction: Transaction,
    /// Minor units.
    pub amount: i64,
    pub is_accepted: bool,
    /// Whether the provider has reported the result of an accepted part, and whether it failed.
    pub reported: Option<ReportedResult>,
    payment_id: PaymentId,
}

/// The result of an accepted refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportedResult {
    Refunded,
    Failed,
}

/// The result of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartResult<'a> {
    pub state: PartState,
    pub transaction_id: Option<&'a TransactionId>,
    pub movements: &'a [Movement],
    /// The reference of the movement `refunded`.
    pub reference: Option<&'a str>,
    /// The minor units that the customer got back.
    pub refunded: i64,
    pub failure: Option<&'a str>,
}

/// Reads the parts of a refund that have no result.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.ledger.list_open_parts", skip_all)]
pub async fn list_open_parts(
    pool: &PgPool,
    order_id: &OrderId,
    refund_id: &RefundId,
) -> Result<Vec<RefundPart>, Error> {
    let mut transaction = pool::begin(pool).await?;
    let parts = sqlx::query!(
        "select payment_id, amount, state, reference from refund_parts
         where order_id = $1 and refund_id = $2 order by payment_id",
        order_id.as_str(),
        refund_id.as_str(),
    )
    .fetch_all(&mut *transaction)
    .await
    .for_operation("read the parts of the refund")?;
    let mut open = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let is_accepted = part.state == PartState::Accepted.as_str();
        let Ok(payment_id) = PaymentId::parse(&part.payment_id) else {
            continue;
        };
        if !is_accepted && part.state != PartState::Pending.as_str() {
            continue;
        }
        let row = rows::lock_current(&mut transaction, &payment_id).await?;
        let Some(row) = row else { continue };
        open.push(RefundPart {
            number,
            amount: part.amount,
            is_accepted,
            reported: part
                .reference
                .and_then(|reference| row.reported_result(&reference)),
            transaction: row.transaction(),
            payment_id,
        });
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(open)
}

impl rows::Row {
    /// Returns the result of the refund with this id at the provider.
    fn reported_result(&self, reference: &str) -> Option<ReportedResult> {
        let has = |kind| self.has_movement(kind, reference);
        if has(MovementKind::RefundFailed) {
            Some(ReportedResult::Failed)
        } else if has(MovementKind::Refunded) {
            Some(ReportedResult::Refunded)
        } else {
            None
        }
    }
}

/// Records the result of a part with its movements, unless the part has a result. Then computes the
/// state of the refund.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.ledger.record_part", skip_all)]
pub async fn record_part(
    pool: &PgPool,
    (order_id, refund_id): (&OrderId, &RefundId),
    part: &RefundPart,
    result: PartResult<'_>,
) -> Result<(), Error> {
    let mut transaction = pool::begin(pool).await?;
    if let Some(id) = result.transaction_id {
        rows::lock_ids(&mut transaction, std::slice::from_ref(id)).await?;
    }
    // Locked first, as in all writes of the ledger.
    let row = rows::lock_current(&mut transaction, &part.payment_id).await?;
    let is_new = sqlx::query!(
        "update refund_parts set state = $4, reference = coalesce($5, reference), refunded = $6
         where order_id = $1 and refund_id = $2 and payment_id = $3 and state in ('pending', 'accepted')",
        order_id.as_str(),
        refund_id.as_str(),
        part.payment_id.as_str(),
        result.state.as_str(),
        result.reference,
        result.refunded,
    )
    .execute(&mut *transaction)
    .await
    .for_operation("record the part of the refund")?
    .rows_affected()
        > 0;
    if is_new {
        if let Some(mut row) = row {
            if let Some(id) = result.transaction_id.filter(|id| !row.ids().contains(id)) {
                row.learn_ids(std::slice::from_ref(id), None);
                rows::add_stored_events(&mut transaction, &mut row).await?;
            }
            rows::add_movements(&mut transaction, &mut row, result.movements).await?;
        }
        update_state(&mut transaction, order_id, refund_id, result.failure).await?;
    }
    transaction.commit().await.for_operation("commit")
}

async fn update_state(
    connection: &mut PgConnection,
    order_id: &OrderId,
    refund_id: &RefundId,
    failure: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        "update refunds set failure = coalesce($3, failure), updated_at = now(), state = (
             select case
                 when bool_or(part.state in ('pending', 'accepted')) then 'pending'
                 when bool_or(part.state = 'due') then 'due'
                 when bool_or(part.state = 'failed') then 'failed'
                 else 'refunded' end
             from refund_parts as part where part.order_id = $1 and part.refund_id = $2)
         where order_id = $1 and refund_id = $2",
        order_id.as_str(),
        refund_id.as_str(),
        failure,
    )
    .execute(connection)
    .await
    .for_operation("record the refund")
    .map(|_| ())
}

/// The due money of a payment that belongs to no refund of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnclaimedDue {
    /// Minor units.
    pub due: i64,
    /// The sum of the due and the refunded money, without refunds of the shop. It stays the same
    /// while these refunds are paid, so it names one refund of the due money.
    pub target: i64,
}

/// Reads the due money of a payment that belongs to no refund of the shop.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.ledger.read_unclaimed_due", skip_all)]
pub async fn read_unclaimed_due(
    pool: &PgPool,
    transaction: &Transaction,
) -> Result<UnclaimedDue, Error> {
    let ids: Vec<String> = transaction
        .joined
        .iter()
        .chain([&transaction.payment_id])
        .map(ToString::to_string)
        .collect();
    let row = sqlx::query!(
        r#"select payments.due as "due!", payments.refunded as "refunded!", parts.open as "open!", parts.refunded as "paid!"
           from payments cross join lateral (
               select coalesce(sum(part.amount) filter (where part.state in ('pending', 'accepted')), 0)::bigint as open,
                   coalesce(sum(part.refunded), 0)::bigint as refunded
               from refund_parts as part where part.payment_id = any($2)
           ) as parts where payment_id = $1"#,
        transaction.payment_id.as_str(),
        &ids,
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the due money")?;
    let balance = &transaction.balance;
    Ok(match row {
        Some(row) => UnclaimedDue {
            due: (row.due - row.open).max(0),
            target: row.refunded + row.due - row.open - row.paid,
        },
        None => UnclaimedDue {
            due: balance.due,
            target: balance.refunded + balance.due,
        },
    })
}
