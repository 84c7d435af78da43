//! The write of an order: its row, its audit events and its mails, in one round trip.
//!
//! The functions of migration 0011 decide whether a write applies. An order whose row lacks earlier
//! events, because the database was restored, sends these again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use crate::{Error, convert::to_json, error::SqlxResultExt, inventory, ledger, pool};
use contract::OrderDetails;
use domain::{AuditEvent, LineItem, NotificationKind, OrderState, Transaction};

/// The state of an order, with the audit events that the row may not include yet.
#[derive(Debug, Clone, Copy)]
pub struct OrderWrite<'a> {
    pub state: &'a OrderState,
    pub fence: Fence<'a>,
    /// The newest audit events of the order, the last of which is the last of `state`.
    pub events: &'a [AuditEvent],
}

/// The place of a write in the order's history. Temporal's server determines all its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence<'a> {
    /// The first run of the order. It stays the same after a reset and after continue-as-new.
    /// Activities that an earlier release scheduled have none; they find the row by its id alone.
    pub chain_id: Option<&'a str>,
    pub run_id: &'a str,
    /// [`domain::VERSIONS_PER_HISTORY_EVENT`] versions for each event of the run's history.
    pub version: u32,
    /// The time of the workflow task that decided the write, by Temporal's clock.
    pub task_time: DateTime<Utc>,
}

/// The task time of an activity that an earlier release scheduled. Such an activity is in the
/// history, so no other write from the same place replaces it.
pub const UNKNOWN_TASK_TIME: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The row has this write, from this call or an earlier one.
    Applied,
    /// The row is newer and has all events of this write.
    Newer,
}

/// Writes an order.
///
/// # Errors
///
/// [`Error::MissingEvents`] when the row lacks earlier events, [`Error::OtherOrder`] when the row
/// belongs to another order with this id.
#[tracing::instrument(name = "store.order_write", skip_all)]
pub async fn write_order(pool: &PgPool, write: OrderWrite<'_>) -> Result<Written, Error> {
    let mut connection = pool.acquire().await.for_operation("write the order")?;
    write_order_in(&mut connection, write).await
}

/// A parcel that is written together with its order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ParcelWrite<'a> {
    pub shipment_id: &'a str,
    pub order_id: &'a str,
    pub attempt: u32,
    #[serde(rename = "address_json")]
    pub address: &'a Value,
    #[serde(rename = "items_json")]
    pub items: &'a Value,
    /// The parcel was dispatched under this number; `None`: it is prepared.
    pub tracking_number: Option<&'a str>,
}

/// Writes an order and the parcel that it is about to hand over.
///
/// # Errors
///
/// The errors of [`write_order`].
#[tracing::instrument(name = "store.order_write.prepare", skip_all)]
pub async fn write_order_and_prepare(
    pool: &PgPool,
    write: OrderWrite<'_>,
    parcel: &ParcelWrite<'_>,
) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!" from write_order_and_prepare($1, $2)"#,
        write.document()?,
        to_json(parcel)?,
    )
    .fetch_one(pool)
    .await
    .for_operation("write the order and its parcel")?;
    written(&row.outcome, row.have).map(|_| ())
}

/// Writes an order in the transaction of `connection`. See [`write_order`].
pub(crate) async fn write_order_in(
    connection: &mut PgConnection,
    write: OrderWrite<'_>,
) -> Result<Written, Error> {
    let row = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!" from write_order($1)"#,
        write.document()?
    )
    .fetch_one(connection)
    .await
    .for_operation("write the order")?;
    written(&row.outcome, row.have)
}

/// Writes an order whose rows the database may have lost, and restores its transactions and the stock
/// that it holds.
///
/// # Errors
///
/// The errors of [`write_order`].
#[tracing::instrument(name = "store.order_write.restore", skip_all)]
pub async fn restore_order(
    pool: &PgPool,
    write: OrderWrite<'_>,
    transactions: &[Transaction],
    reserved: &[LineItem],
) -> Result<(), Error> {
    let order_id = &write.state.order_id;
    let mut database = pool::begin(pool).await?;
    write_order_in(&mut database, write).await?;
    for transaction in transactions {
        ledger::restore(&mut database, order_id, transaction).await?;
    }
    if !reserved.is_empty() {
        sqlx::query_scalar!(
            "select restore_reservation($1, $2)",
            order_id.as_str(),
            inventory::quantities(reserved),
        )
        .fetch_one(&mut *database)
        .await
        .for_operation("restore the reservation")?;
    }
    database.commit().await.for_operation("commit")
}

