//! Stock of each SKU: available, held by orders, shipped. Every function is idempotent, and none
//! changes the sum of the three numbers, except [`set_available`].

use std::collections::BTreeMap;

use sqlx::{Acquire, PgConnection, PgPool};

use crate::{
    Error,
    convert::to_i32,
    error::SqlxResultExt,
    orders::{self, OrderProjection},
    pool,
};
use domain::{LineItem, OrderId, Sku};

/// The result of a reservation, which is decided once for each order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// All line items are reserved.
    Held,
    /// Nothing is reserved, because `sku` has only `available` units.
    Unavailable { sku: Sku, available: i64 },
}

/// Writes the projection and reserves all line items, or none of them. A SKU without a row gets
/// one with `default_stock` available units.
#[tracing::instrument(name = "store.inventory.reserve", skip_all)]
pub async fn reserve(
    pool: &PgPool,
    projection: OrderProjection<'_>,
    lines: &[LineItem],
    default_stock: i64,
) -> Result<Reservation, Error> {
    let order_id = &projection.state.order_id;
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, projection).await?;
    if let Some(earlier) = read_decision(&mut transaction, projection).await? {
        transaction.commit().await.for_operation("commit")?;
        return Ok(earlier);
    }
    // Rows are locked in the order of the SKUs, so two orders with the same two SKUs cannot
    // deadlock.
    let mut wanted: BTreeMap<&Sku, i64> = BTreeMap::new();
    for line in lines {
        *wanted.entry(&line.sku).or_default() += i64::from(line.quantity);
    }
    let mut savepoint = transaction.begin().await.for_operation("set a savepoint")?;
    let mut reservation = Reservation::Held;
    for (sku, quantity) in wanted {
        if let Some(available) =
            reserve_sku(&mut savepoint, order_id, sku, quantity, default_stock).await?
        {
            reservation = Reservation::Unavailable {
                sku: sku.clone(),
                available,
            };
            break;
        }
    }
    match &reservation {
        Reservation::Held => savepoint
            .commit()
            .await
            .for_operation("release the savepoint")?,
        Reservation::Unavailable { sku, available } => {
            savepoint
                .rollback()
                .await
                .for_operation("roll back to the savepoint")?;
            record_shortage(&mut transaction, order_id, sku, *available).await?;
        }
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(reservation)
}

/// Reads the decision of an earlier attempt. It locks the order's row, so a concurrent attempt
/// cannot decide otherwise.
async fn read_decision(
    connection: &mut PgConnection,
    projection: OrderProjection<'_>,
) -> Result<Option<Reservation>, Error> {
    let row = sqlx::query!(
        r#"select version, refused_sku, refused_available,
             exists (select from reservations where order_id = orders.id) as "reserved!"
         from orders where id = $1 for update"#,
        projection.state.order_id.as_str(),
    )
    .fetch_one(connection)
    .await
    .for_operation("read the reservation")?;
    if row.version > to_i32(projection.version) {
        // The order has continued without this attempt: its result is not used, and it must not
        // reserve anything.
        return Ok(Some(Reservation::Held));
    }
    let shortage = row
        .refused_sku
        .and_then(|sku| Sku::parse(&sku).ok())
        .zip(row.refused_available);
    Ok(match shortage {
        Some((sku, available)) => Some(Reservation::Unavailable { sku, available }),
        None => row.reserved.then_some(Reservation::Held),
    })
}

/// Stores that `sku` was short, so that a repeated attempt decides the same.
async fn record_shortage(
    connection: &mut PgConnection,
    order_id: &OrderId,
    sku: &Sku,
    available: i64,
) -> Result<(), Error> {
    sqlx::query!(
        "update orders set refused_sku = $2, refused_available = $3 where id = $1",
        order_id.as_str(),
        sku.as_str(),
        available,
    )
    .execute(connection)
    .await
    .for_operation("record the shortage")
    .map(|_| ())
}

