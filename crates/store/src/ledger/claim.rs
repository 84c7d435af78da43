//! Claims: an order takes a transaction, which then belongs to it permanently.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{
    rows,
    settle::{Intent, find_session_of_intent},
};
use crate::{
    Error,
    error::SqlxResultExt,
    order_write::{OrderWrite, write_order_in, written},
    pool,
};
use domain::{
    EXTERNAL, Money, Movement, MovementKind, OrderId, PaymentEvent, PaymentId, PaymentStatus,
    Transaction, TransactionId, WebhookProvider,
};

/// The first report of a transaction; the column `payments.source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentSource {
    Charge,
    Api,
    Webhook,
    LookUp,
}

impl PaymentSource {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::LookUp => "lookup",
        }
    }
}

/// Our own charge.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    pub payment_id: &'a PaymentId,
    pub amount: Money,
    pub provider: &'a str,
    pub payment_method: Option<&'a str>,
}

/// The state of a charge's payment.
#[derive(Debug, Clone)]
pub struct ChargeClaim {
    row: rows::Row,
    /// Whether the row existed before this call.
    pub known: bool,
}

impl ChargeClaim {
    pub fn transaction(&self) -> Transaction {
        self.row.transaction()
    }

    pub fn status(&self) -> PaymentStatus {
        self.row.balance.status(true)
    }

