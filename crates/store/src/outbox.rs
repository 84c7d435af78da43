//! The outbox of mails: a row in the transaction of the entry that it tells of, one for each order and kind.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::{Error, error::SqlxResultExt, orders::to_i32};
use domain::{AuditEvent, NotificationKind, OrderId, OrderState};

/// Has the outbox tell of these entries after `after`, and of no others there: what a lost task wrote is not mailed.
///
/// A row whose kind is decided again stays, so that nobody who is sending it does so in vain; a row for what was
/// decided otherwise goes. What was sent is sent.
pub(crate) async fn enqueue(
    connection: &mut PgConnection,
    record: &OrderState,
    after: u32,
    entries: &[AuditEvent],
) -> Result<(), Error> {
    let mut told = BTreeMap::new();
    for entry in entries {
        if let Some(kind) = NotificationKind::for_event(entry.kind) {
            told.entry(kind).or_insert(to_i32(entry.seq));
        }
    }
    let (kinds, seqs): (Vec<String>, Vec<i32>) = told
        .iter()
        .map(|(kind, seq)| (kind.to_string(), *seq))
        .unzip();
    let recipient = record
        .order
        .as_ref()
        .and_then(|order| order.customer.email.as_deref());
    sqlx::query!(
        "with gone as (
             delete from notifications
             where order_id = $1 and seq > $2 and status in ('pending', 'skipped') and kind <> all($3)
         )
         insert into notifications (order_id, kind, seq, recipient, status, reason)
         select $1, told.kind, told.seq, $5,
             case when $5::text is null then 'skipped' else 'pending' end,
             case when $5::text is null then 'the order has no e-mail address' end
         from unnest($3::text[], $4::int[]) as told (kind, seq)
         on conflict (order_id, kind) do update
             set seq = excluded.seq, created_at = now(), next_attempt_at = now(), attempts = 0
             where notifications.seq > $2 and notifications.seq <> excluded.seq
                 and notifications.status in ('pending', 'skipped')",
        record.order_id.as_str(),
        to_i32(after),
        &kinds,
        &seqs,
        recipient,
    )
    .execute(connection)
    .await
    .for_operation("write the outbox")
    .map(|_| ())
}

/// Which mails a worker takes, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ClaimOptions<'a> {
    /// How long an entry must have stood: what a lost task wrote may still give way to something else.
    pub record_outcome: Duration,
    /// For this long nobody else takes them.
    pub lease: Duration,
    /// The right side of a new Message-ID: the sender's domain.
    pub host: &'a str,
    pub limit: u32,
}

/// A mail that is this worker's to send until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMail {
    pub id: i64,
    pub order_id: String,
    pub kind: String,
    pub recipient: String,
    /// The same at each try.
    pub message_id: String,
    /// How many times it was tried, with this one.
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
}

/// Takes mails that are due, of each order the earliest only: a customer hears of things as they happened.
pub async fn claim_due(pool: &PgPool, claim: ClaimOptions<'_>) -> Result<Vec<DueMail>, Error> {
    sqlx::query_as!(
        DueMail,
        r#"with due as (
             select id from notifications as mail
             where status = 'pending' and next_attempt_at <= now()
                 and created_at <= now() - make_interval(secs => $1)
                 and exists (select from events where events.order_id = mail.order_id and events.seq = mail.seq)
                 and not exists (
                     select from notifications as earlier
                     where earlier.order_id = mail.order_id and earlier.status = 'pending' and earlier.seq < mail.seq)
             order by next_attempt_at, id limit $2 for update skip locked
         )
         update notifications set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $3),
             message_id = coalesce(message_id, kind || '.' || left(encode(sha256(convert_to(
                 order_id || ' ' || (select run_id from orders where orders.id = order_id), 'UTF8')), 'hex'), 32)
                 || '@' || $4)
         from due where notifications.id = due.id
         returning notifications.id, order_id, kind, recipient as "recipient!", message_id as "message_id!", attempts,
             created_at"#,
        claim.record_outcome.as_secs_f64(),
        i64::from(claim.limit),
        claim.lease.as_secs_f64(),
        claim.host,
    )
    .fetch_all(pool)
    .await
    .for_operation("take mails from the outbox")
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server has it.
    Sent,
    /// It will never go out, and why.
    Rejected(String),
    /// It is tried again after `pause`, having been tried as often as `attempts` says.
    Retry {
        pause: Duration,
        attempts: i32,
        reason: String,
    },
}

/// Records what became of a mail. What was sent is never taken for anything else.
pub async fn settle_time(pool: &PgPool, id: i64, fate: &MailOutcome) -> Result<(), Error> {
    let settled = match fate {
        MailOutcome::Sent => {
            sqlx::query!("update notifications set status = 'sent', sent_at = now(), reason = null where id = $1", id)
                .execute(pool)
                .await
        }
        MailOutcome::Rejected(reason) => {
            sqlx::query!(
                "update notifications set status = 'failed', reason = $2 where id = $1 and status = 'pending'",
                id,
                reason,
            )
            .execute(pool)
            .await
        }
        MailOutcome::Retry { pause, attempts, reason } => {
            sqlx::query!(
            "update notifications set attempts = $2, next_attempt_at = now() + make_interval(secs => $3), reason = $4
                 where id = $1 and status = 'pending'",
            id,
            attempts,
            pause.as_secs_f64(),
            reason,
        )
            .execute(pool)
            .await
        }
    };
    settled
        .for_operation("record what became of a mail")
        .map(|_| ())
}

/// Nothing that waits will go out, now or later; how many that were.
pub async fn skip_pending(pool: &PgPool, reason: &str) -> Result<u64, Error> {
    let skipped = sqlx::query!(
        "update notifications set status = 'skipped', reason = $1
         where id in (select id from notifications where status = 'pending' for update skip locked)",
        reason,
    );
    Ok(skipped
        .execute(pool)
        .await
        .for_operation("skip mails")?
        .rows_affected())
}

/// What an order's customer was, will be, or could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub kind: String,
    pub recipient: Option<String>,
    pub status: String,
    pub message_id: Option<String>,
    pub attempts: i32,
    pub reason: Option<String>,
}

/// The outbox of one order, in the order in which things happened.
pub async fn list(pool: &PgPool, order_id: &OrderId) -> Result<Vec<Notification>, Error> {
    sqlx::query_as!(
        Notification,
        "select kind, recipient, status, message_id, attempts, reason from notifications where order_id = $1
         order by seq, id",
        order_id.as_str(),
    )
    .fetch_all(pool)
    .await
    .for_operation("read the outbox")
}

/// How many wait. Cheap: an index has just these.
pub async fn count_pending(pool: &PgPool) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from notifications where status = 'pending'"#
    )
    .fetch_one(pool)
    .await
    .for_operation("count what waits in the outbox")
}

/// How the outbox stands as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    pub pending: i64,
    pub failed: i64,
    /// How long the oldest that waits has waited, in seconds.
    pub oldest_seconds: i64,
}

/// What waits, and what was refused.
pub async fn read_backlog(pool: &PgPool) -> Result<Backlog, Error> {
    sqlx::query_as!(
        Backlog,
        r#"select count(*) filter (where status = 'pending') as "pending!",
             count(*) filter (where status = 'failed') as "failed!",
             coalesce(extract(epoch from now() - min(created_at) filter (where status = 'pending')), 0)::bigint
                 as "oldest_seconds!"
         from notifications where status in ('pending', 'failed')"#
    )
    .fetch_one(pool)
    .await
    .for_operation("count the outbox")
}
