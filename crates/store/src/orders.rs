//! Orders: the image that the workflow writes, and what readers see of it.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{Error, audit_events, error::SqlxResultExt, outbox, pool};
use contract::{OrderView, Source, order_workflow_id};
use domain::{
    AuditEvent, Currency, Money, OrderId, OrderState, OrderStatus, ReviewDecision, Step,
    VERSIONS_PER_HISTORY_EVENT,
};

/// An order's image and the entries of its trail that may be new.
#[derive(Debug, Clone, Copy)]
pub struct OrderProjection<'a> {
    pub record: &'a OrderState,
    /// Goes up with the workflow's history, [`VERSIONS_PER_HISTORY_EVENT`] for each of its events.
    pub version: u32,
    /// When the step that writes it was decided: of two images from one place in the history the later stands.
    pub decided_at: DateTime<Utc>,
    pub events: &'a [AuditEvent],
}

/// The last word of a workflow task: what it decides last, and the history knows.
pub const FINAL_DECISION_TIME: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// Whose order the row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOwner {
    /// Ours: made now, or by an earlier try of the same run.
    ThisRun,
    /// Another run's.
    OtherRun,
}

/// Makes the row of an order and its first entries, unless another run has made one.
#[tracing::instrument(name = "store.orders.insert", skip_all)]
pub async fn insert(
    pool: &PgPool,
    image: OrderProjection<'_>,
    run_id: &str,
) -> Result<RowOwner, Error> {
    let mut transaction = pool::begin(pool).await?;
    let record = image.record;
    sqlx::query!(
        "insert into orders (id, run_id, state, step, is_running, version, last_seq, created_at, updated_at)
         values ($1, $2, $3, $4, true, 0, 0, $5, $5) on conflict (id) do nothing",
        record.order_id.as_str(),
        run_id,
        OrderStatus::Pending.as_str(),
        Step::Receive.as_str(),
        record.created_at(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("insert the order")?;
    let owner = sqlx::query_scalar!(
        "select run_id from orders where id = $1 for update",
        record.order_id.as_str()
    )
    .fetch_one(&mut *transaction)
    .await
    .for_operation("read the order's run")?;
    if owner != run_id {
        return Ok(RowOwner::OtherRun);
    }
    write_projection(&mut transaction, image).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(RowOwner::ThisRun)
}

/// Writes the image and its entries, unless the row has this image already, or a newer one.
///
/// A workflow task may be lost after its local activities wrote, and what is decided in its place may be something
/// else under the same numbers: from the same place in the history, too, where the task was a repeat, which leaves no
/// trace there. The later image is the one that is in the history, so its entries replace what the trail has from their
/// first number on.
pub async fn write_projection(
    connection: &mut PgConnection,
    image: OrderProjection<'_>,
) -> Result<(), Error> {
    let record = image.record;
    let order = record.order.as_ref();
    let customer = order.map(|order| &order.customer);
    let lines: Vec<Value> = order
        .map(|order| order.lines.iter().map(contract::line_document).collect())
        .unwrap_or_default();
    let updated = sqlx::query!(
        "update orders set state = $3, step = $4, is_running = $5, customer_id = $6, customer_json = $7, items_json = $8,
             address_json = $9, currency = $10, total_amount = $11, payment_json = $12, shipment_json = $13,
             estimated_delivery = $14, cancellation_reason = $15, failure_json = $16, retries_json = $17,
             version = $2, last_seq = $18, updated_at = $19, review = $20, decided_at = $21
         where id = $1 and (version / $22, decided_at) < ($2::int / $22, $21)",
        record.order_id.as_str(),
        to_i32(image.version),
        record.status().as_str(),
        record.step().as_str(),
        record.is_running(),
        customer.and_then(|customer| customer.id.as_ref()).map(domain::CustomerId::as_str),
        json(&customer)?.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        Value::Array(lines),
        json(&order.and_then(|order| order.shipping_address.as_ref()))?,
        order.map(|order| order.currency.code()),
        order.map(|order| order.total.minor()),
        json(&record.payment.as_ref())?,
        json(&record.shipment.as_ref())?,
        record.estimated_delivery,
        record.cancellation_reason,
        json(&record.failure.as_ref())?,
        serde_json::to_value(&record.retries).map_err(unwritable)?,
        to_i32(record.last_seq()),
        record.updated_at(),
        record.review.map(ReviewDecision::as_str),
        image.decided_at,
        to_i32(VERSIONS_PER_HISTORY_EVENT),
    )
    .execute(&mut *connection)
    .await
    .for_operation("update the order")?;
    if updated.rows_affected() == 0 {
        return Ok(());
    }
    let new = u32::try_from(image.events.len()).unwrap_or(u32::MAX);
    let after = record.last_seq().saturating_sub(new);
    audit_events::replace_after(connection, &record.order_id, after, image.events).await?;
    outbox::enqueue(connection, record, after, image.events).await
}

/// Writes the image in a transaction of its own.
#[tracing::instrument(name = "store.orders.record", skip_all)]
pub async fn record_projection(pool: &PgPool, image: OrderProjection<'_>) -> Result<(), Error> {
    let mut transaction = pool::begin(pool).await?;
    write_projection(&mut transaction, image).await?;
    transaction.commit().await.for_operation("commit")
}

/// The order as readers see it.
#[tracing::instrument(name = "store.orders.view", skip_all)]
pub async fn read_order(pool: &PgPool, order_id: &OrderId) -> Result<Option<OrderView>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, state, step, is_running, customer_id, customer_json, items_json, address_json,
             currency, total_amount, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json,
             retries_json, review, last_seq, created_at, updated_at
         from orders where id = $1",
        order_id.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the order")?;
    row.map(Row::view).transpose()
}

/// The last entry of the trail that the row includes; `None` when there is no such order. The cheapest look at one.
pub async fn read_last_seq(pool: &PgPool, order_id: &OrderId) -> Result<Option<u32>, Error> {
    let seq = sqlx::query_scalar!(
        "select last_seq from orders where id = $1",
        order_id.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("look at the order")?;
    Ok(seq.map(|seq| u32::try_from(seq).unwrap_or_default()))
}

/// Where a page begins: after this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: DateTime<Utc>,
    pub order_id: String,
}

/// Which orders, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    pub status: Option<OrderStatus>,
    pub customer_id: Option<String>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    pub cursor: Option<Cursor>,
    pub limit: u32,
}

