//! The outbox of mails to customers. Each row is written in the transaction of the audit event that
//! causes the mail. There is one row for each order, kind and subject.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, pool};
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
    /// The id of the refund or the return; empty for a mail that an order has once.
    pub subject_id: String,
    pub recipient: String,
    /// The Message-ID, which is the same in each attempt.
    pub message_id: String,
    /// The number of attempts, including this one.
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    /// The end of the lease, which identifies it.
    pub lease_end: DateTime<Utc>,
}

/// The result of [`claim_due`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedMails {
    /// The mails, the one that waited longest first.
    pub mails: Vec<DueMail>,
    /// Whether the claim reached its limit, so that more mails may be due.
    pub is_full: bool,
}

/// The time after which a mail that waits for an earlier one is read again. It matters only if the
/// earlier one was deleted, or got its outcome by another program than [`record_outcome`], such as
/// the previous release.
const BLOCKED_TIME: Duration = Duration::from_secs(300);

/// Claims mails that are due. Of each order it claims the earliest only, so that a customer's mails
/// are in the order of the events. It postpones the others, so that the next claims do not read them
/// again; [`record_outcome`] makes the next one due.
pub async fn claim_due(pool: &PgPool, claim: ClaimOptions<'_>) -> Result<ClaimedMails, Error> {
    const OPERATION: &str = "claim mails in the outbox";
    let mut transaction = pool::begin(pool).await?;
    let ids = sqlx::query_scalar!(
        "select id from notifications as mail
         where status = 'pending' and next_attempt_at <= now() and created_at <= now() - make_interval(secs => $1)
             and exists (select from events where events.order_id = mail.order_id and events.seq = mail.seq)
         order by next_attempt_at, id limit $2 for update skip locked",
        claim.settle_time.as_secs_f64(),
        i64::from(claim.limit),
    )
    .fetch_all(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    if ids.is_empty() {
        return Ok(ClaimedMails {
            mails: Vec::new(),
            is_full: false,
        });
    }
    // A separate statement, so that it reads the status of earlier mails while the rows are locked.
    // An outcome that it misses is recorded later, and `record_outcome` then makes the row due.
    let mails = sqlx::query_as!(
        DueMail,
        r#"with read as (
             select id, (select max(earlier.next_attempt_at) from notifications as earlier
                 where earlier.order_id = mail.order_id and earlier.status = 'pending' and earlier.seq < mail.seq)
                 as blocked_until
             from notifications as mail where id = any($1)
         ), postponed as (
             update notifications set next_attempt_at = greatest(blocked_until, now() + make_interval(secs => $4))
             from read where notifications.id = read.id and blocked_until is not null
         ), claimed as (
             update notifications set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2),
                 message_id = coalesce(message_id, kind || '.' || left(encode(sha256(convert_to(
                     concat_ws(' ', order_id, (select run_id from orders where orders.id = order_id), nullif(subject_id, '')),
                     'UTF8')), 'hex'), 32) || '@' || $3)
             from read where notifications.id = read.id and blocked_until is null
             returning notifications.*
         )
         select id as "id!", order_id as "order_id!", kind as "kind!", subject_id as "subject_id!", recipient as "recipient!",
             message_id as "message_id!", attempts as "attempts!", created_at as "created_at!",
             next_attempt_at as "lease_end!"
         from claimed order by array_position($1, id)"#,
        &ids,
        claim.lease.as_secs_f64(),
        claim.host,
        BLOCKED_TIME.as_secs_f64(),
    )
    .fetch_all(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    transaction.commit().await.for_operation(OPERATION)?;
    Ok(ClaimedMails {
        mails,
        is_full: u32::try_from(ids.len()).is_ok_and(|count| count >= claim.limit),
    })
}

/// The result of an attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The mail server accepted the mail.
    Sent,
    /// The mail is never sent, for this reason.
    Rejected(String),
    /// The mail is sent again after `pause`, unless the lease has ended.
    Retry { pause: Duration, reason: String },
}

/// Stores the result of an attempt. A mail that was sent keeps that status. After a final outcome,
/// the next mail of the order is due. Returns whether there is one.
pub async fn record_outcome(
    pool: &PgPool,
    mail: &DueMail,
    outcome: &MailOutcome,
) -> Result<bool, Error> {
    const OPERATION: &str = "record the outcome of a mail";
    // One transaction, because a crash after the first statement would delay the next mail.
    let mut transaction = pool::begin(pool).await?;
    let recorded = match outcome {
        MailOutcome::Sent => {
            sqlx::query!(
                "update notifications set status = 'sent', sent_at = now(), reason = null where id = $1",
                mail.id,
            )
            .execute(&mut *transaction)
            .await
        }
        MailOutcome::Rejected(reason) => {
            sqlx::query!(
                "update notifications set status = 'failed', reason = $2 where id = $1 and status = 'pending'",
                mail.id,
                reason,
            )
            .execute(&mut *transaction)
            .await
        }
        MailOutcome::Retry { pause, reason } => {
            sqlx::query!(
                "update notifications set next_attempt_at = now() + make_interval(secs => $3), reason = $4
                 where id = $1 and status = 'pending' and next_attempt_at = $2",
                mail.id,
                mail.lease_end,
                pause.as_secs_f64(),
                reason,
            )
            .execute(&mut *transaction)
            .await
        }
    };
    recorded.for_operation(OPERATION)?;
    let has_next = match outcome {
        MailOutcome::Retry { .. } => false,
        // The next mail keeps its place in the queue. One with an attempt is not blocked: another
        // worker may be sending it.
        MailOutcome::Sent | MailOutcome::Rejected(_) => {
            let next = sqlx::query!(
                "update notifications set next_attempt_at = created_at
                 where attempts = 0 and id = (
                     select later.id from notifications as later join notifications as mail using (order_id)
                     where mail.id = $1 and later.status = 'pending' and later.seq > mail.seq
                     order by later.seq limit 1)",
                mail.id,
            )
            .execute(&mut *transaction)
            .await
            .for_operation(OPERATION)?;
            next.rows_affected() > 0
        }
    };
    transaction.commit().await.for_operation(OPERATION)?;
    Ok(has_next)
}

/// Returns mails that were claimed and not tried, unless their lease has ended. They are due again,
/// after the mails that are due already.
pub async fn release(pool: &PgPool, mails: &[DueMail], reason: Option<&str>) -> Result<(), Error> {
    let (ids, leases): (Vec<_>, Vec<_>) =
        mails.iter().map(|mail| (mail.id, mail.lease_end)).unzip();
    sqlx::query!(
        "update notifications set attempts = attempts - 1, next_attempt_at = now(), reason = coalesce($3, reason)
         from unnest($1::bigint[], $2::timestamptz[]) as lease (id, ends)
         where notifications.id = lease.id and status = 'pending' and next_attempt_at = lease.ends",
        &ids,
        &leases,
        reason,
    )
    .execute(pool)
    .await
    .for_operation("release mails in the outbox")?;
    Ok(())
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
