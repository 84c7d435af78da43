//! The outbox of messages to endpoints. Triggers on the audit log write the messages, in the transaction
//! of the audit event (`migrations/0033_webhook_endpoints.sql`).
//!
//! Workers send the messages of one order to one endpoint in the order of their audit events. A message
//! that fails delays only the later messages of its order to its endpoint.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, endpoints::EVENT_BUS_ID, error::SqlxResultExt, orders, pool};
use contract::OrderView;

/// The type of the message that tests an endpoint.
pub const TEST_TYPE: &str = "endpoint.test";

/// The time for which the messages of tests are kept.
const TEST_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// The time after which a message that waits for an earlier one is read again. It matters only if the
/// earlier one was deleted.
const BLOCKED_TIME: Duration = Duration::from_secs(300);

/// Options of [`claim_due`].
#[derive(Debug, Clone)]
pub struct ClaimOptions<'a> {
    /// The minimum age of a message about an order. A younger one may report an event of a workflow task
    /// that is lost and replaced.
    pub settle_time: Duration,
    /// Claims only messages of tests. While no worker ran, no lost task could be repeated.
    pub only_tests: bool,
    /// The time for which no other worker claims these messages.
    pub lease: Duration,
    /// The number of messages that this worker sends to each endpoint now.
    pub in_flight: &'a [(String, usize)],
    /// The maximum number of messages that a worker sends to one endpoint at the same time.
    pub limit: usize,
}

/// A message to one endpoint, which only this worker may send until its lease ends.
pub struct ClaimedMessage {
    pub delivery_id: i64,
    pub endpoint_id: String,
    pub url: String,
    /// The secrets that sign the message, the newest first.
    pub secrets: Vec<String>,
    /// The same in each attempt.
    pub message_id: String,
    pub kind: String,
    pub occurred_at: DateTime<Utc>,
    pub order_id: Option<String>,
    order: Option<Value>,
    /// The number of attempts, including this one.
    pub attempts: i32,
    pub retry_since: DateTime<Utc>,
    /// The end of the lease, which identifies it.
    pub lease_end: DateTime<Utc>,
}

impl ClaimedMessage {
    /// Returns whether the message is for the event bus.
    pub fn is_for_event_bus(&self) -> bool {
        self.endpoint_id == EVENT_BUS_ID
    }

    /// Returns the order after the event, or `None` for a test.
    ///
    /// # Errors
    ///
    /// The stored order is invalid.
    pub fn order(&self) -> Result<Option<OrderView>, Error> {
        let view = self.order.clone().map(orders::view_of_message);
        view.transpose().map_err(|source| Error::InvalidColumn {
            table: "endpoint_messages",
            key: self.message_id.clone(),
            column: "order_json",
            source,
        })
    }
}

/// The result of [`claim_due`].
#[derive(Default)]
pub struct ClaimedMessages {
    /// The messages, the one that waited longest first.
    pub messages: Vec<ClaimedMessage>,
    /// Messages that wait for an earlier one were postponed, so more messages may be due.
    pub has_postponed: bool,
}

