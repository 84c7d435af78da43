//! Stalled orders: open orders without progress that do not wait for anything.

use std::time::Duration;

use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};

/// Counts open orders whose row has not changed for `patience`, and whose wait, if any, ended at
/// least `patience` ago.
///
/// The audit log states what an order waits for, and until when:
///
/// - a review or a payment, until the timeout in the audit event that requested it, at most until
///   the order's deadline;
/// - the delivery of a parcel, for the time in the order's policy;
/// - a pause in the order's policy.
///
/// Every other step, including compensation, makes progress on its own and changes the row.
#[tracing::instrument(name = "store.orders.late", skip_all)]
pub async fn count(pool: &PgPool, patience: Duration) -> Result<i64, Error> {
    sqlx::query_scalar!(
        // Policies are read one by one through the index, because a join would read the audit logs
        // of all orders. Most open orders wait for their delivery, which needs no second subquery.
        r#"with still as materialized (
             select id, step, updated_at, created_at, (shipment_json ->> 'shipped_at')::timestamptz as shipped_at,
                 (select payload_json -> 'policy' from events where order_id = orders.id and seq = 1) as policy
             from orders where is_running and updated_at < now() - make_interval(secs => $1)
                 and (waiting_json is null or (waiting_json ->> 'until')::timestamptz < now() - make_interval(secs => $1))
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
    .for_operation("count the stalled orders")
}