/// Reserves `quantity` units of one SKU. Returns the available units when they are too few.
async fn reserve_sku(
    connection: &mut PgConnection,
    order_id: &OrderId,
    sku: &Sku,
    quantity: i64,
    default_stock: i64,
) -> Result<Option<i64>, Error> {
    sqlx::query!(
        "insert into inventory (sku, available, received) values ($1, $2, $2) on conflict (sku) do nothing",
        sku.as_str(),
        default_stock,
    )
    .execute(&mut *connection)
    .await
    .for_operation("insert the SKU")?;
    let held = sqlx::query!(
        "update inventory set available = available - $2, held = held + $2 where sku = $1 and available >= $2",
        sku.as_str(),
        quantity,
    )
    .execute(&mut *connection)
    .await
    .for_operation("reserve stock")?;
    if held.rows_affected() == 0 {
        let available = sqlx::query_scalar!(
            "select available from inventory where sku = $1",
            sku.as_str()
        );
        return available
            .fetch_one(connection)
            .await
            .for_operation("read the stock")
            .map(Some);
    }
    sqlx::query!(
        "insert into reservations (order_id, sku, quantity, state) values ($1, $2, $3, 'held')",
        order_id.as_str(),
        sku.as_str(),
        quantity,
    )
    .execute(connection)
    .await
    .for_operation("insert the reservation")?;
    Ok(None)
}

/// Writes the projection and releases the order's reservation. Returns whether there was one.
#[tracing::instrument(name = "store.inventory.release", skip_all)]
pub async fn release(pool: &PgPool, projection: OrderProjection<'_>) -> Result<bool, Error> {
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, projection).await?;
    sqlx::query!(
        "with released as (
             update reservations set state = 'released' where order_id = $1 and state = 'held' returning sku, quantity
         ), locked as (
             select inventory.sku, quantity from inventory join released using (sku) order by sku for update of inventory
         )
         update inventory set available = available + quantity, held = held - quantity
         from locked where inventory.sku = locked.sku",
        projection.state.order_id.as_str(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("release stock")?;
    let released = sqlx::query_scalar!(
        "select exists (select from reservations where order_id = $1 and state = 'released')",
        projection.state.order_id.as_str(),
    );
    let released = released
        .fetch_one(&mut *transaction)
        .await
        .for_operation("read the released reservations")?;
    transaction.commit().await.for_operation("commit")?;
    Ok(released == Some(true))
}

/// Writes the projection and counts the order's reserved units as shipped.
#[tracing::instrument(name = "store.inventory.commit", skip_all)]
pub async fn commit(pool: &PgPool, projection: OrderProjection<'_>) -> Result<(), Error> {
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, projection).await?;
    sqlx::query!(
        "with gone as (
             update reservations set state = 'shipped' where order_id = $1 and state = 'held' returning sku, quantity
         ), locked as (
             select inventory.sku, quantity from inventory join gone using (sku) order by sku for update of inventory
         )
         update inventory set held = held - quantity, shipped = shipped + quantity
         from locked where inventory.sku = locked.sku",
        projection.state.order_id.as_str(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("count the stock as shipped")?;
    transaction.commit().await.for_operation("commit")
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

/// Sets the available units of a SKU, as after a stocktaking, and returns its new stock. Held and
/// shipped units stay. The difference is added to the received units, so the row's check is satisfied.
#[tracing::instrument(name = "store.inventory.set_available", skip_all)]
pub async fn set_available(pool: &PgPool, sku: &Sku, available: i64) -> Result<Stock, Error> {
    sqlx::query_as!(
        Stock,
        "insert into inventory (sku, available, received) values ($1, $2, $2)
         on conflict (sku) do update set available = $2, received = inventory.received - inventory.available + $2
         returning available, held, shipped",
        sku.as_str(),
        available,
    )
    .fetch_one(pool)
    .await
    .for_operation("set the stock")
}