/// Claims messages that are due, for each endpoint as many as it has free connections. Of each order it
/// claims the earliest only, and postpones the others, so that the next claims do not read them again;
/// [`record_outcome`] makes the next one due.
///
/// # Errors
///
/// The database is unavailable.
pub async fn claim_due(pool: &PgPool, claim: &ClaimOptions<'_>) -> Result<ClaimedMessages, Error> {
    const OPERATION: &str = "claim messages to endpoints";
    let (busy, in_flight): (Vec<_>, Vec<_>) = claim
        .in_flight
        .iter()
        .map(|(id, count)| (id.clone(), i64::try_from(*count).unwrap_or(i64::MAX)))
        .unzip();
    // Without a message that is due, one statement and no transaction.
    let is_due = sqlx::query_scalar!(
        r#"select exists (
             select from webhook_endpoints join endpoint_deliveries using (endpoint_id)
             where is_enabled and status = 'pending' and next_attempt_at <= now()) as "is_due!""#,
    )
    .fetch_one(pool)
    .await
    .for_operation(OPERATION)?;
    if !is_due {
        return Ok(ClaimedMessages::default());
    }
    let mut transaction = pool::begin(pool).await?;
    let ids = sqlx::query_scalar!(
        r#"select due.delivery_id as "delivery_id!" from webhook_endpoints as endpoint
         left join unnest($1::text[], $2::bigint[]) as busy (endpoint_id, in_flight) using (endpoint_id)
         cross join lateral (
             select delivery_id from endpoint_deliveries as delivery
             where delivery.endpoint_id = endpoint.endpoint_id and status = 'pending' and next_attempt_at <= now()
                 and (order_id is null or not $5 and created_at <= now() - make_interval(secs => $4))
             order by next_attempt_at, delivery_id limit greatest($3 - coalesce(in_flight, 0), 0)
             for update skip locked
         ) as due
         where is_enabled"#,
        &busy,
        &in_flight,
        i64::try_from(claim.limit).unwrap_or(i64::MAX),
        claim.settle_time.as_secs_f64(),
        claim.only_tests,
    )
    .fetch_all(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    if ids.is_empty() {
        return Ok(ClaimedMessages::default());
    }
    // A separate statement, so that it reads the status of earlier messages while the rows are locked.
    // An outcome that it misses is recorded later, and `record_outcome` then makes the row due.
    let messages = sqlx::query_as!(
        ClaimedMessage,
        r#"with read as (
             select delivery_id, (select max(earlier.next_attempt_at) from endpoint_deliveries as earlier
                 where earlier.endpoint_id = delivery.endpoint_id and earlier.order_id = delivery.order_id
                     and earlier.status = 'pending' and earlier.seq < delivery.seq) as blocked_until
             from endpoint_deliveries as delivery where delivery_id = any($1)
         ), postponed as (
             update endpoint_deliveries set next_attempt_at = greatest(blocked_until, now() + make_interval(secs => $3))
             from read where endpoint_deliveries.delivery_id = read.delivery_id and blocked_until is not null
         ), claimed as (
             update endpoint_deliveries
             set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2), is_claimed = true
             from read where endpoint_deliveries.delivery_id = read.delivery_id and blocked_until is null
             returning endpoint_deliveries.*
         )
         select delivery_id as "delivery_id!", claimed.endpoint_id as "endpoint_id!", url as "url!",
             array(select secret from webhook_endpoint_secrets as key where key.endpoint_id = claimed.endpoint_id
                 and (expires_at is null or expires_at > now()) order by key.created_at desc) as "secrets!",
             message.message_id as "message_id!", type as "kind!", occurred_at as "occurred_at!", message.order_id,
             order_json as "order", attempts as "attempts!", retry_since as "retry_since!",
             next_attempt_at as "lease_end!"
         from claimed join endpoint_messages as message using (message_id)
             join webhook_endpoints as endpoint on endpoint.endpoint_id = claimed.endpoint_id
         order by array_position($1, delivery_id)"#,
        &ids,
        claim.lease.as_secs_f64(),
        BLOCKED_TIME.as_secs_f64(),
    )
    .fetch_all(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    transaction.commit().await.for_operation(OPERATION)?;
    Ok(ClaimedMessages {
        has_postponed: messages.len() < ids.len(),
        messages,
    })
}

/// The result of an attempt to send a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver accepted the message with this status code.
    Delivered { status: u16 },
    /// The message is sent again after `pause`, unless the lease has ended.
    Retry { pause: Duration, failure: Failure },
    /// The time for retries is over. If the endpoint has accepted no message since then, it is disabled,
    /// and the message waits; otherwise the message has failed.
    GivenUp { failure: Failure },
    /// The receiver does not want any more messages. The endpoint is disabled, and the message waits.
    Refused { failure: Failure },
    /// The receiver could never accept this message. It has failed, and the next one follows.
    Undeliverable { failure: Failure },
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status code of the response, if there was one.
    pub status: Option<u16>,
    /// The reason, without content of the response.
    pub reason: String,
}

/// The consequence of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Another message of the order to the endpoint is due.
    pub has_next: bool,
    /// The endpoint was disabled.
    pub is_disabled: bool,
}

