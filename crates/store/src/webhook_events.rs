//! Webhook events of payment providers: one row for each event, with its outcome.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{Error, convert::to_json, error::SqlxResultExt};
use domain::{OrderId, PaymentEvent, WebhookOutcome, WebhookProvider};

/// A webhook event and its outcome, as operators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookEvent {
    pub provider: String,
    pub event_id: String,
    pub order_id: Option<String>,
    pub transaction_id: Option<String>,
    pub outcome: String,
    pub detail: Option<String>,
    pub event: Value,
    pub received_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Inserts the event, unless it is stored. Returns its outcome if it was processed before.
#[tracing::instrument(name = "store.deliveries.receive", skip_all)]
pub async fn receive(pool: &PgPool, event: &PaymentEvent) -> Result<Option<WebhookOutcome>, Error> {
    put(pool, event, WebhookOutcome::Pending, None, false).await?;
    let outcome = sqlx::query_scalar!(
        "select outcome from webhook_deliveries where provider = $1 and event_id = $2",
        event.provider.as_str(),
        event.event_id,
    );
    let outcome = outcome
        .fetch_one(pool)
        .await
        .for_operation("read the webhook event")?;
    Ok(WebhookOutcome::parse(&outcome).filter(|outcome| *outcome != WebhookOutcome::Pending))
}

/// Stores the event with its outcome.
#[tracing::instrument(name = "store.deliveries.record", skip_all)]
pub async fn record_outcome(
    pool: &PgPool,
    event: &PaymentEvent,
    outcome: WebhookOutcome,
    detail: Option<&str>,
) -> Result<(), Error> {
    put(pool, event, outcome, detail, true).await
}

/// Inserts the events that are not stored yet.
#[tracing::instrument(name = "store.deliveries.receive_all", skip_all)]
pub async fn receive_all<'a>(
    pool: &PgPool,
    events: impl IntoIterator<Item = &'a PaymentEvent>,
) -> Result<(), Error> {
    let rows = events.into_iter().map(|event| {
        Ok(json!({
            "provider": event.provider,
            "event_id": event.event_id,
            "order_id": event.order_id,
            "transaction_id": event.transaction_id,
            "event_json": to_json(event)?,
        }))
    });
    let rows: Vec<Value> = rows.collect::<Result<_, Error>>()?;
    sqlx::query!(
        "insert into webhook_deliveries (provider, event_id, order_id, transaction_id, outcome, event_json)
         select provider, event_id, order_id, transaction_id, $2, event_json from jsonb_to_recordset($1) as event
             (provider text, event_id text, order_id text, transaction_id text, event_json jsonb)
         on conflict (provider, event_id) do nothing",
        Value::from(rows),
        WebhookOutcome::Pending.as_str(),
    )
    .execute(pool)
    .await
    .for_operation("write the webhook events")
    .map(|_| ())
}

/// An event with its outcome, and the reason of the outcome.
pub type DecidedEvent<'a> = (&'a PaymentEvent, WebhookOutcome, Option<&'a str>);

/// Records the outcomes of stored events.
#[tracing::instrument(name = "store.deliveries.record_all", skip_all)]
pub async fn record_outcomes(pool: &PgPool, decided: &[DecidedEvent<'_>]) -> Result<(), Error> {
    let rows = decided.iter().map(|(event, outcome, detail)| {
        json!({
            "provider": event.provider,
            "event_id": event.event_id,
            "order_id": event.order_id,
            "outcome": outcome,
            "detail": detail,
        })
    });
    sqlx::query!(
        "update webhook_deliveries as stored set outcome = event.outcome, detail = event.detail, updated_at = now(),
             order_id = coalesce(event.order_id, stored.order_id)
         from jsonb_to_recordset($1) as event
             (provider text, event_id text, order_id text, outcome text, detail text)
         where stored.provider = event.provider and stored.event_id = event.event_id",
        Value::from(rows.collect::<Vec<_>>()),
    )
    .execute(pool)
    .await
    .for_operation("write the outcomes of the webhook events")
    .map(|_| ())
}

async fn put(
    pool: &PgPool,
    event: &PaymentEvent,
    outcome: WebhookOutcome,
    detail: Option<&str>,
    replace: bool,
) -> Result<(), Error> {
    let document = to_json(event)?;
    sqlx::query!(
        "insert into webhook_deliveries (provider, event_id, order_id, transaction_id, outcome, detail, event_json)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (provider, event_id) do update set outcome = $5, detail = $6, updated_at = now(),
             order_id = coalesce($3, webhook_deliveries.order_id) where $8",
        event.provider.as_str(),
        event.event_id,
        event.order_id.as_ref().map(OrderId::as_str),
        event.transaction_id.as_ref().map(domain::TransactionId::as_str),
        outcome.as_str(),
        detail,
        document,
        replace,
    )
    .execute(pool)
    .await
    .for_operation("write the webhook event")
    .map(|_| ())
}

/// Reads the newest webhook events, optionally with one outcome and about one order, transaction or
/// event id. An event without an order belongs to the order of its transaction.
#[tracing::instrument(name = "store.deliveries.list", skip_all)]
pub async fn list(
    pool: &PgPool,
    outcome: Option<WebhookOutcome>,
    about: Option<&str>,
    limit: u32,
) -> Result<Vec<WebhookEvent>, Error> {
    sqlx::query_as!(
        WebhookEvent,
        r#"select delivery.provider, event_id, coalesce(delivery.order_id, payment.order_id) as order_id,
             delivery.transaction_id, outcome, detail, event_json as event, received_at, delivery.updated_at
         from webhook_deliveries as delivery
         left join lateral (
             select order_id from payments
             where (transaction_id = delivery.transaction_id or aliases @> array[delivery.transaction_id])
                 and payments.provider in (delivery.provider, 'external') and order_id is not null
             order by payments.provider = delivery.provider desc limit 1
         ) as payment on true
         where ($1::text is null or outcome = $1)
             and ($2::text is null or delivery.order_id = $2 or delivery.transaction_id = $2 or event_id = $2
                 or delivery.transaction_id = any(array(
                     select unnest(aliases || transaction_id) from payments where payments.order_id = $2)))
         order by received_at desc, delivery.id desc limit $3"#,
        outcome.map(WebhookOutcome::as_str),
        about,
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list the webhook events")
}

/// Reads the events with this id: one of `provider`, or one of each provider if it is `None`.
#[tracing::instrument(name = "store.deliveries.find", skip_all)]
pub async fn find_by_event_id(
    pool: &PgPool,
    event_id: &str,
    provider: Option<WebhookProvider>,
) -> Result<Vec<WebhookEvent>, Error> {
    let providers: Vec<String> = match provider {
        Some(provider) => vec![provider.to_string()],
        None => WebhookProvider::ALL
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    sqlx::query_as!(
        WebhookEvent,
        "select provider, event_id, order_id, transaction_id, outcome, detail, event_json as event, received_at, updated_at
         from webhook_deliveries where provider = any($1) and event_id = $2 order by provider",
        &providers,
        event_id,
    )
    .fetch_all(pool)
    .await
    .for_operation("find the webhook event")
}
