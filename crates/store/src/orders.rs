//! The views of orders that readers get. [`crate::order_write`] writes the rows.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt};
use contract::{OrderDetails, OrderView, Source, order_workflow_id};
use domain::{Address, Currency, Customer, Money, OrderId, OrderStatus};

/// Reads an order; `None` when it does not exist.
#[tracing::instrument(name = "store.orders.view", skip_all)]
pub async fn read_order(pool: &PgPool, order_id: &OrderId) -> Result<Option<OrderView>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, state, step, is_running, customer_id, customer_json, items_json, address_json,
             currency, total_amount, details_json, hold_json, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json,
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
             currency, total_amount, details_json, hold_json, payment_json, shipment_json, estimated_delivery, cancellation_reason, failure_json,
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
    details_json: Option<Value>,
    hold_json: Option<Value>,
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
        let customer: Customer = column("customer_json").parse(self.customer_json)?;
        let address: Option<Address> = column("address_json").parse(self.address_json.into())?;
        let details: Option<OrderDetails> =
            column("details_json").parse(self.details_json.into())?;
        Ok(OrderView {
            workflow_id: order_workflow_id(&order_id),
            order_id,
            customer_id: self.customer_id,
            items: column("items_json").parse(self.items_json)?,
            shipping_address: address.map(|address| address.addressed_to(&customer)),
            currency,
            total_amount: total.map(Money::decimal),
            details: details.unwrap_or_default().addressed_to(&customer),
            customer,
            status: column("state").parse(self.state.into())?,
            step: column("step").parse(self.step.into())?,
            is_running: self.is_running,
            review: column("review").parse(self.review.into())?,
            payment_info: column("payment_json").parse(self.payment_json.into())?,
            hold: column("hold_json").parse(self.hold_json.into())?,
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