/// Records the result of an attempt. A message that was delivered keeps that status. After a final
/// outcome, the next message of the order to the endpoint is due.
///
/// # Errors
///
/// The database is unavailable. The lease then postpones the message.
pub async fn record_outcome(
    pool: &PgPool,
    message: &ClaimedMessage,
    outcome: &DeliveryOutcome,
) -> Result<Recorded, Error> {
    match outcome {
        DeliveryOutcome::Delivered { status } => {
            record_delivered(pool, message.delivery_id, *status).await
        }
        DeliveryOutcome::Retry { pause, failure } => {
            record_retry(pool, message, *pause, failure).await
        }
        DeliveryOutcome::GivenUp { failure } => {
            record_end_of_retries(pool, message, failure, None).await
        }
        DeliveryOutcome::Refused { failure } => {
            record_end_of_retries(pool, message, failure, Some(true)).await
        }
        DeliveryOutcome::Undeliverable { failure } => {
            record_end_of_retries(pool, message, failure, Some(false)).await
        }
    }
}

async fn record_delivered(pool: &PgPool, delivery_id: i64, status: u16) -> Result<Recorded, Error> {
    // A row that another worker has claimed is being sent. The update waits for a claim that is reading
    // the row now, and then makes it due.
    let has_next = sqlx::query_scalar!(
        r#"with done as (
             update endpoint_deliveries set status = 'delivered', delivered_at = now(), response_status = $2,
                 error = null, is_claimed = false
             where delivery_id = $1 and status <> 'delivered' returning endpoint_id, order_id, seq
         ), success as (
             update webhook_endpoints set last_success_at = now() from done
             where webhook_endpoints.endpoint_id = done.endpoint_id
                 and (last_success_at is null or last_success_at < now() - interval '1 second')
         ), next as (
             update endpoint_deliveries set next_attempt_at = now()
             where not is_claimed and delivery_id = (
                 select later.delivery_id from done join endpoint_deliveries as later using (endpoint_id, order_id)
                 where later.status = 'pending' and later.seq > done.seq order by later.seq limit 1)
             returning 1
         )
         select exists (select from next) as "has_next!""#,
        delivery_id,
        i32::from(status),
    )
    .fetch_one(pool)
    .await
    .for_operation("record a delivered message")?;
    Ok(Recorded {
        has_next,
        is_disabled: false,
    })
}

async fn record_retry(
    pool: &PgPool,
    message: &ClaimedMessage,
    pause: Duration,
    failure: &Failure,
) -> Result<Recorded, Error> {
    sqlx::query!(
        "update endpoint_deliveries set next_attempt_at = now() + make_interval(secs => $3), is_claimed = false,
             response_status = $4, error = $5
         where delivery_id = $1 and status = 'pending' and next_attempt_at = $2",
        message.delivery_id,
        message.lease_end,
        pause.as_secs_f64(),
        failure.status.map(i32::from),
        failure.reason,
    )
    .execute(pool)
    .await
    .for_operation("record a failed attempt to send a message")?;
    Ok(Recorded {
        has_next: false,
        is_disabled: false,
    })
}

/// Records the last attempt. `disables` states whether it disables the endpoint; `None` disables one
/// that has accepted no message since the first attempt.
async fn record_end_of_retries(
    pool: &PgPool,
    message: &ClaimedMessage,
    failure: &Failure,
    disables: Option<bool>,
) -> Result<Recorded, Error> {
    let recorded = sqlx::query!(
        r#"with attempt as (
             select delivery_id from endpoint_deliveries
             where delivery_id = $1 and status = 'pending' and next_attempt_at = $2 for update
         ), endpoint as (
             update webhook_endpoints set is_enabled = false, disabled_at = now(), disabled_reason = $5
             from attempt
             where endpoint_id = $3 and is_enabled and coalesce($7, coalesce(last_success_at, '-infinity') < $4)
             returning endpoint_id
         ), ended as (
             update endpoint_deliveries
             set status = case when exists (select from endpoint)
                     or not (select is_enabled from webhook_endpoints where endpoint_id = $3)
                     then 'pending' else 'failed' end,
                 is_claimed = false, response_status = $6, error = $5, next_attempt_at = now()
             from attempt where endpoint_deliveries.delivery_id = attempt.delivery_id
             returning status, order_id, seq
         ), next as (
             update endpoint_deliveries set next_attempt_at = now()
             where not is_claimed and delivery_id = (
                 select later.delivery_id from ended join endpoint_deliveries as later using (order_id)
                 where ended.status = 'failed' and later.endpoint_id = $3 and later.status = 'pending'
                     and later.seq > ended.seq order by later.seq limit 1)
             returning 1
         )
         select exists (select from next) as "has_next!", exists (select from endpoint) as "is_disabled!""#,
        message.delivery_id,
        message.lease_end,
        message.endpoint_id,
        message.retry_since,
        failure.reason,
        failure.status.map(i32::from),
        disables,
    )
    .fetch_one(pool)
    .await
    .for_operation("record the last attempt to send a message")?;
    Ok(Recorded {
        has_next: recorded.has_next,
        is_disabled: recorded.is_disabled,
    })
}