/// Reads the outcome of the functions of migration 0011.
pub(crate) fn written(outcome: &str, have: i32) -> Result<Written, Error> {
    match outcome {
        "applied" | "repeated" => Ok(Written::Applied),
        "newer" => Ok(Written::Newer),
        "behind" => Err(Error::MissingEvents {
            have: u32::try_from(have).unwrap_or_default(),
        }),
        _ => Err(Error::OtherOrder),
    }
}

/// The columns of an order's row. PostgreSQL assigns them by name.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    run_id: Option<&'a str>,
    writer_run_id: &'a str,
    state: &'a str,
    step: &'a str,
    is_running: bool,
    customer_id: Option<&'a str>,
    customer_json: Value,
    items_json: Vec<Value>,
    address_json: Option<&'a domain::Address>,
    currency: Option<&'a str>,
    total_amount: Option<i64>,
    external_reference: Option<&'a str>,
    details_json: Option<OrderDetails>,
    review: Option<&'a str>,
    payment_json: Option<&'a domain::PaymentInfo>,
    hold_json: Option<&'a domain::Hold>,
    waiting_json: Option<&'a domain::WaitingFor>,
    waiting_until: Option<DateTime<Utc>>,
    shipment_json: Option<&'a domain::ShipmentInfo>,
    estimated_delivery: Option<DateTime<Utc>>,
    cancellation_reason: Option<&'a str>,
    failure_json: Option<&'a domain::Failure>,
    retries_json: &'a BTreeMap<domain::Step, u32>,
    version: u32,
    decided_at: DateTime<Utc>,
    last_seq: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl OrderWrite<'_> {
    /// Returns the argument `written` of the functions of migration 0011.
    pub(crate) fn document(&self) -> Result<Value, Error> {
        let (state, fence) = (self.state, self.fence);
        let order = state.order.as_ref();
        let customer = order.map(|order| &order.customer);
        let count = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        let row = Row {
            id: state.order_id.as_str(),
            run_id: fence.chain_id,
            writer_run_id: fence.run_id,
            state: state.status().as_str(),
            step: state.step().as_str(),
            is_running: state.is_running(),
            customer_id: customer
                .and_then(|customer| customer.id.as_ref())
                .map(domain::CustomerId::as_str),
            customer_json: customer.map_or(Ok(json!({})), to_json)?,
            items_json: order
                .map(|order| order.lines.iter().map(contract::line_document).collect())
                .unwrap_or_default(),
            address_json: order.and_then(|order| order.shipping_address.as_ref()),
            currency: order.map(|order| order.currency.code()),
            total_amount: order.map(|order| order.total.minor()),
            external_reference: order.and_then(|order| order.notes.external_reference.as_deref()),
            details_json: OrderDetails::of_state(state),
            review: state.review.map(domain::ReviewDecision::as_str),
            payment_json: state.payment.as_ref(),
            hold_json: state.hold.as_ref(),
            waiting_json: state.waiting_for.as_ref(),
            waiting_until: state.waiting_for.as_ref().and_then(|wait| wait.until),
            shipment_json: state.shipment.as_ref(),
            estimated_delivery: state.estimated_delivery,
            cancellation_reason: state.cancellation_reason.as_deref(),
            failure_json: state.failure.as_ref(),
            retries_json: &state.retries,
            version: fence.version,
            decided_at: fence.task_time,
            last_seq: state.last_seq(),
            created_at: state.created_at(),
            updated_at: state.updated_at(),
        };
        to_json(&json!({
            "after": state.last_seq().saturating_sub(count),
            "row": to_json(&row)?,
            "events": self.events.iter().map(event_document).collect::<Vec<_>>(),
            "mails": mails_about(self.events),
            "recipient": customer.and_then(|customer| customer.email.as_deref()),
        }))
    }
}

fn event_document(event: &AuditEvent) -> Value {
    json!({"seq": event.seq, "type": event.kind, "payload": event.payload, "ts": event.ts})
}

/// Returns the mails about the events: one of each kind, about its first event.
fn mails_about(events: &[AuditEvent]) -> Vec<Value> {
    let mut mails = BTreeMap::new();
    for event in events {
        if let Some(kind) = NotificationKind::for_event(event.kind) {
            mails.entry(kind).or_insert(event.seq);
        }
    }
    mails
        .iter()
        .map(|(kind, seq)| json!({"kind": kind.to_string(), "seq": seq}))
        .collect()
}
