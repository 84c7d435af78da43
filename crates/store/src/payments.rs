//! Payments: one row for each `payment_id`, which belongs to one order permanently.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    Error,
    error::SqlxResultExt,
    orders::{self, OrderProjection},
    pool,
};
use domain::{Money, OrderId, PaymentId, PaymentStatus, TransactionId};

/// A payment to insert.
#[derive(Debug, Clone, Copy)]
pub struct Payment<'a> {
    pub payment_id: &'a PaymentId,
    pub amount: Money,
    pub provider: &'a str,
    pub payment_method: Option<&'a str>,
    pub status: PaymentStatus,
    pub transaction_id: Option<&'a TransactionId>,
}

/// The stored state of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub status: PaymentStatus,
    pub amount_minor: i64,
    pub currency: String,
    pub provider: String,
    pub transaction_id: Option<String>,
    /// The time of the insert. No request to a provider is older.
    pub since: DateTime<Utc>,
    /// Whether the row existed before this call.
    pub known: bool,
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The payment belongs to this order.
    Ours(Standing),
    /// The payment belongs to another order.
    PaymentInUse,
    /// The provider's transaction belongs to another payment.
    TransactionInUse,
}

/// Writes the order's projection and inserts the payment for this order, unless the payment exists.
#[tracing::instrument(name = "store.payments.claim", skip_all)]
pub async fn claim(
    pool: &PgPool,
    projection: OrderProjection<'_>,
    payment: Payment<'_>,
) -> Result<Claim, Error> {
    let order_id = &projection.state.order_id;
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, projection).await?;
    let inserted = sqlx::query!(
        "insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider, payment_method)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
        payment.payment_id.as_str(),
        order_id.as_str(),
        payment.status.as_str(),
        payment.amount.minor(),
        payment.amount.currency().code(),
        payment.transaction_id.map(TransactionId::as_str),
        payment.provider,
        payment.payment_method,
    )
    .execute(&mut *transaction)
    .await
    .for_operation("insert the payment")?;
    let row = sqlx::query_as!(
        Row,
        "select order_id, status, amount, currency, provider, transaction_id, created_at from payments where payment_id = $1",
        payment.payment_id.as_str(),
    )
    .fetch_optional(&mut *transaction)
    .await
    .for_operation("read the payment")?;
    transaction.commit().await.for_operation("commit")?;
    Ok(match row {
        Some(row) if row.order_id.as_deref() == Some(order_id.as_str()) => {
            Claim::Ours(row.standing(inserted.rows_affected() == 0))
        }
        Some(_) => Claim::PaymentInUse,
        // The insert conflicted with another payment that has this transaction.
        None => Claim::TransactionInUse,
    })
}

/// Reads a payment of the order.
#[tracing::instrument(name = "store.payments.standing", skip_all)]
pub async fn read_standing(
    pool: &PgPool,
    order_id: &OrderId,
    payment_id: &PaymentId,
) -> Result<Option<Standing>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select order_id, status, amount, currency, provider, transaction_id, created_at from payments where payment_id = $1 and order_id = $2",
        payment_id.as_str(),
        order_id.as_str(),
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the payment")?;
    Ok(row.map(|row| row.standing(true)))
}

/// Returns the states from which a payment may change to `status`. An attempt may continue after
/// Temporal has abandoned it. It then finds the payment in a later state and changes nothing.
fn allowed_previous(status: PaymentStatus) -> &'static [PaymentStatus] {
    match status {
        PaymentStatus::Pending => &[],
        PaymentStatus::Captured => &[PaymentStatus::Pending],
        PaymentStatus::Refunding => &[PaymentStatus::Pending, PaymentStatus::Captured],
        PaymentStatus::Declined => &[PaymentStatus::Pending, PaymentStatus::Refunding],
        PaymentStatus::Refunded | PaymentStatus::RefundDue => &[PaymentStatus::Refunding],
    }
}

/// Changes the status of a payment, if its current status allows that.
#[tracing::instrument(name = "store.payments.settle", skip_all)]
pub async fn record_status(
    pool: &PgPool,
    payment_id: &PaymentId,
    status: PaymentStatus,
    transaction_id: Option<&TransactionId>,
) -> Result<(), Error> {
    let previous: Vec<String> = allowed_previous(status)
        .iter()
        .map(ToString::to_string)
        .collect();
    sqlx::query!(
        "update payments set status = $2, transaction_id = coalesce($3, transaction_id), updated_at = now()
         where payment_id = $1 and status = any($4)",
        payment_id.as_str(),
        status.as_str(),
        transaction_id.map(TransactionId::as_str),
        &previous,
    )
    .execute(pool)
    .await
    .for_operation("update the payment's status")
    .map(|_| ())
}

/// Stores the provider's transaction of a pending payment, so that a later attempt finds the
/// transaction.
#[tracing::instrument(name = "store.payments.begun", skip_all)]
pub async fn record_transaction(
    pool: &PgPool,
    payment_id: &PaymentId,
    transaction_id: &TransactionId,
) -> Result<(), Error> {
    sqlx::query!(
        "update payments set transaction_id = $2, updated_at = now() where payment_id = $1 and status = 'pending'",
        payment_id.as_str(),
        transaction_id.as_str(),
    )
    .execute(pool)
    .await
    .for_operation("write the payment's transaction")
    .map(|_| ())
}

/// Reads the status of the payment with this transaction; `None` when there is none.
#[tracing::instrument(name = "store.payments.of_transaction", skip_all)]
pub async fn find_status_by_transaction(
    pool: &PgPool,
    provider: &str,
    transaction_id: &str,
) -> Result<Option<PaymentStatus>, Error> {
    let status = sqlx::query_scalar!(
        "select status from payments where provider = $1 and transaction_id = $2",
        provider,
        transaction_id,
    );
    let status = status
        .fetch_optional(pool)
        .await
        .for_operation("read the payment")?;
    Ok(status.as_deref().and_then(PaymentStatus::parse))
}

struct Row {
    /// `None` for an unmatched payment.
    order_id: Option<String>,
    status: String,
    amount: i64,
    currency: String,
    provider: String,
    transaction_id: Option<String>,
    created_at: DateTime<Utc>,
}

impl Row {
    fn standing(self, known: bool) -> Standing {
        Standing {
            // The schema's check has exactly these names.
            status: PaymentStatus::parse(&self.status).unwrap_or(PaymentStatus::Pending),
            amount_minor: self.amount,
            currency: self.currency,
            provider: self.provider,
            transaction_id: self.transaction_id,
            since: self.created_at,
            known,
        }
    }
}
