//! The records of the simulated payment provider and carrier. Only the simulators write them
//! (`migrations/0002_simulator.sql`).

use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// A fault that a simulator injects into a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Responds with an error.
    Fail,
    /// Does the work and loses the response.
    Lose,
    /// Never responds.
    Hang,
    /// Declines permanently.
    Decline,
}

/// Consumes the next fault for this call; `None` when there is none.
pub async fn take_fault(
    pool: &PgPool,
    operation: &str,
    order_id: &str,
) -> Result<Option<Fault>, Error> {
    let fault = sqlx::query_scalar!(
        "update simulator.faults set times = times - 1 where id = (
             select id from simulator.faults where operation = $1 and (order_id is null or order_id = $2) and times > 0
             order by id limit 1 for update skip locked
         ) returning fault",
        operation,
        order_id,
    )
    .fetch_optional(pool)
    .await
    .for_operation("take a fault")?;
    Ok(fault.map(|fault| match fault.as_str() {
        "fail" => Fault::Fail,
        "lose" => Fault::Lose,
        "hang" => Fault::Hang,
        _ => Fault::Decline,
    }))
}

/// A movement of money in the provider's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub transaction_id: String,
    pub kind: String,
}

/// Returns the movement with this idempotency key, after inserting `wanted` if there is none. One
/// key has one movement, as at a real provider.
pub async fn move_money(
    pool: &PgPool,
    key: &str,
    wanted: &Movement,
    order_id: &str,
    amount: i64,
    currency: &str,
) -> Result<Movement, Error> {
    sqlx::query!(
        "insert into simulator.payments (transaction_id, idempotency_key, kind, order_id, amount, currency)
         values ($1, $2, $3, $4, $5, $6) on conflict on constraint payments_idempotency_key_key do nothing",
        wanted.transaction_id,
        key,
        wanted.kind,
        order_id,
        amount,
        currency,
    )
    .execute(pool)
    .await
    .for_operation("write the provider's records")?;
    sqlx::query_as!(
        Movement,
        "select transaction_id, kind from simulator.payments where idempotency_key = $1",
        key
    )
    .fetch_one(pool)
    .await
    .for_operation("read the provider's records")
}

/// A shipment in the carrier's records. Without a tracking number, the carrier never accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tracking_number: Option<String>,
}

/// Returns the carrier's record of this shipment, after inserting one with `tracking_number` if
/// there is none.
pub async fn take_parcel(
    pool: &PgPool,
    shipment_id: &str,
    order_id: &str,
    tracking_number: Option<&str>,
    consignment: Option<&Value>,
) -> Result<Parcel, Error> {
    sqlx::query!(
        "insert into simulator.parcels (shipment_id, order_id, tracking_number, state, consignment_json)
         values ($1, $2, $3, case when $3::text is null then 'cancelled' else 'dispatched' end, $4)
         on conflict (shipment_id) do nothing",
        shipment_id,
        order_id,
        tracking_number,
        consignment,
    )
    .execute(pool)
    .await
    .for_operation("write the carrier's records")?;
    sqlx::query_as!(
        Parcel,
        "select tracking_number from simulator.parcels where shipment_id = $1",
        shipment_id
    )
    .fetch_one(pool)
    .await
    .for_operation("read the carrier's records")
}

/// Reads the consignment that the carrier received for this shipment.
pub async fn read_consignment(pool: &PgPool, shipment_id: &str) -> Result<Option<Value>, Error> {
    sqlx::query_scalar!(
        "select consignment_json from simulator.parcels where shipment_id = $1",
        shipment_id
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the carrier's records")
    .map(Option::flatten)
}

/// Injects a fault into the next `times` calls of `operation` for this order.
pub async fn add_fault(
    pool: &PgPool,
    operation: &str,
    order_id: &str,
    fault: Fault,
    times: i32,
) -> Result<(), Error> {
    let fault = match fault {
        Fault::Fail => "fail",
        Fault::Lose => "lose",
        Fault::Hang => "hang",
        Fault::Decline => "decline",
    };
    sqlx::query!(
        "insert into simulator.faults (operation, order_id, fault, times) values ($1, $2, $3, $4)",
        operation,
        order_id,
        fault,
        times,
    )
    .execute(pool)
    .await
    .for_operation("add a fault")
    .map(|_| ())
}

/// Reads the provider's captures, refunds, voids and declines for this order.
pub async fn list_movements(pool: &PgPool, order_id: &str) -> Result<Vec<Movement>, Error> {
    sqlx::query_as!(
        Movement,
        "select transaction_id, kind from simulator.payments where order_id = $1 order by created_at, kind",
        order_id,
    )
    .fetch_all(pool)
    .await
    .for_operation("read the provider's records")
}

/// Counts the faults that are left for this order.
pub async fn count_faults(pool: &PgPool, operation: &str, order_id: &str) -> Result<i64, Error> {
    let left = sqlx::query_scalar!(
        r#"select coalesce(sum(times), 0)::bigint as "left!" from simulator.faults where operation = $1 and order_id = $2"#,
        operation,
        order_id,
    );
    left.fetch_one(pool).await.for_operation("count the faults")
}
