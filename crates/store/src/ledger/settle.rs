//! Settlement of money that no open order takes.

use sqlx::{PgConnection, PgPool};

use super::{
    StoredTransaction,
    claim::{NewPayment, PaymentSource, insert, missing_row, with_session_lock},
    rows,
};
use crate::{Error, error::SqlxResultExt, pool};
use domain::{
    EXTERNAL, Money, Movement, MovementKind, OrderId, OrderStatus, PaymentEvent, PaymentId,
    Transaction, TransactionId, WebhookProvider,
};

/// Money that no open order takes.
#[derive(Debug, Clone, Copy)]
pub struct UnmatchedPayment<'a> {
    pub event: &'a PaymentEvent,
    pub transaction_id: &'a TransactionId,
    pub amount: Money,
    /// Whether the settlement can wait for an event that reports whose money this is.
    pub can_wait: bool,
}

/// The state of a settled transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub stored: StoredTransaction,
    /// Whether the money pays an order, or the order itself has requested its refund.
    pub known: bool,
}

/// Records the money. Requests a refund of money that its order does not need: the order is
/// cancelled or has failed, or its payments reach its total. A new payment of a fulfilled order
/// replaces money that failed to arrive or was taken back.
///
/// Returns `None` and records nothing if the money can be that of a session that a caller confirmed
/// for the same order, and the settlement can wait.
#[tracing::instrument(name = "store.ledger.settle", skip_all)]
pub async fn settle(
    pool: &PgPool,
    unmatched: UnmatchedPayment<'_>,
) -> Result<Option<Settlement>, Error> {
    let event = unmatched.event;
    let ids: Vec<_> = event.ids().cloned().collect();
    let mut transaction = pool::begin(pool).await?;
    let is_intent =
        event.provider == WebhookProvider::Stripe && unmatched.transaction_id.is_stripe_intent();
    rows::lock_ids(&mut transaction, &with_session_lock(&ids, is_intent)).await?;
    let search = rows::Search::of_event(event, &ids);
    let found = match rows::find(&mut transaction, search).await?.row {
        Some(row) => Some(row),
        None if is_intent => match find_session_of_intent(
            &mut transaction,
            Intent {
                amount: unmatched.amount,
                order_id: event.order_id.as_ref(),
                customer: event.customer.as_deref(),
            },
        )
        .await?
        {
            // Only an event can report the intent of a session that a caller has confirmed.
            Some(session) if session.provider == EXTERNAL && unmatched.can_wait => {
                return Ok(None);
            }
            found => found.filter(|session| session.provider != EXTERNAL),
        },
        None => None,
    };
    let is_new = found.is_none();
    let mut row = match found {
        Some(row) => row,
        None => insert_unmatched(&mut transaction, unmatched).await?,
    };
    row.learn_ids(&ids, Some(event.provider));
    let due_before = row.balance.due;
    rows::add_stored_events(&mut transaction, &mut row).await?;
    let mut movements = event.movements(row.currency);
    // The request depends on the balance with these movements.
    row.add(&movements);
    movements.extend(find_unneeded(&mut transaction, &row, event, is_new).await?);
    rows::add_movements(&mut transaction, &mut row, &movements).await?;
    transaction.commit().await.for_operation("commit")?;
    // An operator refunds the money that the order could not refund, and the event adds none.
    let is_left_to_operator = row.balance.by_hand && row.balance.due == due_before;
    let is_decided = row.balance.due == 0 || is_left_to_operator;
    Ok(Some(Settlement {
        known: row.order_id.is_some() && !row.is_unneeded() && is_decided,
        stored: row.stored(),
    }))
}

