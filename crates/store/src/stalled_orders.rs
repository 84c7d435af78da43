//! Orders that are late: open, and standing still though nothing that they wait for explains it.

use std::time::Duration;

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// How many open orders nothing has been written of for `patience`, nor since what they waited for was over.
///
/// What an order may wait for, and until when, is in its own trail: a reviewer and a payment as long as the entry says
/// that asked for them, at most until the order's deadline; the word that a parcel arrived as long as its policy says. A
/// pause that the policy has is waited for, too. Everything else, undoing included, moves by itself and writes.
#[tracing::instrument(name = "store.orders.late", skip_all)]
pub async fn count(pool: &PgPool, patience: Duration) -> Result<i64, Error> {
    sqlx::query_scalar!(
        // Policies by the index, one by one: a join would read the trails of all orders there ever were. And what most open
        // orders wait for, their delivery, needs no second look.
        r#"with still as materialized (
             select id, step, updated_at, created_at, (shipment_json ->> 'shipped_at')::timestamptz as shipped_at,
                 (select payload_json -> 'policy' from events where order_id = orders.id and seq = 1) as policy
             from orders where is_running and updated_at < now() - make_interval(secs => $1)
         ), waiting as (
             select updated_at, case
                 when step = 'pay' then (policy ->> 'payment_processing_delay')::interval
                 when step in ('prepare', 'dispatch') then (policy ->> 'shipping_delay')::interval
             end as pause, case
                 when step = 'deliver' then shipped_at + (policy -> 'delivery' ->> 'after')::interval
                 when step in ('manual_review', 'pay') then (
                     select case when payload_json ->> 'timeout' is not null then
                         least(ts + (payload_json ->> 'timeout')::interval, created_at + (policy ->> 'deadline')::interval)
                     end from events
                     where order_id = still.id and type = any(case step
                         when 'manual_review' then array['review_started', 'review_approved']
                         else array['payment_requested', 'payment_accepted', 'payment_confirmed', 'payment_captured']
                     end)
                     order by seq desc limit 1)
             end as until
             from still
         )
         select count(*) as "count!" from waiting
         where greatest(updated_at + pause, until, updated_at) < now() - make_interval(secs => $1)"#,
        patience.as_secs_f64(),
    )
    .fetch_one(pool)
    .await
    .for_operation("count the orders that are late")
}
