//! Orders: the projection that a workflow writes, and the views that readers get.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    Error, audit_events,
    convert::{to_i32, to_json, to_nullable_json},
    error::SqlxResultExt,
    outbox, pool,
};
use contract::{OrderView, Source, order_workflow_id};
use domain::{
    AuditEvent, Currency, Money, OrderId, OrderState, OrderStatus, ReviewDecision, Step,
    VERSIONS_PER_HISTORY_EVENT,
};

/// The state of an order, with the audit events that the row may not include yet.
#[derive(Debug, Clone, Copy)]
pub struct OrderProjection<'a> {
    pub state: &'a OrderState,
    /// The place in the workflow's history: [`VERSIONS_PER_HISTORY_EVENT`] versions for each event
    /// of the history.
    pub version: u32,
    /// The time at which the workflow decided the step. Of two projections from the same place in
    /// the history, the one that was decided later wins.
    pub decided_at: DateTime<Utc>,
    /// The newest audit events of the order, the last of which is the last of `state`.
    pub events: &'a [AuditEvent],
}

/// The decision time of a step whose workflow task is in the history: no other projection from the
/// same place replaces it.
pub const FINAL_DECISION_TIME: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// The workflow run that owns an order's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOwner {
    /// This run inserted the row, in this attempt or in an earlier one.
    ThisRun,
    /// Another run inserted the row.
    OtherRun,
}

/// Inserts the row and the first audit events of an order, unless another run has inserted the row.
#[tracing::instrument(name = "store.orders.insert", skip_all)]
pub async fn insert(
    pool: &PgPool,
    projection: OrderProjection<'_>,
    run_id: &str,
) -> Result<RowOwner, Error> {
    let mut transaction = pool::begin(pool).await?;
    let state = projection.state;
    sqlx::query!(
        "insert into orders (id, run_id, state, step, is_running, version, last_seq, created_at, updated_at)
         values ($1, $2, $3, $4, true, 0, 0, $5, $5) on conflict (id) do nothing",
        state.order_id.as_str(),
        run_id,
        OrderStatus::Pending.as_str(),
        Step::Receive.as_str(),
        state.created_at(),
    )
    .execute(&mut *transaction)
    .await
    .for_operation("insert the order")?;
    let owner = sqlx::query_scalar!(
        "select run_id from orders where id = $1 for update",
        state.order_id.as_str()
    )
    .fetch_one(&mut *transaction)
    .await
    .for_operation("read the order's run")?;
    if owner != run_id {
        return Ok(RowOwner::OtherRun);
    }
    write_projection(&mut transaction, projection).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(RowOwner::ThisRun)
}

/// Writes the projection and its audit events, unless the row has this projection or a newer one.
///
/// A workflow task may be lost after its local activities have written. The task that replaces it
/// may decide otherwise and number its audit events alike. It may even have the same place in the
/// history, because a repeated task adds no event there. The later projection is the one that the
/// history has, so its audit events replace all stored ones from their first number on.
pub async fn write_projection(
    connection: &mut PgConnection,
    projection: OrderProjection<'_>,
) -> Result<(), Error> {
    let state = projection.state;
    let order = state.order.as_ref();
    let customer = order.map(|order| &order.customer);
    let lines: Vec<Value> = order
        .map(|order| order.lines.iter().map(contract::line_document).collect())
        .unwrap_or_default();
    let updated = sqlx::query!(
        "update orders set state = $3, step = $4, is_running = $5, customer_id = $6, customer_json = $7, items_json = $8,
             address_json = $9, currency = $10, total_amount = $11, payment_json = $12, shipment_json = $13,
             estimated_delivery = $14, cancellation_reason = $15, failure_json = $16, retries_json = $17,
             version = $2, last_seq = $18, updated_at = $19, review = $20, decided_at = $21, waiting_json = $23
         where id = $1 and (version / $22, decided_at) < ($2::int / $22, $21)",
        state.order_id.as_str(),
        to_i32(projection.version),
        state.status().as_str(),
        state.step().as_str(),
        state.is_running(),
        customer.and_then(|customer| customer.id.as_ref()).map(domain::CustomerId::as_str),
        to_nullable_json(customer)?.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        Value::Array(lines),
        to_nullable_json(order.and_then(|order| order.shipping_address.as_ref()))?,
        order.map(|order| order.currency.code()),
        order.map(|order| order.total.minor()),
        to_nullable_json(state.payment.as_ref())?,
        to_nullable_json(state.shipment.as_ref())?,
        state.estimated_delivery,
        state.cancellation_reason,
        to_nullable_json(state.failure.as_ref())?,
        to_json(&state.retries)?,
        to_i32(state.last_seq()),
        state.updated_at(),
        state.review.map(ReviewDecision::as_str),
        projection.decided_at,
        to_i32(VERSIONS_PER_HISTORY_EVENT),
        to_nullable_json(state.waiting_for.as_ref())?,
    )
    .execute(&mut *connection)
    .await
    .for_operation("update the order")?;
    if updated.rows_affected() == 0 {
        return Ok(());
    }
    let new = u32::try_from(projection.events.len()).unwrap_or(u32::MAX);
    let after = state.last_seq().saturating_sub(new);
    audit_events::replace_after(connection, &state.order_id, after, projection.events).await?;
    outbox::enqueue(connection, state, after, projection.events).await
}

