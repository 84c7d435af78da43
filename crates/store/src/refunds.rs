//! Refunds that the shop makes: their claims, their views, their audit events, and those whose workflow was
//! lost. `ledger` reserves and records their money.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{
    Error,
    convert::{to_json, to_u32},
    error::SqlxResultExt,
    late_events::{LateEntry, append_entry},
    ledger::{self, NewRefund, RefundClaim},
    pool, returns,
};
use contract::{RefundView, RequestOrigin, without_zeros};
use domain::{
    AuditEventType, Currency, Money, OrderId, PaymentInfo, RefundId, RefundState, Transaction,
};

/// Reads the refunds of an order, oldest first.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.refunds.list", skip_all)]
pub async fn list(pool: &PgPool, order_id: &OrderId) -> Result<Vec<RefundView>, Error> {
    read_rows(pool, order_id, None).await
}

/// Reads a refund; `None` when it does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.refunds.read", skip_all)]
pub async fn read(
    pool: &PgPool,
    order_id: &OrderId,
    refund_id: &RefundId,
) -> Result<Option<RefundView>, Error> {
    Ok(read_rows(pool, order_id, Some(refund_id)).await?.pop())
}

/// Reserves the money of a refund, and appends the request to the audit log of an order that has ended. Returns
/// also the number of the audit event, if the log has it. A repeated call has no second effect.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.refunds.claim", skip_all)]
pub async fn claim(
    pool: &PgPool,
    new: NewRefund<'_>,
    at: DateTime<Utc>,
) -> Result<(RefundClaim, Option<u32>), Error> {
    let mut transaction = pool::begin(pool).await?;
    let claim = ledger::claim_refund(&mut transaction, new).await?;
    let mut seq = None;
    if claim == RefundClaim::Accepted {
        let refund = (new.order_id, new.refund_id);
        let announced = announce_in(&mut transaction, refund, false, new.origin, at).await?;
        // The workflow of an open order appends the event later.
        if let Appended::Written { seq: written } = announced {
            seq = Some(written);
        }
    }
    transaction.commit().await.for_operation("commit")?;
    Ok((claim, seq))
}

struct Row {
    refund_id: String,
    state: String,
    amount: i64,
    currency: String,
    items_json: Option<Value>,
    shipping_amount: Option<i64>,
    is_restocked: bool,
    refunded: i64,
    reason: Option<String>,
    public_reason: Option<String>,
    failure: Option<String>,
    requested_by: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A refund that is due ends when an operator has refunded the money. A refund that the provider
/// reports as failed becomes due.
async fn read_rows(
    executor: impl PgExecutor<'_>,
    order_id: &OrderId,
    refund_id: Option<&RefundId>,
) -> Result<Vec<RefundView>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select refund_id, amount, currency, items_json, shipping_amount, is_restocked, reason, public_reason, failure, requested_by, created_at, updated_at,
             case when state not in ('due', 'refunded') then state
                 when part.is_due then 'due' else 'refunded' end as "state!",
             case when state = 'due' and not part.is_due then amount else part.refunded end as "refunded!"
         from refunds
         cross join lateral (
             select coalesce(sum(refunded), 0)::bigint as refunded, coalesce(bool_or(is_due), false) as is_due from (
                 select case when is_failed then 0 else part.refunded end as refunded,
                     money.due > 0 and (part.state = 'due' or is_failed) as is_due
                 from refund_parts as part join payments as money using (payment_id)
                 cross join lateral (
                     select exists (select from payment_movements as movement
                         where movement.payment_id = part.payment_id and movement.kind = 'refund_failed'
                             and movement.reference = part.reference) as is_failed
                 ) as report
                 where part.order_id = refunds.order_id and part.refund_id = refunds.refund_id
             ) as parts
         ) as part
         where order_id = $1 and ($2::text is null or refund_id = $2) order by created_at, refund_id"#,
        order_id.as_str(),
        refund_id.map(RefundId::as_str),
    )
    .fetch_all(executor)
    .await
    .for_operation("read the refunds")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.view(order_id))
        .collect())
}

