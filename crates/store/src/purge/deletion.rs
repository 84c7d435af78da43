//! The deletion of orders with all their rows, except payments.

use sqlx::PgConnection;

use super::Purged;
use crate::{Error, error::SqlxResultExt};

/// Deletes the rows of these orders. Payments and their movements stay, and so do the records of the
/// simulated payment provider, which belong to them.
pub(super) async fn delete(
    connection: &mut PgConnection,
    order_ids: &[String],
) -> Result<Purged, Error> {
    if order_ids.is_empty() {
        return Ok(Purged::default());
    }
    let deleted = sqlx::query!(
        r#"with gone_orders as (
             delete from orders where id = any($1) returning id, run_id, updated_at
         ), remembered as (
             insert into purged_orders (order_id, run_id, ended_at)
             select id, run_id, updated_at from gone_orders on conflict (order_id) do nothing
         ), gone_mails as (
             delete from notifications where order_id = any($1) returning 1
         ), gone_webhook_events as (
             delete from webhook_deliveries where order_id = any($1) returning 1
         ), gone_quotes as (
             delete from quotes where order_id = any($1)
         ), gone_refunds as (
             delete from refunds where order_id = any($1)
         ), gone_returns as (
             delete from returns where order_id = any($1)
         ), gone_refund_parts as (
             delete from refund_parts where order_id = any($1)
         ), gone_parcels as (
             delete from shipments where order_id = any($1) returning 1
         ), gone_consignments as (
             delete from simulator.parcels where order_id = any($1)
         ), gone_faults as (
             delete from simulator.faults where order_id = any($1)
         )
         select (select count(*) from gone_orders) as "orders!", (select count(*) from gone_mails) as "mails!",
             (select count(*) from gone_parcels) as "parcels!",
             (select count(*) from gone_webhook_events) as "webhook_events!""#,
        order_ids,
    )
    .fetch_one(&mut *connection)
    .await
    .for_operation("delete the orders")?;
    // After their orders: the audit log of an ended order is protected while the order has a row.
    let audit_events = sqlx::query_scalar!(
        r#"with gone as (delete from events where order_id = any($1) returning 1)
           select count(*) as "audit_events!" from gone"#,
        order_ids,
    )
    .fetch_one(&mut *connection)
    .await
    .for_operation("delete the audit events")?;
    // The last statement, because orders of the same SKUs wait for its locks. They are taken in the
    // same order as those of a reservation, so the two cannot block each other.
    let reservations = sqlx::query_scalar!(
        r#"with gone as (
             delete from reservations where order_id = any($1) returning sku, quantity, state
         ), units as (
             select sku, sum(quantity)::bigint as quantity from gone where state = 'shipped' group by sku
         ), locked as (
             select inventory.sku, quantity from inventory join units using (sku)
             order by sku collate "C" for update of inventory
         ), counted as (
             update inventory set shipped_of_purged = shipped_of_purged + quantity
             from locked where inventory.sku = locked.sku
         )
         select count(*) as "reservations!" from gone"#,
        order_ids,
    )
    .fetch_one(connection)
    .await
    .for_operation("delete the reservations")?;
    Ok(Purged {
        orders: to_u64(deleted.orders),
        audit_events: to_u64(audit_events),
        mails: to_u64(deleted.mails),
        webhook_events: to_u64(deleted.webhook_events),
        reservations: to_u64(reservations),
        parcels: to_u64(deleted.parcels),
        ..Purged::default()
    })
}

fn to_u64(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
