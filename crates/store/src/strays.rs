//! Payment events without an open order: unmatched payments, and later events of settled payments.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, convert::to_i32, error::SqlxResultExt, pool};
use domain::{
    AuditEventType, Currency, Money, OrderId, PaymentEvent, PaymentEventKind, PaymentId,
    PaymentStatus, TransactionId, WebhookProvider,
};

/// The state of the order that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The order has no row.
    Unknown,
    /// The order's workflow is running.
    Open,
    /// The order has ended.
    Closed,
}

/// Finds the order of an event: the order that the event names, or the order whose payment has the
/// event's transaction. For events after a payment, the payment's order takes precedence.
#[tracing::instrument(name = "store.strays.find", skip_all)]
pub async fn find_order(
    pool: &PgPool,
    event: &PaymentEvent,
) -> Result<(Option<OrderId>, Standing), Error> {
    let paying = sqlx::query_scalar!(
        "select order_id from payments where provider = any($1) and transaction_id = $2 and order_id is not null
         order by provider = $3 desc limit 1",
        &provider_names(event.provider),
        event.transaction_id.as_ref().map(TransactionId::as_str),
        event.provider.as_str(),
    );
    let paying = paying
        .fetch_optional(pool)
        .await
        .for_operation("find the payment")?
        .flatten();
    let paying = paying.and_then(|id| OrderId::parse(&id).ok());
    let named = event.order_id.clone();
    let order_id = match event.kind {
        PaymentEventKind::Paid { .. } => named.or(paying),
        PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Failed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::Refunded { .. }
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Disputed { .. }
        | PaymentEventKind::Unconfirmed { .. }
        | PaymentEventKind::Ignored { .. }
        | PaymentEventKind::Unreadable { .. } => paying.or(named),
    };
    let Some(order_id) = order_id else {
        return Ok((None, Standing::Unknown));
    };
    let running = sqlx::query_scalar!(
        "select is_running from orders where id = $1",
        order_id.as_str()
    );
    let standing = match running
        .fetch_optional(pool)
        .await
        .for_operation("find the order")?
    {
        None => Standing::Unknown,
        Some(true) => Standing::Open,
        Some(false) => Standing::Closed,
    };
    Ok((Some(order_id), standing))
}

/// Returns the values of `payments.provider` for payments at this provider. An operator may have
/// confirmed the payment by the API, which stores `external`.
fn provider_names(provider: WebhookProvider) -> Vec<String> {
    vec![provider.to_string(), "external".to_owned()]
}

/// An unmatched payment, which is to be refunded.
#[derive(Debug, Clone, Copy)]
pub struct Stray<'a> {
    pub order_id: Option<&'a OrderId>,
    pub payment_id: &'a PaymentId,
    pub provider: &'a str,
    pub transaction_id: &'a TransactionId,
    pub amount: Money,
}

/// The owner of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The payment belongs to an order, which handles it.
    Paid,
    /// The payment is unmatched. This is the status of its refund; `Declined` if the payment
    /// failed.
    Stray(PaymentStatus),
}

/// Inserts the transaction as an unmatched payment, unless it pays an order. Afterwards it cannot
/// pay an order.
#[tracing::instrument(name = "store.strays.claim", skip_all)]
pub async fn claim(pool: &PgPool, stray: Stray<'_>) -> Result<Claim, Error> {
    let inserted = sqlx::query!(
        "insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider)
         select $1, (select id from orders where id = $2), case when exists (
                 select from webhook_deliveries
                 where provider = $6 and transaction_id = $5 and event_json ->> 'kind' = 'failed'
             ) then 'declined' else 'refunding' end, $3, $4, $5, $6
         on conflict do nothing",
        stray.payment_id.as_str(),
        stray.order_id.map(OrderId::as_str),
        stray.amount.minor(),
        stray.amount.currency().code(),
        stray.transaction_id.as_str(),
        stray.provider,
    );
    inserted
        .execute(pool)
        .await
        .for_operation("insert the unmatched payment")?;
    let found = sqlx::query!(
        "select payment_id, status from payments where provider = $1 and transaction_id = $2",
        stray.provider,
        stray.transaction_id.as_str(),
    );
    Ok(
        match found
            .fetch_optional(pool)
            .await
            .for_operation("read the unmatched payment")?
        {
            Some(row) if row.payment_id == stray.payment_id.as_str() => {
                match PaymentStatus::parse(&row.status) {
                    // The payment of an order without a payment id has the same id.
                    None | Some(PaymentStatus::Pending | PaymentStatus::Captured) => Claim::Paid,
                    Some(status) => Claim::Stray(status),
                }
            }
            // Another payment has this transaction, or an order's payment has this payment id.
            Some(_) | None => Claim::Paid,
        },
    )
}

