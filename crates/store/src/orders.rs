//! The views of orders that readers get. [`crate::order_write`] writes the rows.

mod list;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, convert::parse_column, error::SqlxResultExt, returns};
use contract::{Amounts, MovedMoney, OrderDetails, OrderView, Source, order_workflow_id};
use domain::{Address, Currency, Customer, Money, OrderId};

pub use list::{
    Cursor, ListFilter, ListedOrder, MAX_MATCHES, Matches, explain, find_matches, list, visit,
};

/// Reads an order; `None` when it does not exist.
#[tracing::instrument(name = "store.orders.view", skip_all)]
pub async fn read_order(pool: &PgPool, order_id: &OrderId) -> Result<Option<OrderView>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, state, step, is_running, customer_id, customer_json, items_json, address_json,
             orders.currency, total_amount, details_json, hold_json, payment_json, shipment_json, estimated_delivery, cancellation_reason,
             failure_json, retries_json, review, waiting_json, last_seq, orders.created_at, orders.updated_at,
             ledger.captured, ledger.refunded, ledger.due,
             (select jsonb_agg(to_jsonb(returns) order by returns.created_at, return_id) from returns
                 where returns.order_id = orders.id) as returns_json
         from orders
         left join lateral (
             select sum(captured)::bigint as captured, sum(refunded)::bigint as refunded, sum(due)::bigint as due
             from payments where order_id = orders.id and payments.currency = orders.currency
         ) as ledger on true
         where id = $1",
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

/// Returns the order that a message contains: a row of `orders` as JSON, with the sums of its payments.
pub(crate) fn view_of_message(row: Value) -> Result<OrderView, serde_json::Error> {
    let row: Row = serde_json::from_value(row)?;
    row.view().map_err(serde::de::Error::custom)
}

#[derive(sqlx::FromRow, Deserialize)]
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
    captured: Option<i64>,
    refunded: Option<i64>,
    due: Option<i64>,
    /// Only the query of one order reads the returns.
    #[serde(default)]
    #[sqlx(default)]
    returns_json: Option<Value>,
}

impl Row {
    /// Returns the money of the transactions of an order that has ended. The row of an open order
    /// has the amounts that belong to its other columns.
    fn money_after_end(&self) -> Option<MovedMoney> {
        (!self.is_running).then(|| MovedMoney {
            captured: self.captured.unwrap_or_default(),
            refunded: self.refunded.unwrap_or_default(),
            due: self.due.unwrap_or_default(),
        })
    }

    fn view(self) -> Result<OrderView, Error> {
        let key = self.id.clone();
        let money = self.money_after_end();
        let order_id: OrderId = parse_column(&key, "id", Value::String(self.id))?;
        let currency: Option<Currency> = parse_column(&key, "currency", self.currency.into())?;
        let total = self
            .total_amount
            .zip(currency)
            .and_then(|(minor, currency)| Money::from_minor(minor, currency).ok());
        let customer: Customer = parse_column(&key, "customer_json", self.customer_json)?;
        let address: Option<Address> =
            parse_column(&key, "address_json", self.address_json.into())?;
        let details: Option<OrderDetails> =
            parse_column(&key, "details_json", self.details_json.into())?;
        let amounts = money
            .zip(total)
            .map(|(money, total)| Amounts::from_ledger(total.decimal(), total.currency(), money));
        let view = OrderView {
            workflow_id: order_workflow_id(&order_id),
            order_id,
            customer_id: self.customer_id,
            items: parse_column(&key, "items_json", self.items_json)?,
            shipping_address: address.map(|address| address.addressed_to(&customer)),
            currency,
            total_amount: total.map(Money::decimal),
            details: details.unwrap_or_default().addressed_to(&customer),
            customer,
            status: parse_column(&key, "state", self.state.into())?,
            step: parse_column(&key, "step", self.step.into())?,
            is_running: self.is_running,
            review: parse_column(&key, "review", self.review.into())?,
            payment_info: parse_column(&key, "payment_json", self.payment_json.into())?,
            hold: parse_column(&key, "hold_json", self.hold_json.into())?,
            waiting_for: parse_column(&key, "waiting_json", self.waiting_json.into())?,
            shipment_info: parse_column(&key, "shipment_json", self.shipment_json.into())?,
            estimated_delivery: self.estimated_delivery,
            cancellation_reason: self.cancellation_reason,
            failure: parse_column(&key, "failure_json", self.failure_json.into())?,
            retries: parse_column(&key, "retries_json", self.retries_json)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            seq: u32::try_from(self.last_seq).unwrap_or_default(),
            source: Source::Database,
            document_pending: self.is_running && currency.is_none(),
            amounts,
            refunds: Vec::new(),
            returns: returns::parse_views(&key, self.returns_json)?,
            shipments: Vec::new(),
            actions: Vec::new(),
        };
        Ok(view.with_derived_fields())
    }
}
