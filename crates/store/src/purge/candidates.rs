//! Orders that ended long ago, and the reasons to keep some of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{Error, attention, error::SqlxResultExt};

/// The reason why an old order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepReason {
    /// Money must be refunded, a payment has no final status, or a return is open.
    OpenMoney,
    OpenDispute,
    /// The work list of money has an entry of the order.
    WorkList,
    PendingMail,
    HeldStock,
    /// A webhook event or a payment changed within the limit, or an event is not processed yet.
    RecentPaymentEvent,
}

impl KeepReason {
    /// Returns the reason as operators read it.
    #[must_use]
    pub const fn as_text(self) -> &'static str {
        match self {
            Self::OpenMoney => "money is due, or a payment is not final",
            Self::OpenDispute => "a dispute is open",
            Self::WorkList => "an entry of `orderflow money list` is open",
            Self::PendingMail => "a mail is pending",
            Self::HeldStock => "stock is still held",
            Self::RecentPaymentEvent => "a payment event is younger than the limit or unprocessed",
        }
    }

    fn of_column(text: &str) -> Option<Self> {
        match text {
            "open_money" => Some(Self::OpenMoney),
            "open_dispute" => Some(Self::OpenDispute),
            "pending_mail" => Some(Self::PendingMail),
            "held_stock" => Some(Self::HeldStock),
            "recent_payment_event" => Some(Self::RecentPaymentEvent),
            _ => None,
        }
    }
}

/// The position of an order in the list, which is sorted by the time of creation.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) created_at: DateTime<Utc>,
    pub(super) order_id: String,
}

#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) position: Position,
    pub(super) keep: Option<KeepReason>,
}

struct Row {
    id: String,
    created_at: DateTime<Utc>,
    reason: Option<String>,
    /// Whether the work list can have an entry of the order. Its query decides.
    has_concern: bool,
}

/// Lists orders that ended before `before`, oldest first, after a position.
pub(super) async fn list(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<Candidate>, Error> {
    // An order was created before it ended, so the index orders_created finds the old orders. Each page
    // begins at its position, without `or`, also with a generic plan. Each aggregate reads the rows of
    // one order; the planner would answer `exists` for a page by a scan of the whole table.
    let rows = sqlx::query_as!(
        Row,
        r#"with page as materialized (
             select id, created_at from orders
             where not is_running and updated_at < $1 and created_at < $1
                 and (created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::text, ''))
             order by created_at, id limit $4
           )
           select id as "id!", created_at as "created_at!", case
             when money.is_open or refund.is_open or returned.is_open then 'open_money'
             when money.is_disputed then 'open_dispute'
             when mail.is_pending then 'pending_mail'
             when stock.is_held then 'held_stock'
             when money.is_recent or event.is_recent then 'recent_payment_event'
             end as reason,
             coalesce(money.has_concern, false) or coalesce(event.has_concern, false) as "has_concern!"
           from page
           cross join lateral (
             select bool_or(due > 0 or unmatched > 0 or status in ('pending', 'refunding', 'refund_due')) as is_open,
                 bool_or(dispute = 'opened') as is_disputed, bool_or(updated_at >= $1) as is_recent,
                 bool_or(concerns <> '{}' or refunded > 0 and (
                     select count(*) from payment_movements as movement
                     where movement.payment_id = payments.payment_id and movement.kind = 'joined') > 0) as has_concern
             from payments where order_id = page.id
           ) as money
           cross join lateral (
             select bool_or(state = 'pending' or not is_announced) as is_open from refunds where order_id = page.id
           ) as refund
           cross join lateral (
             select bool_or(state in ('requested', 'approved', 'received')) as is_open from returns where order_id = page.id
           ) as returned
           cross join lateral (
             select bool_or(outcome = 'pending' or received_at >= $1 or updated_at >= $1) as is_recent,
                 bool_or(event_json ->> 'kind' in ('completed_unpaid', 'unconfirmed', 'unreadable', 'report_refused'))
                     as has_concern
             from webhook_deliveries where order_id = page.id
           ) as event
           cross join lateral (
             select bool_or(status = 'pending') as is_pending from notifications where order_id = page.id
           ) as mail
           cross join lateral (
             select bool_or(state = 'held') as is_held from reservations where order_id = page.id
           ) as stock
           order by created_at, id"#,
        before,
        after.map(|position| position.created_at),
        after.map(|position| position.order_id.as_str()),
        i64::from(limit),
    )
    .fetch_all(&mut *connection)
    .await
    .for_operation("list the old orders")?;
    let concerned: Vec<String> = rows
        .iter()
        .filter(|row| row.has_concern && row.reason.is_none())
        .map(|row| row.id.clone())
        .collect();
    let listed = attention::find_orders(connection, &concerned).await?;
    let candidate = |row: Row| {
        let stored = row.reason.as_deref().and_then(KeepReason::of_column);
        let is_listed = listed.contains(&row.id);
        Candidate {
            keep: stored.or(is_listed.then_some(KeepReason::WorkList)),
            position: Position {
                created_at: row.created_at,
                order_id: row.id,
            },
        }
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// Lists the orders and locks them, so that a late audit event waits for the end of the deletion.
pub(super) async fn lock(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<Candidate>, Error> {
    // Locked first: a reason that appears before the lock is then seen by the list.
    sqlx::query_scalar!(
        "select id from orders
         where not is_running and updated_at < $1 and created_at < $1
             and (created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::text, ''))
         order by created_at, id limit $4 for update",
        before,
        after.map(|position| position.created_at),
        after.map(|position| position.order_id.as_str()),
        i64::from(limit),
    )
    .fetch_all(&mut *connection)
    .await
    .for_operation("lock the old orders")?;
    list(connection, before, after, limit).await
}
