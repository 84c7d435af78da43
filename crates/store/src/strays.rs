//! What providers tell of payments: money that no order waits for, and what happens to payments afterwards.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, orders::to_i32, pool};
use domain::{
    AuditEventType, Currency, Money, OrderId, PaymentEvent, PaymentEventKind, PaymentId,
    PaymentStatus, TransactionId, WebhookProvider,
};

/// What the row says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Unknown,
    Open,
    Closed,
}

/// The order that an event is about: the one that it names, or whose payment its transaction is. What is told of a
/// payment afterwards belongs to the payment's order, whatever it names.
#[tracing::instrument(name = "store.strays.find", skip_all)]
pub async fn find_order(
    pool: &PgPool,
    event: &PaymentEvent,
) -> Result<(Option<OrderId>, Standing), Error> {
    let paying = sqlx::query_scalar!(
        "select order_id from payments where provider = any($1) and transaction_id = $2 and order_id is not null
         order by provider = $3 desc limit 1",
        &books(event.provider),
        event.transaction_id.as_ref().map(TransactionId::as_str),
        event.provider.as_str(),
    );
    let paying = paying
        .fetch_optional(pool)
        .await
        .for_operation("look for the payment")?
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
        .for_operation("look for the order")?
    {
        None => Standing::Unknown,
        Some(true) => Standing::Open,
        Some(false) => Standing::Closed,
    };
    Ok((Some(order_id), standing))
}

/// Under which names the provider's payments may be in our books: somebody may have confirmed it by the API before.
fn books(provider: WebhookProvider) -> Vec<String> {
    vec![provider.to_string(), "external".to_owned()]
}

/// A payment that is to go back.
#[derive(Debug, Clone, Copy)]
pub struct Stray<'a> {
    pub order_id: Option<&'a OrderId>,
    pub payment_id: &'a PaymentId,
    pub provider: &'a str,
    pub transaction_id: &'a TransactionId,
    pub amount: Money,
}

/// Whose the money is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// An order's own payment: that order takes care of it.
    Paid,
    /// Nobody's: it is ours to give back, and this is how far that got. `Declined`: it never came.
    Stray(PaymentStatus),
}

/// Writes the money as a payment that goes back, unless it pays an order. From then on it can pay none.
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
        .for_operation("write the stray payment")?;
    let found = sqlx::query!(
        "select payment_id, status from payments where provider = $1 and transaction_id = $2",
        stray.provider,
        stray.transaction_id.as_str(),
    );
    Ok(
        match found
            .fetch_optional(pool)
            .await
            .for_operation("read the stray payment")?
        {
            Some(row) if row.payment_id == stray.payment_id.as_str() => {
                match PaymentStatus::parse(&row.status) {
                    // An order without a payment id of its own is paid under this very name.
                    None | Some(PaymentStatus::Pending | PaymentStatus::Captured) => Claim::Paid,
                    Some(status) => Claim::Stray(status),
                }
            }
            // Or its name is an order's payment id, which is bound to that one.
            Some(_) | None => Claim::Paid,
        },
    )
}

/// Writes how the payment stands by all that its provider has told of it, and says so; `None` for one that is not in
/// our books.
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
        &books(provider),
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
    // The schema's checks have exactly these.
    let (Some(paid), Some(before)) = (paid, PaymentStatus::parse(&row.status)) else {
        return Ok(None);
    };
    let told = sqlx::query_scalar!(
        "select event_json from webhook_deliveries where provider = $1 and transaction_id = $2",
        provider.as_str(),
        transaction_id.as_str(),
    );
    let told = told
        .fetch_all(pool)
        .await
        .for_operation("read what was told of the payment")?;
    let events: Vec<PaymentEvent> = told
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
            .for_operation("write how the payment stands")?;
    }
    Ok(Some(standing))
}

/// An entry for the trail of an order that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Postscript<'a> {
    pub order_id: &'a OrderId,
    pub event: &'a PaymentEvent,
    pub kind: AuditEventType,
    pub payload: &'a Value,
    /// How the payment stands that the event is about.
    pub standing: Option<PaymentStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The order has not ended: its workflow writes.
    StillOpen,
    Written,
    /// The order knew that its money went back.
    Known,
}

/// One more entry for the trail of an order that has ended, and what it changes in the order's image: once for each event
/// of a provider, and of money that went back once for its transaction.
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
        .for_operation("look for the entry")?
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
    .for_operation("append to the audit trail")?;
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
    .for_operation("count the entry")?;
    transaction.commit().await.for_operation("commit")?;
    Ok(Appended::Written)
}