/// A message to one endpoint, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    #[serde(serialize_with = "as_text")]
    pub id: i64,
    pub message_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub order_id: Option<String>,
    /// The `seq` of the audit event.
    pub seq: Option<i32>,
    /// `pending`, `delivered` or `failed`.
    pub status: String,
    pub attempts: i32,
    /// The status code of the last response.
    pub response_status: Option<i32>,
    /// The reason why the last attempt failed.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    /// The time of the next attempt, while the message is pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Not every reader of JSON has integers of 64 bits.
fn as_text<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Reads up to `limit` messages of an endpoint, the newest first and older than `before`.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoint_outbox.list", skip_all)]
pub async fn list_deliveries(
    pool: &PgPool,
    endpoint_id: &str,
    status: Option<&str>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<Delivery>, Error> {
    sqlx::query_as!(
        Delivery,
        r#"select delivery_id as "id!", message_id as "message_id!", message.type as "kind!", message.order_id,
             message.seq, status as "status!", attempts as "attempts!", response_status, error,
             delivery.created_at as "created_at!",
             case when status = 'pending' then next_attempt_at end as next_attempt_at, delivered_at
         from endpoint_deliveries as delivery join endpoint_messages as message using (message_id)
         where endpoint_id = $1 and ($2::text is null or status = $2) and delivery_id < coalesce($3, 9223372036854775807)
         order by delivery_id desc limit $4"#,
        endpoint_id,
        status,
        before,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list the messages of the endpoint")
}

/// Makes a message due immediately, also one that was delivered or has failed. Returns `None` when the
/// endpoint has no such message.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoint_outbox.redeliver", skip_all)]
pub async fn redeliver(
    pool: &PgPool,
    endpoint_id: &str,
    delivery_id: i64,
) -> Result<Option<Delivery>, Error> {
    // A message that is being sent keeps its lease.
    let updated = sqlx::query_scalar!(
        "update endpoint_deliveries set status = 'pending', delivered_at = null, retry_since = now(),
             next_attempt_at = case when status = 'pending' and is_claimed then next_attempt_at else now() end
         where endpoint_id = $1 and delivery_id = $2 returning delivery_id",
        endpoint_id,
        delivery_id,
    )
    .fetch_optional(pool)
    .await
    .for_operation("send the message again")?;
    match updated {
        Some(id) => Ok(
            list_deliveries(pool, endpoint_id, None, id.checked_add(1), 1)
                .await?
                .pop(),
        ),
        None => Ok(None),
    }
}

/// Adds a message that tests the endpoint. Returns it, or `None` when the endpoint does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoint_outbox.test", skip_all)]
pub async fn add_test(
    pool: &PgPool,
    endpoint_id: &str,
    message_id: &str,
) -> Result<Option<Delivery>, Error> {
    const OPERATION: &str = "write a message to test the endpoint";
    let mut transaction = pool::begin(pool).await?;
    sqlx::query!(
        "delete from endpoint_messages where order_id is null and created_at < now() - make_interval(secs => $1)",
        TEST_RETENTION.as_secs_f64(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    let delivery_id = sqlx::query_scalar!(
        "with message as (
             insert into endpoint_messages (message_id, type, occurred_at)
             select $2, $3, now() from webhook_endpoints where endpoint_id = $1 returning message_id
         )
         insert into endpoint_deliveries (endpoint_id, message_id) select $1, message_id from message
         returning delivery_id",
        endpoint_id,
        message_id,
        TEST_TYPE,
    )
    .fetch_optional(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    transaction.commit().await.for_operation(OPERATION)?;
    match delivery_id {
        Some(id) => Ok(
            list_deliveries(pool, endpoint_id, None, id.checked_add(1), 1)
                .await?
                .pop(),
        ),
        None => Ok(None),
    }
}
