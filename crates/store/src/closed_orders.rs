//! Changes of orders that have ended.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    Error,
    convert::{parse_column, to_i32, to_json, to_u32},
    error::SqlxResultExt,
    pool, precondition,
};
use contract::{ClosedOrderOutcome, OrderDetails, RefusalCode, RequestOrigin, UpdateOutcome};
use domain::{
    AuditEventType, Notes, NotesChange, OrderId, OrderStatus, ShipmentInfo, Step, TrackingEvent,
    TrackingKind,
};

/// A change of an order that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    pub order_id: &'a OrderId,
    /// The origin of the request, for the audit log.
    pub origin: Option<&'a RequestOrigin>,
    pub at: DateTime<Utc>,
}

/// Changes the notes of an order that has ended, and appends an audit event. A repeated call changes
/// nothing.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.closed_orders.change_notes", skip_all)]
pub async fn change_notes(
    pool: &PgPool,
    by: Change<'_>,
    change: &NotesChange,
) -> Result<ClosedOrderOutcome, Error> {
    let order_id = by.order_id;
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
    // A repeated call has the effect of the first one, so only a change needs the present state.
    if let Some(origin) = by.origin.filter(|_| !already) {
        let last_seq = order.last_seq;
        let changed =
            precondition::find_other_state(&mut transaction, order_id, origin, last_seq).await?;
        if let Some(changed) = changed {
            return Ok(ClosedOrderOutcome::OrderChanged { seq: changed.seq });
        }
    }
    let mut seq = order.last_seq();
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
            (by, &order),
            (AuditEventType::OrderUpdated, payload),
        )
        .await?;
        transaction.commit().await.for_operation("commit")?;
        seq += 1;
    }
    let done = order.done("Order updated.", already, Some(notes), seq);
    Ok(ClosedOrderOutcome::Decided(done))
}

/// Adds a report of the carrier to the shipment of an order that has ended, and appends an audit event. A
/// reported delivery gives the shipment its time; the order keeps its status. A repeated call and a report
/// about another parcel change nothing.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.closed_orders.add_tracking_event", skip_all)]
pub async fn add_tracking_event(
    pool: &PgPool,
    by: Change<'_>,
    (shipment_id, event): (&str, &TrackingEvent),
) -> Result<ClosedOrderOutcome, Error> {
    let order_id = by.order_id;
    let mut transaction = pool::begin(pool).await?;
    let mut order = match lock(&mut transaction, order_id).await? {
        Ok(order) => order,
        Err(outcome) => return Ok(outcome),
    };
    let is_dispatched = is_dispatched(&mut transaction, order_id, shipment_id).await?;
    let shipment = order.shipment.as_mut().filter(|_| is_dispatched);
    let is_new = shipment.is_some_and(|shipment| {
        let is_new = shipment.add_event(event.clone());
        if is_new && event.kind == TrackingKind::Delivered && shipment.delivered_at.is_none() {
            shipment.delivered_at = Some(shipment.delivery_time(event.at, by.at));
        }
        is_new
    });
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
            (by, &order),
            (AuditEventType::ShipmentTracked, payload),
        )
        .await?;
        transaction.commit().await.for_operation("commit")?;
    }
    let seq = order.last_seq() + u32::from(is_new);
    Ok(ClosedOrderOutcome::Decided(order.done(
        "Report recorded.",
        !is_new,
        None,
        seq,
    )))
}

async fn is_dispatched(
    connection: &mut PgConnection,
    order_id: &OrderId,
    shipment_id: &str,
) -> Result<bool, Error> {
    sqlx::query_scalar!(
        r#"select exists (
             select from shipments where shipment_id = $1 and order_id = $2 and state = 'dispatched') as "found!""#,
        shipment_id,
        order_id.as_str(),
    )
    .fetch_one(connection)
    .await
    .for_operation("read the parcel")
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
    fn last_seq(&self) -> u32 {
        to_u32(self.last_seq)
    }

    /// Returns the success of a request after the audit event `seq`.
    fn done(&self, message: &str, already: bool, notes: Option<Notes>, seq: u32) -> UpdateOutcome {
        UpdateOutcome::Done {
            status: self.status,
            step: self.step,
            message: message.to_owned(),
            already,
            shipping_address: None,
            notes: notes.map(Box::new),
            items: None,
            seq: Some(seq),
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
    (by, order): (Change<'_>, &Closed),
    (kind, payload): (AuditEventType, Value),
) -> Result<(), Error> {
    let Change {
        order_id,
        origin,
        at,
    } = by;
    let payload = RequestOrigin::added_to(payload, origin);
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
