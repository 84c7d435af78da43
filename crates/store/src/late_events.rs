//! Payment events about orders that are not open: their order, and their late audit events.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};

use crate::{
    Error,
    convert::{to_i32, to_json},
    error::SqlxResultExt,
    ledger, pool,
};
use domain::{
    AuditEventType, Currency, Money, NotificationKind, OrderId, PaymentEvent, PaymentEventKind,
    PaymentInfo, PaymentStatus, Transaction, TransactionId,
};

/// The state of the order that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderPresence {
    /// The order has no row.
    Unknown,
    /// The order's workflow is running.
    Open,
    /// The order has ended.
    Closed,
}

/// Finds the order of an event: the order of the event's transaction, or the order that the event
/// names.
#[tracing::instrument(name = "store.late_events.find_order", skip_all)]
pub async fn find_order(
    pool: &PgPool,
    event: &PaymentEvent,
) -> Result<(Option<OrderId>, OrderPresence), Error> {
    let ids: Vec<String> = event.ids().map(ToString::to_string).collect();
    if let Some(payment_id) = event.named_payment() {
        let order = sqlx::query_scalar!(
            "select order_id from payments where payment_id = $1",
            payment_id.as_str()
        );
        let order = order
            .fetch_optional(pool)
            .await
            .for_operation("find the payment")?;
        let order: Option<String> = order.flatten();
        let order = order.and_then(|id| OrderId::parse(&id).ok());
        return presence_of(pool, order.or_else(|| event.order_id.clone())).await;
    }
    let paid = sqlx::query_scalar!(
        "select order_id from payments
         where (transaction_id = any($2) or aliases && $2) and provider in ($1, 'external') and order_id is not null
         order by provider = $1 desc limit 1",
        event.provider.as_str(),
        &ids,
    );
    let paid = paid
        .fetch_optional(pool)
        .await
        .for_operation("find the payment")?
        .flatten();
    let paid = paid.and_then(|id| OrderId::parse(&id).ok());
    presence_of(pool, paid.or_else(|| event.order_id.clone())).await
}

async fn presence_of(
    pool: &PgPool,
    order_id: Option<OrderId>,
) -> Result<(Option<OrderId>, OrderPresence), Error> {
    let Some(order_id) = order_id else {
        return Ok((None, OrderPresence::Unknown));
    };
    let running = sqlx::query_scalar!(
        "select is_running from orders where id = $1",
        order_id.as_str()
    );
    let presence = match running
        .fetch_optional(pool)
        .await
        .for_operation("find the order")?
    {
        None => OrderPresence::Unknown,
        Some(true) => OrderPresence::Open,
        Some(false) => OrderPresence::Closed,
    };
    Ok((Some(order_id), presence))
}

/// An audit event of an order that has ended.
#[derive(Debug, Clone, Copy)]
pub struct LateAuditEvent<'a> {
    pub order_id: &'a OrderId,
    pub event: &'a PaymentEvent,
    pub kind: AuditEventType,
    pub payload: &'a Value,
    /// The event's transaction after the event.
    pub transaction: Option<&'a Transaction>,
}

/// The result of [`append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The order has not ended, so its workflow writes the audit event.
    StillOpen,
    /// The audit log has the entry, from this call or an earlier one.
    Written,
    /// The order itself requested this refund, or the capture changes nothing.
    Known,
}