/// One page of orders, newest first.
#[tracing::instrument(name = "store.orders.list", skip_all)]
pub async fn list(pool: &PgPool, filter: &ListFilter) -> Result<Vec<OrderView>, Error> {
    let (before, before_id) = filter
        .cursor
        .as_ref()
        .map(|cursor| (cursor.created_at, cursor.order_id.clone()))
        .unzip();
    let rows = sqlx::query_as!(
        Row,
        "select id, state, step, is_running, customer_id, customer_json, items_json, address_json,
             currency, total_amount, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json,
             retries_json, review, last_seq, created_at, updated_at
         from orders
         where ($1::text is null or state = $1) and ($2::text is null or customer_id = $2)
             and ($3::timestamptz is null or created_at > $3) and ($4::timestamptz is null or created_at < $4)
             and ($5::timestamptz is null or (created_at, id) < ($5, $6::text))
         order by created_at desc, id desc limit $7",
        filter.status.map(OrderStatus::as_str),
        filter.customer_id,
        filter.created_after,
        filter.created_before,
        before,
        before_id,
        i64::from(filter.limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list orders")?;
    rows.into_iter().map(Row::view).collect()
}

struct Row {
    id: String,
    state: String,
    step: String,
    is_running: bool,
    customer_id: Option<String>,
    customer_json: Value,
    items_json: Value,
    address_json: Option<Value>,
    currency: Option<String>,
    total_amount: Option<i64>,
    payment_json: Option<Value>,
    shipment_json: Option<Value>,
    estimated_delivery: Option<DateTime<Utc>>,
    cancellation_reason: Option<String>,
    failure_json: Option<Value>,
    retries_json: Value,
    review: Option<String>,
    last_seq: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn view(self) -> Result<OrderView, Error> {
        let key = self.id.clone();
        let column = |column| Column {
            key: key.clone(),
            column,
        };
        let order_id: OrderId = column("id").read(Value::String(self.id))?;
        let currency: Option<Currency> = column("currency").read(self.currency.into())?;
        let total = self
            .total_amount
            .zip(currency)
            .and_then(|(minor, currency)| Money::from_minor(minor, currency).ok());
        Ok(OrderView {
            workflow_id: order_workflow_id(&order_id),
            order_id,
            customer_id: self.customer_id,
            customer: column("customer_json").read(self.customer_json)?,
            items: column("items_json").read(self.items_json)?,
            shipping_address: column("address_json").read(self.address_json.into())?,
            currency,
            total_amount: total.map(Money::decimal),
            status: column("state").read(self.state.into())?,
            step: column("step").read(self.step.into())?,
            is_running: self.is_running,
            review: column("review").read(self.review.into())?,
            payment_info: column("payment_json").read(self.payment_json.into())?,
            shipment_info: column("shipment_json").read(self.shipment_json.into())?,
            estimated_delivery: self.estimated_delivery,
            cancellation_reason: self.cancellation_reason,
            failure: column("failure_json").read(self.failure_json.into())?,
            retries: column("retries_json").read(self.retries_json)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            seq: u32::try_from(self.last_seq).unwrap_or_default(),
            source: Source::Database,
        })
    }
}

struct Column {
    key: String,
    column: &'static str,
}

impl Column {
    fn read<T: DeserializeOwned>(self, value: Value) -> Result<T, Error> {
        serde_json::from_value(value).map_err(|source| Error::InvalidColumn {
            table: "orders",
            key: self.key,
            column: self.column,
            source,
        })
    }
}

/// A JSON column's value; nothing is SQL's null, not JSON's.
fn json<T: serde::Serialize>(value: &Option<T>) -> Result<Option<Value>, Error> {
    value
        .as_ref()
        .map(serde_json::to_value)
        .transpose()
        .map_err(unwritable)
}

fn unwritable(source: serde_json::Error) -> Error {
    Error::Query {
        operation: "write a JSON column",
        source: sqlx::Error::Encode(source.into()),
    }
}

pub(crate) fn to_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
