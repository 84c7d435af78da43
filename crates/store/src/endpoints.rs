//! Endpoints: addresses of other systems that receive messages about orders, and an event bus.
//! [`crate::endpoint_outbox`] has their messages.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, pool};

/// The largest number of endpoints beside the event bus. Each one has its own connections in every
/// worker.
pub const MAX_ENDPOINTS: i64 = 50;

/// The id of the event bus. The ids of other endpoints begin with `ep_`.
pub const EVENT_BUS_ID: &str = "event_bus";

/// An endpoint. Its secrets are never read together with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    /// The types of its messages; `*` selects all.
    pub events: Vec<String>,
    pub description: Option<String>,
    pub is_enabled: bool,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_reason: Option<String>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A new endpoint.
#[derive(Clone, Copy)]
pub struct NewEndpoint<'a> {
    pub id: &'a str,
    pub url: &'a str,
    pub events: &'a [String],
    pub description: Option<&'a str>,
    pub created_by: &'a str,
    /// The secret that signs its messages.
    pub secret: &'a str,
}

/// Creates an endpoint. Returns `None` if there are [`MAX_ENDPOINTS`] beside the event bus.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.create", skip_all)]
pub async fn create(pool: &PgPool, new: NewEndpoint<'_>) -> Result<Option<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        r#"with created as (
             insert into webhook_endpoints (endpoint_id, url, event_types, description, created_by)
             select $1, $2, $3, $4, $5
             where (select count(*) from webhook_endpoints where endpoint_id <> 'event_bus') < $7
             returning *
         ), secret as (
             insert into webhook_endpoint_secrets (endpoint_id, secret) select endpoint_id, $6 from created
         )
         select endpoint_id as "id!", url as "url!", event_types as "events!", description,
             is_enabled as "is_enabled!", disabled_at, disabled_reason, last_success_at,
             created_by as "created_by!", created_at as "created_at!", updated_at as "updated_at!"
         from created"#,
        new.id,
        new.url,
        new.events,
        new.description,
        new.created_by,
        new.secret,
        MAX_ENDPOINTS,
    )
    .fetch_optional(pool)
    .await
    .for_operation("create the endpoint")
}

/// Reads all endpoints, the oldest first.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.list", skip_all)]
pub async fn list(pool: &PgPool) -> Result<Vec<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        "select endpoint_id as id, url, event_types as events, description, is_enabled, disabled_at, disabled_reason,
             last_success_at, created_by, created_at, updated_at
         from webhook_endpoints order by created_at, endpoint_id",
    )
    .fetch_all(pool)
    .await
    .for_operation("list the endpoints")
}

/// Reads an endpoint; `None` when it does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.find", skip_all)]
pub async fn find(pool: &PgPool, id: &str) -> Result<Option<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        "select endpoint_id as id, url, event_types as events, description, is_enabled, disabled_at, disabled_reason,
             last_success_at, created_by, created_at, updated_at
         from webhook_endpoints where endpoint_id = $1",
        id,
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the endpoint")
}

/// A change of an endpoint. `None` keeps the value.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndpointChange<'a> {
    pub url: Option<&'a str>,
    pub events: Option<&'a [String]>,
    pub description: Option<Option<&'a str>>,
}

/// Changes an endpoint; `None` when it does not exist. Messages that wait are sent to the new address.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.change", skip_all)]
pub async fn change(
    pool: &PgPool,
    id: &str,
    change: EndpointChange<'_>,
) -> Result<Option<Endpoint>, Error> {
    sqlx::query_as!(
        Endpoint,
        "update webhook_endpoints set url = coalesce($2, url), event_types = coalesce($3, event_types),
             description = case when $4 then $5 else description end, updated_at = now()
         where endpoint_id = $1
         returning endpoint_id as id, url, event_types as events, description, is_enabled, disabled_at,
             disabled_reason, last_success_at, created_by, created_at, updated_at",
        id,
        change.url,
        change.events,
        change.description.is_some(),
        change.description.flatten(),
    )
    .fetch_optional(pool)
    .await
    .for_operation("change the endpoint")
}