/// Appends a late audit event and updates the payment in the order's projection. There is one entry
/// for each webhook event, and one for each transaction that is refunded.
#[tracing::instrument(name = "store.late_events.append", skip_all)]
pub async fn append(
    pool: &PgPool,
    late: LateAuditEvent<'_>,
    at: DateTime<Utc>,
) -> Result<Appended, Error> {
    let LateAuditEvent {
        order_id,
        event,
        kind,
        payload,
        transaction: money,
    } = late;
    let mut transaction = pool::begin(pool).await?;
    let row = sqlx::query!(
        "select is_running, last_seq, payment_json, total_amount, currency from orders where id = $1 for update",
        order_id.as_str()
    );
    let row = row
        .fetch_optional(&mut *transaction)
        .await
        .for_operation("lock the order")?;
    let Some(row) = row.filter(|row| !row.is_running) else {
        return Ok(Appended::StillOpen);
    };
    // Each capture is an entry. Other entries about offered money are one for each transaction.
    let is_capture = kind == AuditEventType::PaymentCaptured;
    let known = sqlx::query_scalar!(
        "select exists (select from events where order_id = $1 and type = $2
             and (payload_json ->> 'event_id' = $3 or $4 and payload_json ->> 'transaction_id' = $5))",
        order_id.as_str(),
        kind.as_str(),
        event.event_id,
        event.offered_money().is_some() && !is_capture,
        event.transaction_id.as_ref().map(TransactionId::as_str),
    );
    let known = known
        .fetch_one(&mut *transaction)
        .await
        .for_operation("find the audit event")?
        == Some(true);
    let before = row.payment_json.clone();
    let total = row
        .currency
        .and_then(|code| Currency::parse(&code).ok())
        .zip(row.total_amount)
        .and_then(|(currency, total)| Money::from_minor(total, currency).ok());
    let transactions = ledger::list_in(&mut transaction, order_id).await?;
    let own = row
        .payment_json
        .clone()
        .and_then(|payment| serde_json::from_value::<PaymentInfo>(payment).ok())
        // An order that ended unpaid has no payment before its first late event.
        .or_else(|| PaymentInfo::of_transactions(&transactions, total?, at));
    let mut payment = row.payment_json;
    if let Some((mut own, total)) = own.zip(total) {
        let money = money.filter(|money| money.payment_id == own.payment_id);
        if let Some(money) = money {
            // The order's own refund, which its audit log has. A refund that the provider only had
            // accepted is still `refunding` here.
            let is_recorded = own.status == PaymentStatus::Refunded;
            let requested = money.balance.refund_all && !money.balance.by_hand && is_recorded;
            if requested && matches!(event.kind, PaymentEventKind::Refunded { .. }) {
                return Ok(Appended::Known);
            }
            own.status = money.balance.status(true);
        }
        payment = Some(to_json(&own.with_transactions(&transactions, total))?);
    }
    if known {
        return Ok(Appended::Written);
    }
    if is_capture && payment == before {
        return Ok(Appended::Known);
    }
    let entry = LateEntry {
        order_id,
        seq: row.last_seq + 1,
        kind,
        payload,
        payment,
        at,
    };
    append_entry(&mut transaction, entry).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(Appended::Written)
}

/// An entry of the audit log of an order that has ended, whose row the caller has locked.
pub(crate) struct LateEntry<'a> {
    pub(crate) order_id: &'a OrderId,
    pub(crate) seq: i32,
    pub(crate) kind: AuditEventType,
    pub(crate) payload: &'a Value,
    /// The new value of `orders.payment_json`.
    pub(crate) payment: Option<Value>,
    pub(crate) at: DateTime<Utc>,
}

/// Appends the entry, updates the row and writes the mail about the event.
pub(crate) async fn append_entry(
    connection: &mut PgConnection,
    entry: LateEntry<'_>,
) -> Result<(), Error> {
    let LateEntry {
        order_id,
        seq,
        kind,
        payload,
        payment,
        at,
    } = entry;
    sqlx::query!(
        "update orders set last_seq = $2, updated_at = $3, version = version + $4, payment_json = $5 where id = $1",
        order_id.as_str(),
        seq,
        at,
        to_i32(domain::VERSIONS_PER_HISTORY_EVENT),
        payment,
    )
    .execute(&mut *connection)
    .await
    .for_operation("update the order")?;
    // After the row of the order, because a message about the event contains the row.
    sqlx::query!(
        "insert into events (order_id, seq, type, payload_json, ts) values ($1, $2, $3, $4, $5)",
        order_id.as_str(),
        seq,
        kind.as_str(),
        payload,
        at,
    )
    .execute(&mut *connection)
    .await
    .for_operation("append to the audit log")?;
    if let Some(mail) = NotificationKind::for_event(kind) {
        sqlx::query!(
            "insert into notifications (order_id, kind, seq, recipient, status, reason)
             select order_id, $2, $3, recipient, case when recipient is null then 'skipped' else 'pending' end,
                 case when recipient is null then 'the order has no e-mail address' end
             from notifications where order_id = $1 order by seq limit 1 on conflict do nothing",
            order_id.as_str(),
            mail.as_str(),
            seq,
        )
        .execute(connection)
        .await
        .for_operation("write the outbox")?;
    }
    Ok(())
}
