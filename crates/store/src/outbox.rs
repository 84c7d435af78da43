//! The outbox of mails to customers. Each row is written in the transaction of the audit event that
//! causes the mail. There is one row for each order and kind.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use domain::OrderId;

/// Options of [`claim_due`].
#[derive(Debug, Clone, Copy)]
pub struct ClaimOptions<'a> {
    /// The minimum age of a mail. A younger one may report an event of a workflow task that is lost
    /// and replaced.
    pub settle_time: Duration,
    /// The time for which no other worker claims these mails.
    pub lease: Duration,
    /// The sender's domain, the right side of a new Message-ID.
    pub host: &'a str,
    /// The maximum number of mails.
    pub limit: u32,
}

/// A mail that only this worker may send until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueMail {
    pub id: i64,
    pub order_id: String,
    pub kind: String,
    pub recipient: String,
    /// The Message-ID, which is the same in each attempt.
    pub message_id: String,
    /// The number of attempts, including this one.
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
}

/// Claims mails that are due. Of each order it claims the earliest only, so that a customer's mails
/// are in the order of the events.
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
        claim.settle_time.as_secs_f64(),
        i64::from(claim.limit),
        claim.lease.as_secs_f64(),
        claim.host,
    )
    .fetch_all(pool)
    .await
    .for_operation("claim mails in the outbox")
}

/// The result of an attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server accepted the mail.
    Sent,
    /// The mail is never sent, for this reason.
    Rejected(String),
    /// The mail is sent again after `pause`. `attempts` is the number of attempts to store.
    Retry {
        pause: Duration,
        attempts: i32,
        reason: String,
    },
}

/// Stores the result of an attempt. A mail that was sent keeps that status.
pub async fn record_outcome(pool: &PgPool, id: i64, outcome: &MailOutcome) -> Result<(), Error> {
    let recorded = match outcome {
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
    recorded
        .for_operation("record the outcome of a mail")
        .map(|_| ())
}

/// Marks all pending mails as skipped and returns their number.
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

/// A mail to an order's customer: sent, pending, skipped or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub kind: String,
    pub recipient: Option<String>,
    pub status: String,
    pub message_id: Option<String>,
    pub attempts: i32,
    pub reason: Option<String>,
}

/// Reads the mails of one order, in the order of its audit events.
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

/// Counts the pending mails. An index contains only these, so the query is cheap.
pub async fn count_pending(pool: &PgPool) -> Result<i64, Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from notifications where status = 'pending'"#
    )
    .fetch_one(pool)
    .await
    .for_operation("count the pending mails")
}

/// Counters of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    pub pending: i64,
    pub failed: i64,
    /// The age of the oldest pending mail, in seconds.
    pub oldest_seconds: i64,
}

/// Counts the pending and the failed mails.
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
    .for_operation("count the mails in the outbox")
}
