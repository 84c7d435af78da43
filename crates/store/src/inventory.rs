//! Stock of each SKU: available, held by orders, shipped. Every function is idempotent, and none
//! changes the sum of the three numbers, except [`set_available`].

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    Error,
    convert::to_json,
    error::SqlxResultExt,
    order_write::{OrderWrite, ParcelWrite, written},
};
use domain::{LineItem, Shortage, Sku};

/// The result of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// All line items are reserved.
    Held,
    /// Nothing is reserved, because these SKUs are short.
    Unavailable(Vec<Shortage>),
    /// Nothing is reserved, because the other unpaid orders of the customer hold this number of units.
    OverLimit { held: i64 },
}

/// The rules of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationRules {
    /// The available units of a SKU without a row.
    pub default_stock: i64,
    /// The most units of all unpaid orders of the customer.
    pub customer_limit: Option<u32>,
}

/// Writes the order and reserves all line items, or none of them.
///
/// # Errors
///
/// The database is unavailable, or the row belongs to another order.
#[tracing::instrument(name = "store.inventory.reserve", skip_all)]
pub async fn reserve(
    pool: &PgPool,
    write: OrderWrite<'_>,
    lines: &[LineItem],
    rules: ReservationRules,
) -> Result<Reservation, Error> {
    let write_order_id = write.state.order_id.to_string();
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!", short_lines, over_limit
           from write_order_and_reserve($1, $2, $3, $4)"#,
        write.document()?,
        quantities(lines),
        rules.default_stock,
        rules.customer_limit.map(i64::from),
    )
    .fetch_one(pool)
    .await
    .for_operation("reserve stock")?;
    written(&row.outcome, row.have)?;
    if let Some(held) = row.over_limit {
        return Ok(Reservation::OverLimit { held });
    }
    let Some(short) = row.short_lines else {
        return Ok(Reservation::Held);
    };
    let shortages = serde_json::from_value(short).map_err(|source| Error::InvalidColumn {
        table: "inventory",
        key: write_order_id,
        column: "sku",
        source,
    })?;
    Ok(Reservation::Unavailable(shortages))
}

/// Returns the quantity of each SKU once.
pub(crate) fn quantities(lines: &[LineItem]) -> Value {
    let mut quantities: BTreeMap<&Sku, i64> = BTreeMap::new();
    for line in lines {
        *quantities.entry(&line.sku).or_default() += i64::from(line.quantity);
    }
    quantities
        .into_iter()
        .map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity}))
        .collect()
}

/// Writes the order and releases its reservation. Returns whether there was one.
#[tracing::instrument(name = "store.inventory.release", skip_all)]
pub async fn release(pool: &PgPool, write: OrderWrite<'_>) -> Result<bool, Error> {
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!", released from write_order_and_release($1)"#,
        write.document()?,
    )
    .fetch_one(pool)
    .await
    .for_operation("release stock")?;
    written(&row.outcome, row.have)?;
    Ok(row.released == Some(true))
}

/// A SKU that has too few units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortSku {
    pub sku: Sku,
    pub available: i64,
}

/// The result of a changed reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedReservation {
    /// The order holds exactly the line items.
    Changed,
    /// The reservation is as before, because a SKU has too few units.
    Short(ShortSku),
    /// The order holds nothing any more.
    Released,
    /// The row is newer than this write, which changes nothing.
    Superseded,
}

/// Writes the order and changes its reservation to the quantities of `lines`, or changes nothing.
#[tracing::instrument(name = "store.inventory.change", skip_all)]
pub async fn change(
    pool: &PgPool,
    write: OrderWrite<'_>,
    lines: &[LineItem],
) -> Result<ChangedReservation, Error> {
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!", is_held, short_sku, short_available
           from write_order_and_change_reservation($1, $2)"#,
        write.document()?,
        quantities(lines),
    )
    .fetch_one(pool)
    .await
    .for_operation("change a reservation")?;
    written(&row.outcome, row.have)?;
    let short = row.short_sku.and_then(|sku| Sku::parse(&sku).ok());
    Ok(match (row.is_held, short.zip(row.short_available)) {
        (Some(true), Some((sku, available))) => {
            ChangedReservation::Short(ShortSku { sku, available })
        }
        (Some(true), None) => ChangedReservation::Changed,
        (Some(false), _) => ChangedReservation::Released,
        (None, _) => ChangedReservation::Superseded,
    })
}

/// Writes the order, counts its reserved units as shipped, and records the dispatch of its parcel.
///
/// # Errors
///
/// Also fails if the parcel was cancelled, or dispatched with another tracking number.
#[tracing::instrument(name = "store.inventory.commit", skip_all)]
pub async fn commit(
    pool: &PgPool,
    write: OrderWrite<'_>,
    parcel: Option<&ParcelWrite<'_>>,
) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!" from write_order_and_ship($1, $2)"#,
        write.document()?,
        parcel.map(to_json).transpose()?,
    )
    .fetch_one(pool)
    .await
    .for_operation("count the stock as shipped")?;
    written(&row.outcome, row.have).map(|_| ())
}

/// The stock of one SKU, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    pub available: i64,
    pub held: i64,
    pub shipped: i64,
}

/// Reads the stock of a SKU; `None` when it has no row.
#[tracing::instrument(name = "store.inventory.stock", skip_all)]
pub async fn read_stock(pool: &PgPool, sku: &Sku) -> Result<Option<Stock>, Error> {
    sqlx::query_as!(
        Stock,
        "select available, held, shipped from inventory where sku = $1",
        sku.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the stock")
}

/// Reads the stock of every SKU that has a row, sorted by SKU.
#[tracing::instrument(name = "store.inventory.list", skip_all)]
pub async fn list(pool: &PgPool) -> Result<Vec<(Sku, Stock)>, Error> {
    let rows = sqlx::query!("select sku, available, held, shipped from inventory order by sku");
    let rows = rows.fetch_all(pool).await.for_operation("list the stock")?;
    let stock = |available, held, shipped| Stock {
        available,
        held,
        shipped,
    };
    Ok(rows
        .into_iter()
        // SKUs are validated before they are inserted, so none is skipped.
        .filter_map(|row| {
            Some((
                Sku::parse(&row.sku).ok()?,
                stock(row.available, row.held, row.shipped),
            ))
        })
        .collect())
}

/// Sets the available units of a SKU to a number of at least zero, and returns its new stock. The
/// movement names no caller ([`crate::stock::change_stock`] does).
#[tracing::instrument(name = "store.inventory.set_available", skip_all)]
pub async fn set_available(pool: &PgPool, sku: &Sku, available: i64) -> Result<Stock, Error> {
    sqlx::query_as!(
        Stock,
        r#"select now_available as "available!", now_held as "held!", now_shipped as "shipped!"
           from change_stock($1, $2, null, $2, 'system', null, null)"#,
        sku.as_str(),
        available,
    )
    .fetch_one(pool)
    .await
    .for_operation("set the stock")
}
