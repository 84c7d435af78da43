//! Old rows that belong to no order: webhook events of unknown orders, and rows whose order a
//! restored database lacks.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::PLAN_PAGE;
use crate::{Error, attention::RESOLVED, error::SqlxResultExt};

/// The position of a webhook event in the list, which is sorted by the time of its receipt.
#[derive(Debug, Clone)]
pub(super) struct Position {
    received_at: DateTime<Utc>,
    id: i64,
}

struct Row {
    id: i64,
    received_at: DateTime<Utc>,
    is_needed: bool,
}

impl Row {
    fn position(&self) -> Position {
        Position {
            received_at: self.received_at,
            id: self.id,
        }
    }
}

/// Deletes webhook events that belong to no order, oldest first, after a position. Returns the
/// position of the last event that was read. Keeps events of an order, of a payment that an operator
/// must act on, and of an open entry of the work list.
pub(super) async fn purge_webhook_events(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    after: Option<&Position>,
    limit: u32,
) -> Result<(u64, Option<Position>), Error> {
    let rows = list_webhook_events(connection, before, after, limit).await?;
    let last = rows.last().map(Row::position);
    let ids: Vec<i64> = rows
        .iter()
        .filter(|row| !row.is_needed)
        .map(|row| row.id)
        .collect();
    let deleted = sqlx::query!(
        "delete from webhook_deliveries where id = any($1) and updated_at < $2",
        &ids,
        before,
    )
    .execute(connection)
    .await
    .for_operation("delete the webhook events")?;
    Ok((deleted.rows_affected(), last))
}

/// Counts the webhook events that [`purge_webhook_events`] would delete.
pub(super) async fn count_webhook_events(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<u64, Error> {
    let (mut count, mut after) = (0, None);
    loop {
        let rows = list_webhook_events(&mut *connection, before, after.as_ref(), PLAN_PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(count);
        };
        after = Some(last.position());
        count += rows.iter().filter(|row| !row.is_needed).count() as u64;
    }
}

async fn list_webhook_events(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<Row>, Error> {
    // Each count reads by an index; the planner would answer `exists` by a scan of the whole table.
    sqlx::query_as!(
        Row,
        r#"with page as materialized (
             select * from webhook_deliveries
             where received_at < $1
                 and (received_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::bigint, 0))
             order by received_at, id limit $4
           )
           select id as "id!", received_at as "received_at!",
             outcome = 'pending' or page.updated_at >= $1
             or (select count(*) from orders where orders.id = page.order_id) > 0
             or (
                 select count(*) from payments
                 where (transaction_id = page.transaction_id or aliases @> array[page.transaction_id])
                     and (due > 0 or unmatched > 0 or concerns <> '{}' or dispute = 'opened'
                         or (select count(*) from orders where orders.id = payments.order_id) > 0)) > 0
             -- As in the work list.
             or event_json ->> 'kind' = 'report_refused' and coalesce(detail, '') not like $5 || '%' and (
                 select count(*) from payments as known
                 where (known.transaction_id = page.transaction_id or known.aliases @> array[page.transaction_id])
                     and (known.captured > 0 or known.authorised > 0 or known.status = 'declined')) = 0 as "is_needed!"
           from page order by received_at, id"#,
        before,
        after.map(|position| position.received_at),
        after.map(|position| position.id),
        i64::from(limit),
        RESOLVED,
    )
    .fetch_all(connection)
    .await
    .for_operation("list the old webhook events")
}

/// Finds orders that have no row, but audit events or mails that are all old. A database that was
/// restored can lack an order whose workflow never wrote again.
pub(super) async fn find_missing_orders(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<String>, Error> {
    let ids = sqlx::query_scalar!(
        r#"select order_id as "order_id!" from (
             select order_id from events where not exists (select from orders where orders.id = order_id)
             union
             select order_id from notifications where not exists (select from orders where orders.id = order_id)
         ) as missing
         where not exists (select from events where events.order_id = missing.order_id and ts >= $1)
             and not exists (select from notifications as mail where mail.order_id = missing.order_id
                 and (mail.created_at >= $1 or mail.status = 'pending'))
             and not exists (select from reservations where reservations.order_id = missing.order_id and state = 'held')
             and not exists (select from webhook_deliveries as event where event.order_id = missing.order_id
                 and (event.outcome = 'pending' or event.updated_at >= $1))
         limit $2"#,
        before,
        i64::from(limit),
    )
    .fetch_all(connection)
    .await
    .for_operation("find rows without an order")?;
    Ok(ids)
}
