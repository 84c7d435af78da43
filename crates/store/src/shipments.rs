//! Parcels of orders, and their state at the carrier.

use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use domain::OrderId;

/// Inserts a prepared parcel. A repeated call replaces its address and items, unless it was
/// dispatched or cancelled.
#[tracing::instrument(name = "store.shipments.prepare", skip_all)]
pub async fn prepare(
    pool: &PgPool,
    order_id: &OrderId,
    shipment_id: &str,
    address: &Value,
    items: &Value,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into shipments (shipment_id, order_id, state, address_json, items_json) values ($1, $2, 'prepared', $3, $4)
         on conflict (shipment_id) do update set address_json = $3, items_json = $4, updated_at = now()
         where shipments.state = 'prepared'",
        shipment_id,
        order_id.as_str(),
        address,
        items,
    )
    .execute(pool)
    .await
    .for_operation("prepare the parcel")
    .map(|_| ())
}

/// Records that the carrier has accepted the parcel.
#[tracing::instrument(name = "store.shipments.dispatched", skip_all)]
pub async fn record_dispatch(
    pool: &PgPool,
    shipment_id: &str,
    tracking_number: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "update shipments set state = 'dispatched', tracking_number = $2, updated_at = now() where shipment_id = $1",
        shipment_id,
        tracking_number,
    )
    .execute(pool)
    .await
    .for_operation("record the dispatch")
    .map(|_| ())
}

/// Records that the carrier will not ship the parcel, unless it was dispatched.
#[tracing::instrument(name = "store.shipments.cancelled", skip_all)]
pub async fn record_cancellation(pool: &PgPool, shipment_id: &str) -> Result<(), Error> {
    sqlx::query!(
        "update shipments set state = 'cancelled', updated_at = now() where shipment_id = $1 and state = 'prepared'",
        shipment_id,
    )
    .execute(pool)
    .await
    .for_operation("record the cancelled parcel")
    .map(|_| ())
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
