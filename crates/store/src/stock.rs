//! Changes of the stock by people and other systems, and the movements that record them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgExecutor, PgPool};

use crate::{Error, error::SqlxResultExt, inventory::Stock};
use domain::Sku;

/// The new number of available units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockAmount {
    /// Exactly this number, as after a stocktaking.
    Set(i64),
    /// This number more than before, or less if it is negative.
    Adjust(i64),
}

/// A change of the available units of one SKU.
#[derive(Debug, Clone, Copy)]
pub struct StockChange<'a> {
    pub sku: &'a Sku,
    pub amount: StockAmount,
    /// The largest number of available units.
    pub limit: i64,
    /// The name of the caller or of the program.
    pub changed_by: &'a str,
    pub reason: Option<&'a str>,
    /// A key that is unique for the caller, its request and the SKU.
    pub idempotency_key: Option<&'a str>,
}

/// The result of [`change_stock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockOutcome {
    /// The change is made; `created` when the SKU was unknown before, `already` when an earlier request
    /// with the same key has made it.
    Changed {
        stock: Stock,
        created: bool,
        already: bool,
    },
    /// An unknown SKU cannot be adjusted.
    UnknownSku,
    /// The SKU has too few available units.
    BelowZero(Stock),
    /// The SKU would have more units than the limit.
    AboveLimit(Stock),
    /// The key belongs to another change.
    KeyReused,
}

/// Changes the available units of a SKU and records the movement, in one statement: in a transaction of
/// its own, or in the caller's. Held and shipped units stay.
///
/// # Errors
///
/// The database is unavailable, or rejects the change.
#[tracing::instrument(name = "store.stock.change", skip_all)]
pub async fn change_stock(
    executor: impl PgExecutor<'_>,
    change: StockChange<'_>,
) -> Result<StockOutcome, Error> {
    let (set_to, adjust_by) = match change.amount {
        StockAmount::Set(available) => (Some(available), None),
        StockAmount::Adjust(difference) => (None, Some(difference)),
    };
    let row = sqlx::query!(
        r#"select outcome as "outcome!", now_available, now_held, now_shipped, created
           from change_stock($1, $2, $3, $4, $5, $6, $7)"#,
        change.sku.as_str(),
        set_to,
        adjust_by,
        change.limit,
        change.changed_by,
        change.reason,
        change.idempotency_key,
    )
    .fetch_one(executor)
    .await
    .for_operation("change the stock")?;
    let stock = Stock {
        available: row.now_available.unwrap_or_default(),
        held: row.now_held.unwrap_or_default(),
        shipped: row.now_shipped.unwrap_or_default(),
    };
    let created = row.created == Some(true);
    Ok(match row.outcome.as_str() {
        "changed" | "repeated" => StockOutcome::Changed {
            stock,
            created,
            already: row.outcome == "repeated",
        },
        "below_zero" => StockOutcome::BelowZero(stock),
        "above_limit" => StockOutcome::AboveLimit(stock),
        "key_reused" => StockOutcome::KeyReused,
        // The function has no other outcome.
        _ => StockOutcome::UnknownSku,
    })
}

/// Reads the stock of up to `limit` SKUs, sorted by SKU and beginning behind `after`.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.stock.list_page", skip_all)]
pub async fn list_page(
    pool: &PgPool,
    after: Option<&Sku>,
    limit: u32,
) -> Result<Vec<(String, Stock)>, Error> {
    let rows = sqlx::query!(
        "select sku, available, held, shipped from inventory where sku > $1 order by sku limit $2",
        // Every SKU is greater than an empty text.
        after.map_or("", Sku::as_str),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list the stock")?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let stock = Stock {
                available: row.available,
                held: row.held,
                shipped: row.shipped,
            };
            (row.sku, stock)
        })
        .collect())
}

/// A change of the received units of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockMovement {
    /// `opening`, `set`, `adjust` or `correction`.
    pub kind: String,
    pub old_available: i64,
    pub new_available: i64,
    pub changed_by: String,
    pub reason: Option<String>,
    pub changed_at: DateTime<Utc>,
}

/// Reads the last movements of a SKU, the newest first.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.stock.list_movements", skip_all)]
pub async fn list_movements(
    pool: &PgPool,
    sku: &Sku,
    limit: u32,
) -> Result<Vec<StockMovement>, Error> {
    sqlx::query_as!(
        StockMovement,
        "select kind, old_available, new_available, changed_by, reason, changed_at from stock_movements
         where sku = $1 order by movement_id desc limit $2",
        sku.as_str(),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("read the stock movements")
}
