//! Transactions as operators see them: the amounts of a payment and its movements.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// A payment at a provider, with its balance. Amounts are minor units.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRecord {
    pub payment_id: String,
    pub order_id: Option<String>,
    pub transaction_id: Option<String>,
    pub aliases: Vec<String>,
    pub provider: String,
    /// The first report: `charge`, `api`, `webhook`, `lookup` or `operator`.
    pub source: String,
    pub status: String,
    pub currency: String,
    /// The amount that was reported or requested first.
    pub amount: i64,
    pub authorised: i64,
    pub captured: i64,
    pub refunded: i64,
    pub lost: i64,
    pub allocated: i64,
    pub due: i64,
    pub unmatched: i64,
    pub dispute: Option<String>,
    /// The amounts by concern.
    pub concerns: Value,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// One movement of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRecord {
    pub kind: String,
    pub reference: String,
    /// Minor units; `None` for the whole amount.
    pub amount: Option<i64>,
    pub recorded_at: DateTime<Utc>,
}

/// Finds the transactions with this payment id, order id or provider's transaction id, oldest
/// first.
#[tracing::instrument(name = "store.transactions.find", skip_all)]
pub async fn find(pool: &PgPool, id: &str) -> Result<Vec<TransactionRecord>, Error> {
    sqlx::query_as!(
        TransactionRecord,
        "select payment_id, order_id, transaction_id, aliases, provider, source, status, currency, amount, authorised,
             captured, refunded, lost, allocated, due, unmatched, dispute, concerns, created_at, updated_at
         from payments
         where payment_id = $1 or order_id = $1 or transaction_id = $1 or aliases @> array[$1]
         order by created_at, payment_id",
        id,
    )
    .fetch_all(pool)
    .await
    .for_operation("find the transaction")
}

/// Reads the movements of a payment in the order in which they were recorded.
#[tracing::instrument(name = "store.transactions.movements", skip_all)]
pub async fn list_movements(pool: &PgPool, payment_id: &str) -> Result<Vec<MovementRecord>, Error> {
    sqlx::query_as!(
        MovementRecord,
        "select kind, reference, amount, recorded_at from payment_movements where payment_id = $1 order by id",
        payment_id,
    )
    .fetch_all(pool)
    .await
    .for_operation("read the movements")
}