/// Computes the payment's status from all stored events of its provider, stores the status and
/// returns it; `None` when there is no such payment.
#[tracing::instrument(name = "store.strays.take_stock", skip_all)]
pub async fn take_stock(
    pool: &PgPool,
    provider: WebhookProvider,
    transaction_id: &TransactionId,
) -> Result<Option<PaymentStatus>, Error> {
    let row = sqlx::query!(
        r#"select payment_id, status, amount, payments.currency,
             coalesce(state in ('shipped', 'delivered'), false) as "fulfilled!"
         from payments left join orders on orders.id = order_id
         where provider = any($1) and transaction_id = $2 order by provider = $3 desc limit 1"#,
        &provider_names(provider),
        transaction_id.as_str(),
        provider.as_str(),
    );
    let Some(row) = row
        .fetch_optional(pool)
        .await
        .for_operation("read the payment")?
    else {
        return Ok(None);
    };
    let paid = Currency::parse(&row.currency)
        .ok()
        .and_then(|currency| Money::from_minor(row.amount, currency).ok());
    // The schema's checks allow only values that can be parsed.
    let (Some(paid), Some(before)) = (paid, PaymentStatus::parse(&row.status)) else {
        return Ok(None);
    };
    let stored = sqlx::query_scalar!(
        "select event_json from webhook_deliveries where provider = $1 and transaction_id = $2",
        provider.as_str(),
        transaction_id.as_str(),
    );
    let stored = stored
        .fetch_all(pool)
        .await
        .for_operation("read the payment's events")?;
    let events: Vec<PaymentEvent> = stored
        .into_iter()
        .filter_map(|event| serde_json::from_value(event).ok())
        .collect();
    let standing = domain::status_after_events(before, paid, row.fulfilled, &events);
    if standing != before {
        let updated = sqlx::query!(
            "update payments set status = $2, updated_at = now() where payment_id = $1 and status = $3",
            row.payment_id,
            standing.as_str(),
            row.status,
        );
        updated
            .execute(pool)
            .await
            .for_operation("update the payment's status")?;
    }
    Ok(Some(standing))
}

/// A late audit entry: an audit event of an order that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Postscript<'a> {
    pub order_id: &'a OrderId,
    pub event: &'a PaymentEvent,
    pub kind: AuditEventType,
    pub payload: &'a Value,
    /// The status of the event's payment.
    pub standing: Option<PaymentStatus>,
}

/// The result of [`append_late_entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The order has not ended, so its workflow writes the audit event.
    StillOpen,
    /// The audit log has the entry, from this call or an earlier one.
    Written,
    /// The order itself made or recorded this refund.
    Known,
}

/// Appends a late audit entry and updates the payment in the order's projection. There is one entry
/// for each webhook event, and one for each transaction that is refunded.
#[tracing::instrument(name = "store.strays.append", skip_all)]
pub async fn append_late_entry(
    pool: &PgPool,
    postscript: Postscript<'_>,
    at: DateTime<Utc>,
) -> Result<Appended, Error> {
    let Postscript {
        order_id,
        event,
        kind,
        payload,
        standing,
    } = postscript;
    let mut transaction = pool::begin(pool).await?;
    let row = sqlx::query!(
        "select is_running, last_seq, payment_json from orders where id = $1 for update",
        order_id.as_str()
    );
    let row = row
        .fetch_optional(&mut *transaction)
        .await
        .for_operation("lock the order")?;
    let Some(row) = row.filter(|row| !row.is_running) else {
        return Ok(Appended::StillOpen);
    };
    let known = sqlx::query_scalar!(
        "select exists (select from events where order_id = $1 and type = $2
             and (payload_json ->> 'event_id' = $3 or $4 and payload_json ->> 'transaction_id' = $5))",
        order_id.as_str(),
        kind.as_str(),
        event.event_id,
        matches!(event.kind, PaymentEventKind::Paid { .. }),
        event.transaction_id.as_ref().map(TransactionId::as_str),
    );
    if known
        .fetch_one(&mut *transaction)
        .await
        .for_operation("find the audit event")?
        == Some(true)
    {
        return Ok(Appended::Written);
    }
    let mut payment = row.payment_json;
    let own = payment
        .as_mut()
        .and_then(Value::as_object_mut)
        .filter(|payment| {
            let transaction_id = event.transaction_id.as_ref().map(TransactionId::as_str);
            transaction_id.is_some()
                && payment.get("transaction_id").and_then(Value::as_str) == transaction_id
        });
    if let Some(own) = own {
        let before = own
            .get("status")
            .and_then(Value::as_str)
            .and_then(PaymentStatus::parse);
        let is_refund = matches!(event.kind, PaymentEventKind::Refunded { .. });
        if is_refund
            && matches!(
                before,
                Some(PaymentStatus::Refunding | PaymentStatus::Refunded)
            )
        {
            return Ok(Appended::Known);
        }
        if let Some(standing) = standing {
            own.insert("status".to_owned(), standing.as_str().into());
        }
        if let PaymentEventKind::Disputed { stage } = event.kind {
            own.insert("dispute".to_owned(), stage.as_str().into());
        }
    }
    let next = row.last_seq + 1;
    sqlx::query!(
        "insert into events (order_id, seq, type, payload_json, ts) values ($1, $2, $3, $4, $5)",
        order_id.as_str(),
        next,
        kind.as_str(),
        payload,
        at,
    )
    .execute(&mut *transaction)
    .await
    .for_operation("append to the audit log")?;
    sqlx::query!(
        "update orders set last_seq = $2, updated_at = $3, version = version + $4, payment_json = $5 where id = $1",
        order_id.as_str(),
        next,
        at,
        to_i32(domain::VERSIONS_PER_HISTORY_EVENT),
        payment,
    )
    .execute(&mut *transaction)
    .await
    .for_operation("update the order")?;
    transaction.commit().await.for_operation("commit")?;
    Ok(Appended::Written)
}