/// Requests the refund of what an order that has ended does not need. Returns its transactions whose
/// refund can be requested at a provider now.
#[tracing::instrument(name = "store.ledger.request_unneeded", skip_all)]
pub async fn request_unneeded(
    pool: &PgPool,
    order_id: &OrderId,
) -> Result<Vec<Transaction>, Error> {
    let mut transaction = pool::begin(pool).await?;
    let order = sqlx::query!(
        "select state, total_amount, currency from orders where id = $1 and not is_running for update",
        order_id.as_str()
    );
    let order = order
        .fetch_optional(&mut *transaction)
        .await
        .for_operation("read the order")?;
    let Some(order) = order else {
        return Ok(Vec::new());
    };
    let is_fulfilled =
        OrderStatus::parse(&order.state).is_some_and(|status| status.is_dispatched());
    let transactions = rows::list_by_order(&mut transaction, order_id).await?;
    let is_of_total =
        |known: &&Transaction| Some(known.currency.code()) == order.currency.as_deref();
    let paid: i64 = transactions
        .iter()
        .filter(is_of_total)
        .map(|known| known.balance.paying())
        .sum();
    let mut excess = match is_fulfilled {
        true => (paid - order.total_amount.unwrap_or(0)).max(0),
        false => 0,
    };
    let mut due = Vec::new();
    // The newest payment is the one that was not needed.
    for known in transactions.iter().rev() {
        let Some(mut row) = rows::lock_by_payment_id(&mut transaction, &known.payment_id).await?
        else {
            continue;
        };
        let available = row.balance.available();
        let unneeded = match is_of_total(&known) {
            true => excess.min(available),
            false => 0,
        };
        if unneeded > 0 {
            excess -= unneeded;
            let request = row.unneeded_above(available - unneeded);
            rows::add_movements(&mut transaction, &mut row, &[request]).await?;
        }
        if row.balance.due > 0 && !row.balance.by_hand {
            due.push(row.transaction());
        }
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(due)
}

async fn insert_unmatched(
    connection: &mut PgConnection,
    unmatched: UnmatchedPayment<'_>,
) -> Result<rows::Row, Error> {
    let provider = unmatched.event.provider.as_str();
    let payment_id = PaymentId::of_transaction(provider, unmatched.transaction_id);
    let new = NewPayment {
        payment_id: &payment_id,
        order_id: unmatched.event.order_id.as_ref().map(OrderId::as_str),
        amount: unmatched.amount,
        provider,
        payment_method: None,
        transaction_id: Some(unmatched.transaction_id),
        source: PaymentSource::Webhook,
    };
    insert(connection, new).await?;
    let inserted = rows::lock_by_payment_id(connection, &payment_id).await?;
    inserted.ok_or_else(missing_row)
}

/// Returns the request to refund what the order does not need.
async fn find_unneeded(
    connection: &mut PgConnection,
    row: &rows::Row,
    event: &PaymentEvent,
    is_new: bool,
) -> Result<Option<Movement>, Error> {
    let whole = Movement::new(MovementKind::RefundRequested, rows::UNNEEDED, None);
    let Some(order_id) = &row.order_id else {
        // Money that names no order can be for something else, so an operator must decide.
        return Ok((is_new && event.order_id.is_some()).then_some(whole));
    };
    let order = sqlx::query!(
        "select state, is_running, total_amount, currency from orders where id = $1",
        order_id.as_str()
    );
    let order = order
        .fetch_optional(&mut *connection)
        .await
        .for_operation("read the order")?;
    let Some(order) = order else {
        return Ok(None);
    };
    let balance = &row.balance;
    // The workflow of an open order decides about its own transactions, and has declined this one.
    if order.is_running {
        return Ok(is_new.then_some(whole));
    }
    if balance.refund_all {
        return Ok(None);
    }
    let is_fulfilled =
        OrderStatus::parse(&order.state).is_some_and(|status| status.is_dispatched());
    let has_currency = order.currency.as_deref() == Some(row.currency.code());
    if !is_fulfilled || (is_new && !has_currency) {
        return Ok((is_new || balance.available() > 0).then_some(whole));
    }
    let transactions = rows::list_by_order(connection, order_id).await?;
    // The stored balance of this row is older.
    let others: Vec<_> = transactions
        .iter()
        .filter(|other| other.currency == row.currency && other.payment_id != row.payment_id)
        .map(|other| &other.balance)
        .collect();
    let paid_by_others: i64 = others.iter().map(|balance| balance.paying()).sum();
    let mut needed = order.total_amount.unwrap_or(0) - paid_by_others - balance.granted;
    if is_new {
        // A new payment only replaces money that was lost, not a refund that the shop made.
        needed = needed.min(others.iter().map(|balance| balance.owed()).sum());
    }
    let keep = needed.clamp(0, balance.available());
    if is_new && keep == 0 {
        return Ok(Some(whole));
    }
    if keep == balance.available() {
        return Ok(None);
    }
    Ok(Some(row.unneeded_above(keep)))
}

/// An intent of Stripe whose session is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intent<'a> {
    pub(super) amount: Money,
    pub(super) order_id: Option<&'a OrderId>,
    /// Stripe's id of the customer.
    pub(super) customer: Option<&'a str>,
}

/// A subscription's intent does not name its session, and perhaps not its order. It is the money of
/// a session without an intent, if exactly one has the same amount and the same customer, or both name
/// none: of the order, or of all orders if it names none. A session that a caller has confirmed is only returned
/// for its own order.
pub(super) async fn find_session_of_intent(
    connection: &mut PgConnection,
    intent: Intent<'_>,
) -> Result<Option<rows::Row>, Error> {
    let sessions = sqlx::query_scalar!(
        "select payment_id from payments
         where (transaction_id like 'cs\\_%' or transaction_id like 'in\\_%')
             and (provider = 'stripe' or provider = 'external' and order_id = $3)
             and captured = $1 and currency = $2 and created_at > now() - interval '1 day'
             and ($3::text is null or order_id = $3)
             -- An intent that names its order needs no customer.
             and ($3::text is not null or not exists (
                 select from webhook_deliveries as event
                 where event.provider = 'stripe' and event.transaction_id = payments.transaction_id
                     and event.event_json ->> 'kind' = 'paid' and event.event_json ->> 'customer' is distinct from $4))
         limit 2",
        intent.amount.minor(),
        intent.amount.currency().code(),
        intent.order_id.map(OrderId::as_str),
        intent.customer,
    );
    let sessions = sessions
        .fetch_all(&mut *connection)
        .await
        .for_operation("find the session of an intent")?;
    rows::lock_only(connection, &sessions).await
}