/// Writes the projection in its own transaction. See [`write_projection`].
#[tracing::instrument(name = "store.orders.record", skip_all)]
pub async fn record_projection(
    pool: &PgPool,
    projection: OrderProjection<'_>,
) -> Result<(), Error> {
    let mut transaction = pool::begin(pool).await?;
    write_projection(&mut transaction, projection).await?;
    transaction.commit().await.for_operation("commit")
}

/// Reads an order; `None` when it does not exist.
#[tracing::instrument(name = "store.orders.view", skip_all)]
pub async fn read_order(pool: &PgPool, order_id: &OrderId) -> Result<Option<OrderView>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, state, step, is_running, customer_id, customer_json, items_json, address_json,
             currency, total_amount, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json,
             retries_json, review, waiting_json, last_seq, created_at, updated_at
         from orders where id = $1",
        order_id.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the order")?;
    row.map(Row::view).transpose()
}

/// Reads the number of the last audit event that the row includes; `None` when the order does not
/// exist. This is the cheapest query for a change.
pub async fn read_last_seq(pool: &PgPool, order_id: &OrderId) -> Result<Option<u32>, Error> {
    let seq = sqlx::query_scalar!(
        "select last_seq from orders where id = $1",
        order_id.as_str()
    )
    .fetch_optional(pool)
    .await
    .for_operation("read the last audit event number")?;
    Ok(seq.map(|seq| u32::try_from(seq).unwrap_or_default()))
}

/// The last order of a page. The next page begins after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: DateTime<Utc>,
    pub order_id: String,
}

/// A filter for [`list`], and the size of a page.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    pub status: Option<OrderStatus>,
    pub customer_id: Option<String>,
    pub created_after: Option<DateTime<Utc>>,
    pub created_before: Option<DateTime<Utc>>,
    pub cursor: Option<Cursor>,
    pub limit: u32,
}

/// Reads one page of orders, newest first.
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
             retries_json, review, waiting_json, last_seq, created_at, updated_at
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
    waiting_json: Option<Value>,
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
        let order_id: OrderId = column("id").parse(Value::String(self.id))?;
        let currency: Option<Currency> = column("currency").parse(self.currency.into())?;
        let total = self
            .total_amount
            .zip(currency)
            .and_then(|(minor, currency)| Money::from_minor(minor, currency).ok());
        Ok(OrderView {
            workflow_id: order_workflow_id(&order_id),
            order_id,
            customer_id: self.customer_id,
            customer: column("customer_json").parse(self.customer_json)?,
            items: column("items_json").parse(self.items_json)?,
            shipping_address: column("address_json").parse(self.address_json.into())?,
            currency,
            total_amount: total.map(Money::decimal),
            status: column("state").parse(self.state.into())?,
            step: column("step").parse(self.step.into())?,
            is_running: self.is_running,
            review: column("review").parse(self.review.into())?,
            payment_info: column("payment_json").parse(self.payment_json.into())?,
            waiting_for: column("waiting_json").parse(self.waiting_json.into())?,
            shipment_info: column("shipment_json").parse(self.shipment_json.into())?,
            estimated_delivery: self.estimated_delivery,
            cancellation_reason: self.cancellation_reason,
            failure: column("failure_json").parse(self.failure_json.into())?,
            retries: column("retries_json").parse(self.retries_json)?,
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
    fn parse<T: DeserializeOwned>(self, value: Value) -> Result<T, Error> {
        serde_json::from_value(value).map_err(|source| Error::InvalidColumn {
            table: "orders",
            key: self.key,
            column: self.column,
            source,
        })
    }
}
