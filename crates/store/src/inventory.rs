//! Stock per sku: available, held by orders, shipped. Each step may run twice; the sum never changes.

use std::collections::BTreeMap;

use sqlx::{Acquire, PgConnection, PgPool};

use crate::{
    Error,
    error::SqlxResultExt,
    orders::{self, OrderProjection, to_i32},
    pool,
};
use domain::{LineItem, OrderId, Sku};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    Held,
    Unavailable { sku: Sku, available: i64 },
}

/// Holds everything the order needs, or nothing. A sku never seen opens with `default_stock`.
#[tracing::instrument(name = "store.inventory.reserve", skip_all)]
pub async fn reserve(
    pool: &PgPool,
    image: OrderProjection<'_>,
    lines: &[LineItem],
    default_stock: i64,
) -> Result<Reservation, Error> {
    let order_id = &image.record.order_id;
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, image).await?;
    if let Some(decided) = decided(&mut transaction, image).await? {
        transaction.commit().await.for_operation("commit")?;
        return Ok(decided);
    }
    // In the order of the skus: two orders that want the same two never wait for each other.
    let mut wanted: BTreeMap<&Sku, i64> = BTreeMap::new();
    for line in lines {
        *wanted.entry(&line.sku).or_default() += i64::from(line.quantity);
    }
    let mut holding = transaction.begin().await.for_operation("set a savepoint")?;
    let mut reservation = Reservation::Held;
    for (sku, quantity) in wanted {
        if let Some(available) = hold(&mut holding, order_id, sku, quantity, default_stock).await? {
            reservation = Reservation::Unavailable {
                sku: sku.clone(),
                available,
            };
            break;
        }
    }
    match &reservation {
        Reservation::Held => holding.commit().await.for_operation("keep what is held")?,
        Reservation::Unavailable { sku, available } => {
            holding
                .rollback()
                .await
                .for_operation("give back what was held")?;
            refuse(&mut transaction, order_id, sku, *available).await?;
        }
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(reservation)
}

/// What was decided before. The row's lock keeps a twin of this try, late or early, from deciding otherwise.
async fn decided(
    connection: &mut PgConnection,
    image: OrderProjection<'_>,
) -> Result<Option<Reservation>, Error> {
    let row = sqlx::query!(
        r#"select version, refused_sku, refused_available,
             exists (select from reservations where order_id = orders.id) as "reserved!"
         from orders where id = $1 for update"#,
        image.record.order_id.as_str(),
    )
    .fetch_one(connection)
    .await
    .for_operation("look for the reservation")?;
    if row.version > to_i32(image.version) {
        // The order has gone on without this try: nobody reads the answer, and nothing may be held any more.
        return Ok(Some(Reservation::Held));
    }
    let refused = row
        .refused_sku
        .and_then(|sku| Sku::parse(&sku).ok())
        .zip(row.refused_available);
    Ok(match refused {
        Some((sku, available)) => Some(Reservation::Unavailable { sku, available }),
        None => row.reserved.then_some(Reservation::Held),
    })
}

async fn refuse(
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
    .for_operation("record the refusal")
    .map(|_| ())
}

/// Holds one sku; what is left of it when that is too little.
async fn hold(
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
    .for_operation("open a sku")?;
    let held = sqlx::query!(
        "update inventory set available = available - $2, held = held + $2 where sku = $1 and available >= $2",
        sku.as_str(),
        quantity,
    )
    .execute(&mut *connection)
    .await
    .for_operation("hold stock")?;
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

/// Gives back what the order holds; whether it held anything.
#[tracing::instrument(name = "store.inventory.release", skip_all)]
pub async fn release(pool: &PgPool, image: OrderProjection<'_>) -> Result<bool, Error> {
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, image).await?;
    sqlx::query!(
        "with released as (
             update reservations set state = 'released' where order_id = $1 and state = 'held' returning sku, quantity
         ), locked as (
             select inventory.sku, quantity from inventory join released using (sku) order by sku for update of inventory
         )
         update inventory set available = available + quantity, held = held - quantity
         from locked where inventory.sku = locked.sku",
        image.record.order_id.as_str(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("release stock")?;
    let released = sqlx::query_scalar!(
        "select exists (select from reservations where order_id = $1 and state = 'released')",
        image.record.order_id.as_str(),
    );
    let released = released
        .fetch_one(&mut *transaction)
        .await
        .for_operation("look at what was released")?;
    transaction.commit().await.for_operation("commit")?;
    Ok(released == Some(true))
}

/// What the order held has left the house.
#[tracing::instrument(name = "store.inventory.commit", skip_all)]
pub async fn commit(pool: &PgPool, image: OrderProjection<'_>) -> Result<(), Error> {
    let mut transaction = pool::begin(pool).await?;
    orders::write_projection(&mut transaction, image).await?;
    sqlx::query!(
        "with gone as (
             update reservations set state = 'shipped' where order_id = $1 and state = 'held' returning sku, quantity
         ), locked as (
             select inventory.sku, quantity from inventory join gone using (sku) order by sku for update of inventory
         )
         update inventory set held = held - quantity, shipped = shipped + quantity
         from locked where inventory.sku = locked.sku",
        image.record.order_id.as_str(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("commit stock")?;
    transaction.commit().await.for_operation("commit")
}

/// The stock of one sku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    pub available: i64,
    pub held: i64,
    pub shipped: i64,
}

/// What there is of a sku; `None` when it was never seen.
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

/// The stock of every sku that was ever seen, by name.
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
        // A sku is checked before its row is made.
        .filter_map(|row| {
            Some((
                Sku::parse(&row.sku).ok()?,
                stock(row.available, row.held, row.shipped),
            ))
        })
        .collect())
}

/// Sets what is available, as after a count of the shelves, and tells what there is then. What is held or shipped
/// stays: the difference is booked as received, so that the sum still holds.
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