    /// Returns the time of the insert. No request to a provider is older.
    pub fn since(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

/// Writes the order and inserts the payment of a charge, unless it exists. Returns `None` if the
/// payment id belongs to another order.
#[tracing::instrument(name = "store.ledger.claim_charge", skip_all)]
pub async fn claim_charge(
    pool: &PgPool,
    write: OrderWrite<'_>,
    charge: Charge<'_>,
) -> Result<Option<ChargeClaim>, Error> {
    let order_id = &write.state.order_id;
    let payment = json!({
        "payment_id": charge.payment_id,
        "order_id": order_id,
        "amount": charge.amount.minor(),
        "currency": charge.amount.currency().code(),
        "provider": charge.provider,
        "payment_method": charge.payment_method,
        "source": PaymentSource::Charge.as_str(),
    });
    let claimed = sqlx::query!(
        r#"select outcome as "outcome!", have as "have!", inserted, movements, to_jsonb(claimed) as claimed
           from write_order_and_claim_charge($1, $2)"#,
        write.document()?,
        payment,
    )
    .fetch_one(pool)
    .await
    .for_operation("claim the charge")?;
    written(&claimed.outcome, claimed.have)?;
    let row = rows::Row::from_json(claimed.claimed, claimed.movements);
    Ok(row
        .filter(|row| row.order_id.as_ref() == Some(order_id))
        .map(|row| ChargeClaim {
            row,
            known: claimed.inserted != Some(true),
        }))
}

/// Adds movements to the payment of a charge and returns its new balance. Without another change
/// since the claim, this takes one statement.
#[tracing::instrument(name = "store.ledger.record_charge", skip_all)]
pub async fn record_charge(
    pool: &PgPool,
    claim: &ChargeClaim,
    transaction_id: Option<&TransactionId>,
    movements: &[Movement],
) -> Result<Option<Transaction>, Error> {
    let mut row = claim.row.clone();
    if let Some(id) = transaction_id {
        row.learn_ids(std::slice::from_ref(id), None);
    }
    if rows::add_movements_if_unchanged(pool, &mut row, movements).await? {
        return Ok(Some(row.transaction()));
    }
    super::record(pool, &claim.row.payment_id, transaction_id, movements).await
}

/// Money that was reported for an order.
#[derive(Debug, Clone, Copy)]
pub struct Confirmation<'a> {
    /// The payment id of the order, if this payment may use it.
    pub own_payment_id: Option<&'a PaymentId>,
    pub transaction_id: &'a TransactionId,
    pub amount: Money,
    pub provider: Option<WebhookProvider>,
    pub payment_method: Option<&'a str>,
    pub source: PaymentSource,
    /// The webhook event that reported the money. Without one, `amount` was captured.
    pub event: Option<&'a PaymentEvent>,
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The transaction belongs to this order.
    Ours(Transaction),
    /// The order's payment id belongs to another order. The money is due.
    PaymentInUse(Transaction),
    /// The transaction belongs to another order.
    TransactionInUse,
    /// The order cannot take the transaction: a settlement refunds its money, or an operator must.
    Unneeded(Transaction),
}

/// Writes the order, and gives the transaction to the order unless it belongs to
/// another one.
#[tracing::instrument(name = "store.ledger.claim", skip_all)]
pub async fn claim(
    pool: &PgPool,
    write: OrderWrite<'_>,
    confirmation: Confirmation<'_>,
) -> Result<Claim, Error> {
    let order_id = write.state.order_id.clone();
    let mut transaction = pool::begin(pool).await?;
    write_order_in(&mut transaction, write).await?;
    let claimed = claim_in(&mut transaction, &order_id, confirmation).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(claimed)
}

async fn claim_in(
    connection: &mut PgConnection,
    order_id: &OrderId,
    confirmation: Confirmation<'_>,
) -> Result<Claim, Error> {
    let ids = match confirmation.event {
        Some(event) => event.ids().cloned().collect(),
        None => vec![confirmation.transaction_id.clone()],
    };
    let is_session =
        confirmation.provider == Some(WebhookProvider::Stripe) && is_session_without_intent(&ids);
    // A look-up finds intents, whose sessions the order can have.
    let is_looked_up = confirmation.source == PaymentSource::LookUp;
    rows::lock_ids(
        connection,
        &with_session_lock(&ids, is_session || is_looked_up),
    )
    .await?;
    let search = rows::Search {
        provider: confirmation.provider,
        ids: &ids,
        order_id: Some(order_id),
        // The currency of a caller proves nothing.
        currency: confirmation.event.map(|_| confirmation.amount.currency()),
    };
    let mut found = rows::find(connection, search).await?.row;
    // A charge of this order that waits for its customer has no transaction yet.
    if let (None, Some(own)) = (&found, confirmation.own_payment_id) {
        found = rows::lock_by_payment_id(connection, own)
            .await?
            .filter(|row| row.order_id.as_ref() == Some(order_id) && row.transaction_id.is_none());
    }
    if found.is_none() && is_session {
        let customer = confirmation
            .event
            .and_then(|event| event.customer.as_deref());
        found = find_intent_of_session(connection, confirmation.amount, customer).await?;
    }
    if found.is_none() && is_looked_up {
        let intent = Intent {
            amount: confirmation.amount,
            order_id: Some(order_id),
            customer: None,
        };
        found = find_session_of_intent(connection, intent).await?;
        found = found.filter(|session| session.provider != EXTERNAL);
    }
    let (mut row, in_use) = match found {
        Some(row) => (row, false),
        None => insert_claimed(connection, order_id, confirmation).await?,
    };
    // A settlement refunds money that the order did not accept, so it pays nothing.
    let is_ours = row.order_id.as_ref() == Some(order_id) && !row.is_unneeded();
    if row.order_id.as_ref() == Some(order_id)
        && row.is_unneeded()
        && is_of_another_order(connection, order_id, confirmation.own_payment_id).await?
    {
        // An earlier try of this call recorded it.
        return Ok(Claim::PaymentInUse(row.transaction()));
    }
    let is_free = row.order_id.is_none() && !row.balance.refund_all;
    if !is_ours && !is_free {
        let is_of_another = row.order_id.as_ref().is_some_and(|of| of != order_id);
        return Ok(if is_of_another {
            Claim::TransactionInUse
        } else {
            Claim::Unneeded(row.transaction())
        });
    }
    row.order_id = Some(order_id.clone());
    row.learn_ids(&ids, confirmation.provider);
    if row.payment_method.is_none() {
        row.payment_method = confirmation.payment_method.map(str::to_owned);
    }
    rows::add_stored_events(connection, &mut row).await?;
    let mut movements = match confirmation.event {
        Some(event) => event.movements(row.currency),
        None => vec![Movement::new(
            MovementKind::CapturedTotal,
            confirmation.source.as_str(),
            Some(confirmation.amount.minor()),
        )],
    };
    if in_use {
        movements.push(Movement::new(
            MovementKind::RefundRequested,
            rows::UNNEEDED,
            None,
        ));
    }
    rows::add_movements(connection, &mut row, &movements).await?;
    Ok(if in_use {
        Claim::PaymentInUse(row.transaction())
    } else {
        Claim::Ours(row.transaction())
    })
}

/// Returns whether these are the ids of a Stripe session or invoice that does not name its intent.
fn is_session_without_intent(ids: &[TransactionId]) -> bool {
    ids.iter().any(TransactionId::is_stripe_session)
        && !ids.iter().any(TransactionId::is_stripe_intent)
}

/// Returns the ids to lock. A session and its intent have no id in common, so a further id
/// serializes them: without it, each of two concurrent reports could miss the row of the other.
pub(super) fn with_session_lock(ids: &[TransactionId], is_needed: bool) -> Vec<TransactionId> {
    let common = TransactionId::parse("stripe-session-or-intent").ok();
    let common = common.filter(|_| is_needed);
    ids.iter().cloned().chain(common).collect()
}

/// A subscription's intent can arrive before its session and names no order, so it became an
/// unmatched payment. It is the money of the session, if exactly one has the same amount and the same
/// customer, or both name none.
async fn find_intent_of_session(
    connection: &mut PgConnection,
    amount: Money,
    customer: Option<&str>,
) -> Result<Option<rows::Row>, Error> {
    let intents = sqlx::query_scalar!(
        "select payment_id from payments
         where provider = 'stripe' and transaction_id like 'pi\\_%' and order_id is null
             and captured = $1 and unmatched = $1 and currency = $2 and created_at > now() - interval '1 day'
             -- An intent with these ids belongs to another session.
             and not exists (
                 select from unnest(aliases) as alias where alias like 'cs\\_%' or alias like 'in\\_%')
             and not exists (
                 select from webhook_deliveries as event
                 where event.provider = 'stripe' and event.transaction_id = payments.transaction_id
                     and event.event_json ->> 'kind' = 'paid' and event.event_json ->> 'customer' is distinct from $3)
             -- An operator can have refunded a resolved payment.
             and not exists (
                 select from payment_movements as movement
                 where movement.payment_id = payments.payment_id and kind = 'resolved')
         limit 2",
        amount.minor(),
        amount.currency().code(),
        customer,
    );
    let intents = intents
        .fetch_all(&mut *connection)
        .await
        .for_operation("find the intent of a session")?;
    rows::lock_only(connection, &intents).await
}

async fn is_of_another_order(
    connection: &mut PgConnection,
    order_id: &OrderId,
    payment_id: Option<&PaymentId>,
) -> Result<bool, Error> {
    let Some(payment_id) = payment_id else {
        return Ok(false);
    };
    let row = rows::lock_by_payment_id(connection, payment_id).await?;
    Ok(row.is_some_and(|row| row.order_id.as_ref() != Some(order_id)))
}

/// Inserts a transaction that the ledger does not have. Returns whether the order's own payment id
/// belongs to another order.
async fn insert_claimed(
    connection: &mut PgConnection,
    order_id: &OrderId,
    confirmation: Confirmation<'_>,
) -> Result<(rows::Row, bool), Error> {
    let provider = confirmation
        .provider
        .map_or(EXTERNAL, WebhookProvider::as_str);
    let derived = PaymentId::of_transaction(provider, confirmation.transaction_id);
    let mut in_use = false;
    for payment_id in confirmation.own_payment_id.into_iter().chain([&derived]) {
        let new = NewPayment {
            payment_id,
            order_id: Some(order_id.as_str()),
            amount: confirmation.amount,
            provider,
            payment_method: confirmation.payment_method,
            transaction_id: Some(confirmation.transaction_id),
            source: confirmation.source,
        };
        insert(connection, new).await?;
        let row = rows::lock_by_payment_id(connection, payment_id).await?;
        match row {
            // The order's payment id names one payment, so a second one gets a derived id.
            Some(row) if row.transaction_id.as_ref() == Some(confirmation.transaction_id) => {
                return Ok((row, in_use));
            }
            Some(row) => in_use |= row.order_id.as_ref() != Some(order_id),
            None => {}
        }
    }
    Err(missing_row())
}

/// A row that was just inserted is missing, for example because another payment has its id.
pub(super) fn missing_row() -> Error {
    Error::Query {
        operation: "insert the payment",
        source: sqlx::Error::RowNotFound,
    }
}

pub(super) struct NewPayment<'a> {
    pub(super) payment_id: &'a PaymentId,
    pub(super) order_id: Option<&'a str>,
    pub(super) amount: Money,
    pub(super) provider: &'a str,
    pub(super) payment_method: Option<&'a str>,
    pub(super) transaction_id: Option<&'a TransactionId>,
    pub(super) source: PaymentSource,
}

/// Inserts a payment, unless its id or its transaction exists. Returns whether it was inserted.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: NewPayment<'_>,
) -> Result<bool, Error> {
    let inserted = sqlx::query!(
        "insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider, payment_method, source)
         values ($1, (select id from orders where id = $2), 'pending', $3, $4, $5, $6, $7, $8) on conflict do nothing",
        new.payment_id.as_str(),
        new.order_id,
        new.amount.minor(),
        new.amount.currency().code(),
        new.transaction_id.map(TransactionId::as_str),
        new.provider,
        new.payment_method,
        new.source.as_str(),
    )
    .execute(connection)
    .await
    .for_operation("insert the payment")?;
    Ok(inserted.rows_affected() == 1)
}
