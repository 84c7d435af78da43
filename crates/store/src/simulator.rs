//! The books of the simulated payment provider and carrier: theirs alone (`migrations/0002_simulator.sql`).

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// What the simulator was told to do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fail,
    /// Does the work and loses the answer.
    Lose,
    Hang,
    Decline,
}

/// Takes the next fault for this call, if there is one.
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

/// A movement of money in the provider's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub transaction_id: String,
    pub kind: String,
}

/// The movement that was made under this key, or the one that is made now. The provider's own promise:
/// one key, one movement.
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
    .for_operation("write the provider's books")?;
    sqlx::query_as!(
        Movement,
        "select transaction_id, kind from simulator.payments where idempotency_key = $1",
        key
    )
    .fetch_one(pool)
    .await
    .for_operation("read the provider's books")
}

/// What the carrier has under this shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub tracking_number: Option<String>,
}

/// The parcel as the carrier has it, or as it takes it now: with a tracking number, or, with none, never to take it.
pub async fn take_parcel(
    pool: &PgPool,
    shipment_id: &str,
    order_id: &str,
    tracking_number: Option<&str>,
) -> Result<Parcel, Error> {
    sqlx::query!(
        "insert into simulator.parcels (shipment_id, order_id, tracking_number, state)
         values ($1, $2, $3, case when $3::text is null then 'cancelled' else 'dispatched' end)
         on conflict (shipment_id) do nothing",
        shipment_id,
        order_id,
        tracking_number,
    )
    .execute(pool)
    .await
    .for_operation("write the carrier's books")?;
    sqlx::query_as!(
        Parcel,
        "select tracking_number from simulator.parcels where shipment_id = $1",
        shipment_id
    )
    .fetch_one(pool)
    .await
    .for_operation("read the carrier's books")
}

/// Has the next `times` calls of `operation` for this order go wrong.
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

/// How often the provider captured, refunded, voided or declined for this order.
pub async fn list_movements(pool: &PgPool, order_id: &str) -> Result<Vec<Movement>, Error> {
    sqlx::query_as!(
        Movement,
        "select transaction_id, kind from simulator.payments where order_id = $1 order by created_at, kind",
        order_id,
    )
    .fetch_all(pool)
    .await
    .for_operation("read the provider's books")
}

/// How many faults are still to come for this order.
pub async fn count_faults(pool: &PgPool, operation: &str, order_id: &str) -> Result<i64, Error> {
    let left = sqlx::query_scalar!(
        r#"select coalesce(sum(times), 0)::bigint as "left!" from simulator.faults where operation = $1 and order_id = $2"#,
        operation,
        order_id,
    );
    left.fetch_one(pool).await.for_operation("count the faults")
}
