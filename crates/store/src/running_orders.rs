//! Running orders, as the search for lost workflows reads them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{Error, convert::to_i32, error::SqlxResultExt};
use domain::{AuditEvent, Order, OrderId, OrderPolicy, OrderState};

/// The number of audit events that are read with an order: far more than an order normally has.
const MAX_EVENTS: u32 = 2_000;

/// The position of a running order in the list: the time from which it is due, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub due: DateTime<Utc>,
    pub order_id: OrderId,
}

/// A running order, with everything from which its workflow can start again.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningOrder {
    /// The first run of the order, which owns the row.
    pub chain_id: String,
    pub state: OrderState,
    /// The rules of the order; `None` if its first audit event is missing.
    pub policy: Option<OrderPolicy>,
    /// The newest audit events, oldest first.
    pub events: Vec<AuditEvent>,
}

/// Lists running orders whose row has not changed for `age`, after a position.
#[tracing::instrument(name = "store.running_orders.list", skip_all)]
pub async fn list(
    pool: &PgPool,
    age: Duration,
    after: Option<&Position>,
    limit: u32,
) -> Result<Vec<Position>, Error> {
    let rows = sqlx::query!(
        r#"select id, coalesce(waiting_until, created_at) as "due!" from orders
         where is_running and updated_at <= now() - make_interval(secs => $1)
             and ($2::timestamptz is null
                 or (coalesce(waiting_until, created_at), id) > ($2, $3::text))
         order by coalesce(waiting_until, created_at), id limit $4"#,
        age.as_secs_f64(),
        after.map(|position| position.due),
        after.map(|position| position.order_id.as_str()),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list the running orders")?;
    rows.into_iter()
        .map(|row| {
            Ok(Position {
                due: row.due,
                order_id: parse_column(&row.id, "id", json!(row.id))?,
            })
        })
        .collect()
}

/// The newest write of a running order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWrite {
    /// The number of the order's last audit event.
    pub last_seq: u32,
    /// The run that wrote the row.
    pub writer_run_id: String,
}

/// Reads the newest write of a running order. Returns `None` if the order has ended or does not
/// exist.
#[tracing::instrument(name = "store.running_orders.last_write", skip_all)]
pub async fn read_last_write(
    pool: &PgPool,
    order_id: &OrderId,
) -> Result<Option<LastWrite>, Error> {
    let row = sqlx::query!(
        r#"select last_seq, coalesce(writer_run_id, run_id) as "writer!" from orders
         where id = $1 and is_running"#,
        order_id.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the order's last write")?;
    Ok(row.map(|row| LastWrite {
        last_seq: u32::try_from(row.last_seq).unwrap_or_default(),
        writer_run_id: row.writer,
    }))
}

/// Reads a running order. Returns `None` if the order has ended or does not exist.
#[tracing::instrument(name = "store.running_orders.read", skip_all)]
pub async fn read(pool: &PgPool, order_id: &OrderId) -> Result<Option<RunningOrder>, Error> {
    let row = sqlx::query!(
        r#"select run_id, state, step, customer_json, items_json, address_json, currency, details_json,
             hold_json, payment_json, waiting_json, shipment_json, estimated_delivery, cancellation_reason, failure_json, retries_json,
             review, last_seq, created_at, updated_at,
             (select payload_json -> 'policy' from events where order_id = orders.id and seq = 1) as policy,
             (select coalesce(jsonb_agg(jsonb_build_object(
                     'seq', seq, 'type', type, 'payload', payload_json, 'ts', ts) order by seq), '[]')
                 from events where order_id = orders.id and seq > last_seq - $2) as "events!"
         from orders where id = $1 and is_running"#,
        order_id.as_str(),
        to_i32(MAX_EVENTS),
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the running order")?;
    let Some(row) = row else { return Ok(None) };
    let id = order_id.as_str();
    let mut public_reason = None;
    let order = if row.currency.is_some() {
        let payment = row.payment_json.as_ref();
        let mut document = json!({
            "customer": row.customer_json,
            "items": row.items_json,
            "currency": row.currency,
            "shipping_address": row.address_json,
            "payment": {
                "payment_id": payment.map(|payment| &payment["payment_id"]),
                "method": payment.map(|payment| &payment["payment_method"]),
            },
        });
        if let (Some(fields), Some(Value::Object(details))) =
            (document.as_object_mut(), row.details_json)
        {
            fields.extend(details);
            // It is a detail of the cancellation, not of the order.
            public_reason = fields.remove("public_reason");
        }
        Some(parse_order(id, &document)?)
    } else {
        None
    };
    let state = json!({
        "order_id": order_id,
        "order": order,
        "status": row.state,
        "step": row.step,
        "running": true,
        "review": row.review,
        "payment": row.payment_json,
        "hold": row.hold_json,
        "waiting_for": row.waiting_json,
        "shipment": row.shipment_json,
        "estimated_delivery": row.estimated_delivery,
        "cancellation_reason": row.cancellation_reason,
        "public_reason": public_reason,
        "failure": row.failure_json,
        "retries": row.retries_json,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "last_seq": row.last_seq,
    });
    Ok(Some(RunningOrder {
        chain_id: row.run_id,
        state: parse_column(id, "state", state)?,
        policy: parse_column(id, "policy", row.policy.unwrap_or_default())?,
        events: parse_column(id, "events", row.events)?,
    }))
}

fn parse_order(id: &str, document: &Value) -> Result<Order, Error> {
    contract::parse_earlier_order(&document.to_string()).map_err(|invalid| Error::InvalidColumn {
        table: "orders",
        key: id.to_owned(),
        column: "items_json",
        source: serde::de::Error::custom(invalid),
    })
}

fn parse_column<T: serde::de::DeserializeOwned>(
    id: &str,
    column: &'static str,
    value: Value,
) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|source| Error::InvalidColumn {
        table: "orders",
        key: id.to_owned(),
        column,
        source,
    })
}
