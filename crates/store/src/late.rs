//! Orders that are late: open, and standing still though nothing that they wait for explains it.

use crate::{Error, error::Failed};
use sqlx::PgPool;
use std::time::Duration;

/// How many open orders nothing has been written of for `patience`, nor since what they waited for was over.
///
/// What an order may wait for, and until when, is in its own trail: a reviewer and a payment as long as the entry says
/// that asked for them, at most until the order's deadline; the word that a parcel arrived as long as its policy says. A
/// pause that the policy has is waited for, too. Everything else, undoing included, moves by itself and writes.
#[tracing::instrument(name = "store.orders.late", skip_all)]
pub async fn count(pool: &PgPool, patience: Duration) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"with still as (
             select orders.id, step, updated_at, created_at, received.payload_json -> 'policy' as policy
             from orders left join events as received on received.order_id = orders.id and received.seq = 1
             where is_running and updated_at < now() - make_interval(secs => $1)
         ), waiting as (
             select updated_at, (select case
                     when step in ('manual_review', 'pay') then
                         least(ts + (payload_json ->> 'timeout')::interval, created_at + (policy ->> 'deadline')::interval)
                     when step = 'deliver' then ts + (policy -> 'delivery' ->> 'after')::interval
                 end
                 from events
                 where order_id = still.id and type = any(case step
                     when 'manual_review' then array['review_started', 'review_approved']
                     when 'pay' then array['payment_requested', 'payment_accepted', 'payment_confirmed', 'payment_captured']
                     when 'deliver' then array['order_shipped']
                 end)
                 order by seq desc limit 1
             ) as until, case
                 when step = 'pay' then (policy ->> 'payment_processing_delay')::interval
                 when step in ('prepare', 'dispatch') then (policy ->> 'shipping_delay')::interval
             end as pause
             from still
         )
         select count(*) as "count!" from waiting
         where greatest(updated_at + pause, until, updated_at) < now() - make_interval(secs => $1)"#,
        patience.as_secs_f64(),
    )
    .fetch_one(pool)
    .await
    .failed("count the orders that are late")
}
