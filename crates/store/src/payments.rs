//! Payments: one row for each `payment_id`, bound to one order for good.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    Error,
    error::SqlxResultExt,
    orders::{self, OrderProjection},
    pool,
};
use domain::{Money, OrderId, PaymentId, PaymentStatus, TransactionId};

/// A payment as it is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Payment<'a> {
    pub payment_id: &'a PaymentId,
    pub amount: Money,
    pub provider: &'a str,
    pub payment_method: Option<&'a str>,
    pub status: PaymentStatus,
    pub transaction_id: Option<&'a TransactionId>,
}

/// A payment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub status: PaymentStatus,
    pub amount_minor: i64,
    pub currency: String,
    pub provider: String,
    pub transaction_id: Option<String>,
    /// When it was first written: no provider has heard of it before.
    pub since: DateTime<Utc>,
    /// Whether it stood there before this call.
    pub known: bool,
}

/// Whose payment it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Ours(Standing),
    /// The payment belongs to another order.
    PaymentInUse,
    /// The provider's transaction belongs to another payment.
    TransactionInUse,
}

/// Writes the order's image and binds the payment to the order, unless it is bound to one already.
#[tracing::instrument(name = "store.payments.claim", skip_all)]
pub async fn claim(
    pool: &PgPool,
    image: OrderProjection<'_>,
    payment: Payment<'_>,
) -> Result<Claim, Error> {
    let order_id = &image.record.order_id;
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, image).await?;
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
        // The insert met the provider's transaction, which another payment has.
        None => Claim::TransactionInUse,
    })
}

/// How a payment of the order stands.
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

/// From where a payment may become this. A try that Temporal has given up but that goes on all the same finds that
/// the payment has moved on, and changes nothing.
fn before(status: PaymentStatus) -> &'static [PaymentStatus] {
    match status {
        PaymentStatus::Pending => &[],
        PaymentStatus::Captured => &[PaymentStatus::Pending],
        PaymentStatus::Refunding => &[PaymentStatus::Pending, PaymentStatus::Captured],
        PaymentStatus::Declined => &[PaymentStatus::Pending, PaymentStatus::Refunding],
        PaymentStatus::Refunded | PaymentStatus::RefundDue => &[PaymentStatus::Refunding],
    }
}

/// Writes what became of a payment, if it can become that from what it is.
#[tracing::instrument(name = "store.payments.settle", skip_all)]
pub async fn record_status(
    pool: &PgPool,
    payment_id: &PaymentId,
    status: PaymentStatus,
    transaction_id: Option<&TransactionId>,
) -> Result<(), Error> {
    let before: Vec<String> = before(status).iter().map(ToString::to_string).collect();
    sqlx::query!(
        "update payments set status = $2, transaction_id = coalesce($3, transaction_id), updated_at = now()
         where payment_id = $1 and status = any($4)",
        payment_id.as_str(),
        status.as_str(),
        transaction_id.map(TransactionId::as_str),
        &before,
    )
    .execute(pool)
    .await
    .for_operation("settle the payment")
    .map(|_| ())
}

/// Writes which transaction a payment that is not decided yet has at its provider, so that it is found again.
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

/// How the payment stands under which a provider's transaction is in our books.
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
    /// None of money that no order has claimed.
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