impl Row {
    /// Returns `None` for a row with values that no writer stores.
    fn view(self, order_id: &OrderId) -> Option<RefundView> {
        let currency = Currency::parse(&self.currency).ok()?;
        let decimal = |minor| {
            let money = Money::from_minor(minor, currency).ok()?;
            Some(without_zeros(money.decimal()))
        };
        Some(RefundView {
            refund_id: RefundId::parse(&self.refund_id).ok()?,
            order_id: order_id.clone(),
            state: RefundState::parse(&self.state)?,
            amount: decimal(self.amount)?,
            currency,
            refunded_amount: decimal(self.refunded)?,
            items: self
                .items_json
                .and_then(|items| serde_json::from_value(items).ok())
                .unwrap_or_default(),
            shipping_amount: self.shipping_amount.and_then(decimal),
            restock: self.is_restocked,
            reason: self.reason,
            public_reason: self.public_reason,
            failure: self.failure,
            requested_by: self.requested_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// An audit event about a refund, which the workflow of an open order must append.
#[derive(Debug, Clone, PartialEq)]
pub struct RefundNotice {
    pub kind: AuditEventType,
    pub payload: Value,
    /// The transactions of the order, oldest first.
    pub transactions: Vec<Transaction>,
}

/// The result of [`announce`].
#[derive(Debug, Clone, PartialEq)]
pub enum Announced {
    /// The audit log has the event, from this call or from an earlier one.
    Written {
        /// The number of the event.
        seq: u32,
    },
    /// The order is open, so its workflow must append the event.
    Open(RefundNotice),
    /// The order or the refund does not exist, or the refund has no result yet.
    Nothing,
}

/// Appends the request of a refund, or its result, to the audit log of an order that has ended. The
/// result closes the return of the refund.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.refunds.announce", skip_all)]
pub async fn announce(
    pool: &PgPool,
    (order_id, refund_id): (&OrderId, &RefundId),
    is_result: bool,
    origin: Option<&RequestOrigin>,
    at: DateTime<Utc>,
) -> Result<Announced, Error> {
    let mut transaction = pool::begin(pool).await?;
    let refund = (order_id, refund_id);
    let announced = match announce_in(&mut transaction, refund, is_result, origin, at).await? {
        Appended::Written { seq } => Announced::Written { seq },
        Appended::Open { kind, payload } => Announced::Open(RefundNotice {
            kind,
            payload,
            transactions: ledger::list_in(&mut transaction, order_id).await?,
        }),
        Appended::Nothing => Announced::Nothing,
    };
    if is_result && matches!(announced, Announced::Written { .. }) {
        sqlx::query!(
            "update refunds set is_announced = true where order_id = $1 and refund_id = $2",
            order_id.as_str(),
            refund_id.as_str(),
        )
        .execute(&mut *transaction)
        .await
        .for_operation("note the audit event of the refund")?;
        returns::close(&mut transaction, order_id, refund_id, at).await?;
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(announced)
}

/// The result of [`announce_in`]. The audit event of an open order is without the transactions.
enum Appended {
    Written {
        seq: u32,
    },
    Open {
        kind: AuditEventType,
        payload: Value,
    },
    Nothing,
}

/// Appends the request or the result in the caller's transaction, once. It locks the row of the order.
async fn announce_in(
    connection: &mut PgConnection,
    (order_id, refund_id): (&OrderId, &RefundId),
    is_result: bool,
    origin: Option<&RequestOrigin>,
    at: DateTime<Utc>,
) -> Result<Appended, Error> {
    let rows = read_rows(&mut *connection, order_id, Some(refund_id)).await?;
    let Some(refund) = rows.into_iter().next() else {
        return Ok(Appended::Nothing);
    };
    let kind = if is_result {
        refund.state.result_event()
    } else {
        Some(AuditEventType::RefundRequested)
    };
    let Some(kind) = kind else {
        return Ok(Appended::Nothing);
    };
    let payload = RequestOrigin::added_to(payload_of(kind, &refund), origin);
    let order = sqlx::query!(
        "select is_running, last_seq, payment_json, total_amount, currency from orders where id = $1 for update",
        order_id.as_str()
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("lock the order")?;
    let Some(order) = order else {
        return Ok(Appended::Nothing);
    };
    let written = sqlx::query_scalar!(
        "select seq from events where order_id = $1 and payload_json ->> 'refund_id' = $3
             -- The events of a return name its refund too.
             and type in ('refund_requested', 'refund_completed', 'refund_due', 'refund_failed')
             and (type = 'refund_requested') = ($2 = 'refund_requested') order by seq limit 1",
        order_id.as_str(),
        kind.as_str(),
        refund_id.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("find the audit event")?;
    if let Some(seq) = written {
        return Ok(Appended::Written { seq: to_u32(seq) });
    }
    if order.is_running {
        return Ok(Appended::Open { kind, payload });
    }
    let transactions = ledger::list_in(&mut *connection, order_id).await?;
    let total = order
        .currency
        .and_then(|code| Currency::parse(&code).ok())
        .zip(order.total_amount)
        .and_then(|(currency, total)| Money::from_minor(total, currency).ok());
    let seq = order.last_seq + 1;
    let entry = LateEntry {
        order_id,
        seq,
        kind,
        payload: &payload,
        payment: renew_payment(order.payment_json, &transactions, total)?,
        at,
    };
    append_entry(connection, entry).await?;
    Ok(Appended::Written { seq: to_u32(seq) })
}

/// Returns the payload of the audit event. It has no personal data but the caller's reasons.
fn payload_of(kind: AuditEventType, refund: &RefundView) -> Value {
    if kind == AuditEventType::RefundRequested {
        let mut payload = json!({
            "refund_id": refund.refund_id, "amount": refund.amount, "currency": refund.currency,
            "items": refund.items, "reason": refund.reason, "actor": refund.requested_by,
        });
        if let Some(public_reason) = &refund.public_reason {
            payload["public_reason"] = json!(public_reason);
        }
        return payload;
    }
    json!({
        "refund_id": refund.refund_id, "amount": refund.amount, "currency": refund.currency,
        "refunded_amount": refund.refunded_amount, "failure": refund.failure,
    })
}

/// Returns the payment of an ended order with the amounts of its transactions.
fn renew_payment(
    payment: Option<Value>,
    transactions: &[Transaction],
    total: Option<Money>,
) -> Result<Option<Value>, Error> {
    let known = payment
        .clone()
        .and_then(|payment| serde_json::from_value::<PaymentInfo>(payment).ok());
    let Some((mut known, total)) = known.zip(total) else {
        return Ok(payment);
    };
    let shown = transactions
        .iter()
        .find(|transaction| transaction.payment_id == known.payment_id);
    if let Some(shown) = shown {
        known.status = shown.balance.status(true);
    }
    to_json(&known.with_transactions(transactions, total)).map(Some)
}

/// A refund without a result, or without its audit event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRefund {
    pub order_id: OrderId,
    pub refund_id: RefundId,
    pub requested_by: String,
    pub fingerprint: String,
}

/// Lists refunds that did not change for `age` and are not finished, oldest first.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.refunds.list_unfinished", skip_all)]
pub async fn list_unfinished(
    pool: &PgPool,
    age: Duration,
    limit: u32,
) -> Result<Vec<UnfinishedRefund>, Error> {
    let rows = sqlx::query!(
        "select order_id, refund_id, requested_by, fingerprint from refunds
         where (state = 'pending' or not is_announced) and updated_at <= now() - make_interval(secs => $1)
         order by updated_at limit $2",
        age.as_secs_f64(),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await
    .for_operation("list the unfinished refunds")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(UnfinishedRefund {
                order_id: OrderId::parse(&row.order_id).ok()?,
                refund_id: RefundId::parse(&row.refund_id).ok()?,
                requested_by: row.requested_by,
                fingerprint: row.fingerprint,
            })
        })
        .collect())
}
