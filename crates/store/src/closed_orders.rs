//! Changes of orders that have ended.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    Error,
    convert::{parse_column, to_i32, to_json},
    error::SqlxResultExt,
    pool,
};
use contract::{ClosedOrderOutcome, OrderDetails, RefusalCode, UpdateOutcome};
use domain::{
    AuditEventType, Notes, NotesChange, OrderId, OrderStatus, ShipmentInfo, Step, TrackingEvent,
};

/// Changes the notes of an order that has ended, and appends an audit event. A repeated call changes
/// nothing.
#[tracing::instrument(name = "store.closed_orders.change_notes", skip_all)]
pub async fn change_notes(
    pool: &PgPool,
    order_id: &OrderId,
    change: &NotesChange,
    at: DateTime<Utc>,
) -> Result<ClosedOrderOutcome, Error> {
    let mut transaction = pool::begin(pool).await?;
    let order = match lock(&mut transaction, order_id).await? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    let details = order.details.clone().unwrap_or_default();
    let notes = match details.notes.changed_by(change) {
        Ok(notes) => notes,
        Err(error) => {
            return Ok(ClosedOrderOutcome::Decided(UpdateOutcome::Refused {
                code: RefusalCode::MetadataTooLarge,
                detail: format!("the metadata {error} after the change"),
                status: order.status,
                payment: None,
            }));
        }
    };
    let already = notes == details.notes;
    if !already {
        let payload = details.notes.difference(&notes);
        let details = OrderDetails {
            notes: notes.clone(),
            ..details
        };
        let details = (details != OrderDetails::default()).then_some(&details);
        sqlx::query!(
            "update orders set external_reference = $2, details_json = $3 where id = $1",
            order_id.as_str(),
            notes.external_reference,
            details.map(to_json).transpose()?,
        )
        .execute(&mut *transaction)
        .await
        .for_operation("change the notes")?;
        append(
            &mut transaction,
            (order_id, &order),
            (AuditEventType::OrderUpdated, &payload),
            at,
        )
        .await?;
        transaction.commit().await.for_operation("commit")?;
    }
    let done = order.done("Order updated.", already, Some(notes));
    Ok(ClosedOrderOutcome::Decided(done))
}

/// Adds a report of the carrier to the shipment of an order that has ended, and appends an audit event. A
/// repeated call changes nothing.
#[tracing::instrument(name = "store.closed_orders.add_tracking_event", skip_all)]
pub async fn add_tracking_event(
    pool: &PgPool,
    order_id: &OrderId,
    event: &TrackingEvent,
    at: DateTime<Utc>,
) -> Result<ClosedOrderOutcome, Error> {
    let mut transaction = pool::begin(pool).await?;
    let mut order = match lock(&mut transaction, order_id).await? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    let shipment = order.shipment.as_mut();
    let is_new = shipment.is_some_and(|shipment| shipment.add_event(event.clone()));
    if is_new {
        sqlx::query!(
            "update orders set shipment_json = $2 where id = $1",
            order_id.as_str(),
            order.shipment.as_ref().map(to_json).transpose()?,
        )
        .execute(&mut *transaction)
        .await
        .for_operation("change the shipment")?;
        let payload = to_json(event)?;
        append(
            &mut transaction,
            (order_id, &order),
            (AuditEventType::ShipmentTracked, &payload),
            at,
        )
        .await?;
        transaction.commit().await.for_operation("commit")?;
    }
    Ok(ClosedOrderOutcome::Decided(order.done(
        "Report recorded.",
        !is_new,
        None,
    )))
}

/// The row of an order that has ended.
struct Closed {
    status: OrderStatus,
    step: Step,
    details: Option<OrderDetails>,
    shipment: Option<ShipmentInfo>,
    last_seq: i32,
}

impl Closed {
    fn done(&self, message: &str, already: bool, notes: Option<Notes>) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.status,
            step: self.step,
            message: message.to_owned(),
            already,
            shipping_address: None,
            notes: notes.map(Box::new),
            items: None,
        }
    }
}

/// Locks the row of an order that has ended, or returns the outcome for one that has not.
async fn lock(
    connection: &mut PgConnection,
    order_id: &OrderId,
) -> Result<Result<Closed, ClosedOrderOutcome>, Error> {
    let key = order_id.as_str();
    let row = sqlx::query!(
        "select is_running, state, step, details_json, shipment_json, last_seq from orders where id = $1 for update",
        key
    )
    .fetch_optional(connection)
    .await
    .for_operation("lock the order")?;
    let Some(row) = row else {
        return Ok(Err(ClosedOrderOutcome::NotFound));
    };
    if row.is_running {
        return Ok(Err(ClosedOrderOutcome::StillOpen));
    }
    Ok(Ok(Closed {
        status: parse_column(key, "state", row.state.into())?,
        step: parse_column(key, "step", row.step.into())?,
        details: parse_column(key, "details_json", row.details_json.into())?,
        shipment: parse_column(key, "shipment_json", row.shipment_json.into())?,
        last_seq: row.last_seq,
    }))
}

/// Appends an audit event to the order whose row is locked.
async fn append(
    connection: &mut PgConnection,
    (order_id, order): (&OrderId, &Closed),
    (kind, payload): (AuditEventType, &Value),
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let next = order.last_seq + 1;
    sqlx::query!(
        "update orders set last_seq = $2, updated_at = $3, version = version + $4 where id = $1",
        order_id.as_str(),
        next,
        at,
        to_i32(domain::VERSIONS_PER_HISTORY_EVENT),
    )
    .execute(&mut *connection)
    .await
    .for_operation("update the order")?;
    // After the row of the order, because a message about the event contains the row.
    sqlx::query!(
        "insert into events (order_id, seq, type, payload_json, ts) values ($1, $2, $3, $4, $5)",
        order_id.as_str(),
        next,
        kind.as_str(),
        payload,
        at,
    )
    .execute(connection)
    .await
    .map(drop)
    .for_operation("append to the audit log")
}
