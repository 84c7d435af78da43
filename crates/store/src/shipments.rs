//! Parcels of orders, and their state at the carrier.

use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use domain::OrderId;

/// The contents of a parcel, as one shipping attempt prepared it.
#[derive(Debug, Clone, Copy)]
pub struct Package<'a> {
    pub order_id: &'a OrderId,
    pub shipment_id: &'a str,
    pub attempt: u32,
    pub address: &'a Value,
    pub items: &'a Value,
}

/// Inserts a prepared parcel. A repeated call replaces its address and items, unless a later attempt
/// prepared it, or it was dispatched or cancelled.
#[tracing::instrument(name = "store.shipments.prepare", skip_all)]
pub async fn prepare(pool: &PgPool, package: Package<'_>) -> Result<(), Error> {
    sqlx::query!(
        "insert into shipments (shipment_id, order_id, state, attempt, address_json, items_json) values ($1, $2, 'prepared', $3, $4, $5)
         on conflict (shipment_id) do update set attempt = $3, address_json = $4, items_json = $5, updated_at = now()
         where shipments.state = 'prepared' and shipments.attempt <= $3",
        package.shipment_id,
        package.order_id.as_str(),
        i32::try_from(package.attempt).unwrap_or(i32::MAX),
        package.address,
        package.items,
    )
    .execute(pool)
    .await
    .for_operation("prepare the parcel")
    .map(|_| ())
}

/// Records that the carrier has accepted the parcel. A parcel that a restored database has lost gets
/// a row again.
///
/// # Errors
///
/// Fails if the parcel was cancelled, or dispatched with another tracking number. Then the carrier
/// has a parcel that the table does not have.
#[tracing::instrument(name = "store.shipments.dispatched", skip_all)]
pub async fn record_dispatch(
    pool: &PgPool,
    package: Package<'_>,
    tracking_number: &str,
) -> Result<(), Error> {
    sqlx::query_scalar!(
        "insert into shipments (shipment_id, order_id, state, attempt, address_json, items_json, tracking_number)
         values ($1, $2, 'dispatched', $3, $4, $5, $6)
         on conflict (shipment_id) do update set state = 'dispatched', tracking_number = $6, updated_at = now()
         where shipments.state = 'prepared' or (shipments.state = 'dispatched' and shipments.tracking_number = $6)
         returning shipment_id",
        package.shipment_id,
        package.order_id.as_str(),
        i32::try_from(package.attempt).unwrap_or(i32::MAX),
        package.address,
        package.items,
        tracking_number,
    )
    .fetch_one(pool)
    .await
    .for_operation("record the dispatch of the parcel")
    .map(|_| ())
}

/// Records that the carrier will not ship the parcel, unless it was dispatched. Without a row, this
/// function inserts one, so that a late write does not prepare the parcel.
#[tracing::instrument(name = "store.shipments.cancelled", skip_all)]
pub async fn record_cancellation(
    pool: &PgPool,
    order_id: &OrderId,
    shipment_id: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into shipments (shipment_id, order_id, state, items_json) values ($1, $2, 'cancelled', '[]')
         on conflict (shipment_id) do update set state = 'cancelled', updated_at = now() where shipments.state = 'prepared'",
        shipment_id,
        order_id.as_str(),
    )
    .execute(pool)
    .await
    .for_operation("record the cancelled parcel")
    .map(|_| ())
}

/// Reads the state of a parcel: `prepared`, `dispatched` or `cancelled`.
pub async fn read_state(pool: &PgPool, shipment_id: &str) -> Result<Option<String>, Error> {
    sqlx::query_scalar!(
        "select state from shipments where shipment_id = $1",
        shipment_id
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the parcel")
}

/// Reads the address of a parcel as of its last preparation.
pub async fn read_address(pool: &PgPool, shipment_id: &str) -> Result<Option<Value>, Error> {
    sqlx::query_scalar!(
        "select address_json from shipments where shipment_id = $1",
        shipment_id
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the parcel")
    .map(Option::flatten)
}

/// A parcel of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub shipment_id: String,
    /// `prepared`, `dispatched` or `cancelled`.
    pub state: String,
}

/// Reads the parcels of an order.
pub async fn list_by_order(pool: &PgPool, order_id: &OrderId) -> Result<Vec<Parcel>, Error> {
    sqlx::query_as!(
        Parcel,
        "select shipment_id, state from shipments where order_id = $1 order by shipment_id",
        order_id.as_str()
    )
    .fetch_all(pool)
    .await
    .for_operation("read the parcels")
}
