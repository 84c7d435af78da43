//! Money that no order waits for, and what is told of an order after its end.

use crate::{Error, error::Failed, orders::number, pool};
use chrono::{DateTime, Utc};
use domain::{EventType, Money, OrderId, PaymentId, PaymentStatus, TransactionId};
use serde_json::Value;
use sqlx::PgPool;

/// What the row says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Unknown,
    Open,
    Closed,
}

#[tracing::instrument(name = "store.strays.find", skip_all)]
pub async fn find(pool: &PgPool, order_id: &OrderId) -> Result<Found, Error> {
    let running = sqlx::query_scalar!("select is_running from orders where id = $1", order_id.as_str());
    Ok(match running.fetch_optional(pool).await.failed("look for the order")? {
        None => Found::Unknown,
        Some(true) => Found::Open,
        Some(false) => Found::Closed,
    })
}

/// A payment that is to go back.
#[derive(Debug, Clone, Copy)]
pub struct Stray<'a> {
    pub order_id: Option<&'a OrderId>,
    pub payment_id: &'a PaymentId,
    pub provider: &'a str,
    pub transaction_id: &'a TransactionId,
    pub amount: Money,
}

/// Whose the money is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// An order's own payment: that order takes care of it.
    Paid,
    /// Nobody's: it is ours to give back, and this is how far that got.
    Stray(PaymentStatus),
}

/// Binds the money to the order that it names, if there is that order, as a payment that goes back.
#[tracing::instrument(name = "store.strays.claim", skip_all)]
pub async fn claim(pool: &PgPool, stray: Stray<'_>) -> Result<Claim, Error> {
    let inserted = sqlx::query!(
        "insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider)
         select $1, id, 'refunding', $3, $4, $5, $6 from orders where id = $2
         on conflict do nothing",
        stray.payment_id.as_str(),
        stray.order_id.map(OrderId::as_str),
        stray.amount.minor(),
        stray.amount.currency().code(),
        stray.transaction_id.as_str(),
        stray.provider,
    );
    inserted.execute(pool).await.failed("write the stray payment")?;
    let found = sqlx::query!(
        "select payment_id, status from payments where provider = $1 and transaction_id = $2",
        stray.provider,
        stray.transaction_id.as_str(),
    );
    Ok(match found.fetch_optional(pool).await.failed("read the stray payment")? {
        Some(row) if row.payment_id != stray.payment_id.as_str() => Claim::Paid,
        Some(row) => match PaymentStatus::parse(&row.status) {
            Some(status) if status.is_given_back() => Claim::Stray(status),
            // An order without a payment id of its own is paid under this very name.
            Some(_) | None => Claim::Paid,
        },
        // An order that nobody knows has no payments.
        None => Claim::Stray(PaymentStatus::Refunding),
    })
}

/// The provider gave it back of its own accord.
#[tracing::instrument(name = "store.strays.given_back", skip_all)]
pub async fn given_back(
    pool: &PgPool,
    provider: &str,
    transaction_id: &TransactionId,
    amount: Money,
) -> Result<(), Error> {
    sqlx::query!(
        "update payments set status = 'refunded', updated_at = now()
         where provider = $1 and transaction_id = $2 and amount = $3 and currency = $4
             and status in ('captured', 'refunding', 'refund_due')",
        provider,
        transaction_id.as_str(),
        amount.minor(),
        amount.currency().code(),
    )
    .execute(pool)
    .await
    .failed("record the refund")
    .map(|_| ())
}

/// One more entry for the trail of an order that has ended, once for each event of a provider; whether it has ended.
#[tracing::instrument(name = "store.strays.append", skip_all)]
pub async fn append(
    pool: &PgPool,
    order_id: &OrderId,
    event_id: &str,
    kind: EventType,
    payload: &Value,
    at: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut transaction = pool::begin(pool).await?;
    let row = sqlx::query!("select is_running, last_seq from orders where id = $1 for update", order_id.as_str());
    let Some(row) = row.fetch_optional(&mut *transaction).await.failed("lock the order")? else { return Ok(false) };
    if row.is_running {
        return Ok(false);
    }
    let known = sqlx::query_scalar!(
        "select exists (select from events where order_id = $1 and type = $2 and payload_json ->> 'event_id' = $3)",
        order_id.as_str(),
        kind.as_str(),
        event_id,
    );
    if known.fetch_one(&mut *transaction).await.failed("look for the entry")? == Some(true) {
        return Ok(true);
    }
    let next = row.last_seq + 1;
    sqlx::query!(
        "insert into events (order_id, seq, type, payload_json, ts) values ($1, $2, $3, $4, $5)",
        order_id.as_str(),
        next,
        kind.as_str(),
        payload,
        at,
    )
    .execute(&mut *transaction)
    .await
    .failed("append to the audit trail")?;
    sqlx::query!(
        "update orders set last_seq = $2, updated_at = $3, version = version + $4 where id = $1",
        order_id.as_str(),
        next,
        at,
        number(crate::orders::VERSIONS_OF_A_TASK),
    )
    .execute(&mut *transaction)
    .await
    .failed("count the entry")?;
    transaction.commit().await.failed("commit")?;
    Ok(true)
}