/// Replaces the secret of an endpoint. The previous one also signs for the time `overlap`; an earlier
/// one ends. Returns the end of the previous secret, or `None` when the endpoint does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.rotate_secret", skip_all)]
pub async fn rotate_secret(
    pool: &PgPool,
    id: &str,
    secret: &str,
    overlap: Duration,
) -> Result<Option<DateTime<Utc>>, Error> {
    const OPERATION: &str = "replace the secret of the endpoint";
    let mut transaction = pool::begin(pool).await?;
    // The lock makes two concurrent rotations follow each other.
    let end = sqlx::query_scalar!(
        r#"update webhook_endpoints set updated_at = now() where endpoint_id = $1
         returning now() + make_interval(secs => $2) as "end!""#,
        id,
        overlap.as_secs_f64(),
    )
    .fetch_optional(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    let Some(end) = end else { return Ok(None) };
    sqlx::query!(
        "delete from webhook_endpoint_secrets where endpoint_id = $1 and expires_at is not null",
        id,
    )
    .execute(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    sqlx::query!(
        "update webhook_endpoint_secrets set expires_at = $2 where endpoint_id = $1",
        id,
        end,
    )
    .execute(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    sqlx::query!(
        "insert into webhook_endpoint_secrets (endpoint_id, secret) values ($1, $2)",
        id,
        secret,
    )
    .execute(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    transaction.commit().await.for_operation(OPERATION)?;
    Ok(Some(end))
}

/// Deletes an endpoint with its messages. Returns whether it existed.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.delete", skip_all)]
pub async fn delete(pool: &PgPool, id: &str) -> Result<bool, Error> {
    let deleted = sqlx::query!("delete from webhook_endpoints where endpoint_id = $1", id)
        .execute(pool)
        .await
        .for_operation("delete the endpoint")?;
    Ok(deleted.rows_affected() > 0)
}

/// Makes the event bus with this name an endpoint for all messages. It has no secret. A bus that is
/// disabled stays so.
///
/// # Errors
///
/// The database is unavailable.
pub async fn set_event_bus(pool: &PgPool, name: &str) -> Result<(), Error> {
    let url = format!("event-bus:{name}");
    sqlx::query!(
        "insert into webhook_endpoints (endpoint_id, url, event_types, created_by) values ($1, $2, array['*'], 'worker')
         on conflict (endpoint_id) do update set url = excluded.url, updated_at = now()
             where webhook_endpoints.url <> excluded.url",
        EVENT_BUS_ID,
        url,
    )
    .execute(pool)
    .await
    .for_operation("register the event bus")?;
    Ok(())
}

/// Enables an endpoint. Its pending messages are due, and are repeated for the full time again. Returns
/// `None` when the endpoint does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.enable", skip_all)]
pub async fn enable(pool: &PgPool, id: &str) -> Result<Option<Endpoint>, Error> {
    const OPERATION: &str = "enable the endpoint";
    let mut transaction = pool::begin(pool).await?;
    // Messages first, then their endpoint: a worker that records an outcome locks them in this order.
    sqlx::query!(
        "update endpoint_deliveries set next_attempt_at = now(), retry_since = now()
         from webhook_endpoints as endpoint
         where endpoint.endpoint_id = $1 and not is_enabled and endpoint_deliveries.endpoint_id = $1
             and status = 'pending'",
        id,
    )
    .execute(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    let endpoint = sqlx::query_as!(
        Endpoint,
        "update webhook_endpoints set is_enabled = true, disabled_at = null, disabled_reason = null,
             updated_at = case when is_enabled then updated_at else now() end
         where endpoint_id = $1
         returning endpoint_id as id, url, event_types as events, description, is_enabled, disabled_at,
             disabled_reason, last_success_at, created_by, created_at, updated_at",
        id,
    )
    .fetch_optional(&mut *transaction)
    .await
    .for_operation(OPERATION)?;
    transaction.commit().await.for_operation(OPERATION)?;
    Ok(endpoint)
}

/// The endpoints and messages that operators watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointCounts {
    /// Endpoints that are disabled.
    pub disabled: i64,
    /// Messages that wait for an enabled endpoint.
    pub pending: i64,
    /// The age of the oldest of these messages, in seconds.
    pub oldest_seconds: i64,
}

/// Counts disabled endpoints and pending messages.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.endpoints.count", skip_all)]
pub async fn count(pool: &PgPool) -> Result<EndpointCounts, Error> {
    sqlx::query_as!(
        EndpointCounts,
        r#"select (select count(*) from webhook_endpoints where not is_enabled) as "disabled!",
             count(*) as "pending!",
             coalesce(extract(epoch from now() - min(endpoint_deliveries.created_at)), 0)::bigint as "oldest_seconds!"
         from endpoint_deliveries join webhook_endpoints using (endpoint_id)
         where status = 'pending' and is_enabled"#,
    )
    .fetch_one(pool)
    .await
    .for_operation("count the messages to endpoints")
}
