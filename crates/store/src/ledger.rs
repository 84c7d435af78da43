//! The ledger: one row of `payments` for each transaction, and its movements.
//!
//! Every report about money goes through [`record`]: it adds movements, folds all movements of the
//! transaction into a balance and stores the balance. A transaction belongs to at most one order,
//! permanently.

mod claim;
mod grant;
mod payout;
mod rows;
mod settle;

use sqlx::{PgConnection, PgPool};

use crate::{Error, error::SqlxResultExt, pool};
use domain::{
    Movement, MovementKind, PaymentEvent, PaymentEventKind, PaymentId, Transaction, TransactionId,
};

pub use claim::{
    Charge, ChargeClaim, Claim, Confirmation, PaymentSource, claim, claim_charge, record_charge,
};
pub use grant::{NewRefund, RefundAmount, RefundClaim};
pub(crate) use grant::{claim_refund, claim_returned};
pub use payout::{
    PartResult, PartState, RefundPart, ReportedResult, UnclaimedDue, list_open_parts,
    read_unclaimed_due, record_part,
};
pub use rows::StoredTransaction;
pub use settle::{Settlement, UnmatchedPayment, request_unneeded, settle};

/// Adds movements to a payment and returns its new balance; `None` if there is no such payment.
#[tracing::instrument(name = "store.ledger.record", skip_all)]
pub async fn record(
    pool: &PgPool,
    payment_id: &PaymentId,
    transaction_id: Option<&TransactionId>,
    movements: &[Movement],
) -> Result<Option<Transaction>, Error> {
    let mut transaction = pool::begin(pool).await?;
    if let Some(id) = transaction_id {
        rows::lock_ids(&mut transaction, std::slice::from_ref(id)).await?;
    }
    let Some(mut row) = rows::lock_current(&mut transaction, payment_id).await? else {
        return Ok(None);
    };
    if let Some(id) = transaction_id.filter(|id| !row.ids().contains(id)) {
        row.learn_ids(std::slice::from_ref(id), None);
        rows::add_stored_events(&mut transaction, &mut row).await?;
    }
    rows::add_movements(&mut transaction, &mut row, movements).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(Some(row.transaction()))
}

/// The effect of an event on the ledger.
#[derive(Debug, Default)]
pub struct AppliedEvent {
    /// The transaction that the event is about; `None` if the ledger does not have it.
    pub stored: Option<StoredTransaction>,
    /// Whether the event reports another payment than the one that has its ids.
    pub is_second_payment: bool,
    /// Events about payments that only callers have claimed, and that this event refutes.
    pub refuted: Vec<PaymentEvent>,
}

/// Adds the movements of an event to the transaction that the event is about. A transaction that
/// appears later, and an id that the ledger learns later, find the stored events.
#[tracing::instrument(name = "store.ledger.apply_event", skip_all)]
pub async fn apply_event(pool: &PgPool, event: &PaymentEvent) -> Result<AppliedEvent, Error> {
    let ids: Vec<_> = event.ids().cloned().collect();
    let named = event.named_payment();
    // A refused report is not a fact about the transaction.
    let is_report = matches!(event.kind, PaymentEventKind::ReportRefused { .. });
    if is_report || (ids.is_empty() && named.is_none()) {
        return Ok(AppliedEvent::default());
    }
    let mut transaction = pool::begin(pool).await?;
    rows::lock_ids(&mut transaction, &ids).await?;
    let found = match named {
        Some(payment_id) => rows::Found {
            row: rows::lock_by_payment_id(&mut transaction, payment_id).await?,
            ..rows::Found::default()
        },
        None => rows::find(&mut transaction, rows::Search::of_event(event, &ids)).await?,
    };
    let mut applied = AppliedEvent {
        stored: None,
        is_second_payment: found.is_second_payment && found.row.is_none(),
        refuted: found
            .refuted
            .iter()
            .map(|row| row.refutation(event.provider))
            .collect(),
    };
    if let Some(mut row) = found.row {
        if named.is_none() {
            let known = (row.ids(), row.provider.clone());
            row.learn_ids(&ids, Some(event.provider));
            // Earlier events can have named the new ids only.
            if known != (row.ids(), row.provider.clone()) {
                rows::add_stored_events(&mut transaction, &mut row).await?;
            }
        }
        let mut movements = event.movements(row.currency);
        rows::complete_resolution(&row, &mut movements);
        rows::add_movements(&mut transaction, &mut row, &movements).await?;
        applied.stored = Some(row.stored());
    }
    transaction.commit().await.for_operation("commit")?;
    Ok(applied)
}

/// Restores an order's transaction in the caller's transaction, unless the row is as new as `known`.
pub(crate) async fn restore(
    connection: &mut PgConnection,
    order_id: &domain::OrderId,
    known: &Transaction,
) -> Result<(), Error> {
    let stored = rows::lock_by_payment_id(connection, &known.payment_id).await?;
    if stored.is_none_or(|row| row.version < known.version) {
        rows::restore(connection, order_id, known).await?;
    }
    Ok(())
}

/// Requests a refund: of everything, also of money that is captured later, or of what exceeds
/// `keep` minor units. Returns the balance with the money that is due; `None` if there is no such
/// payment.
///
/// `known` is the order's copy of the transaction. It restores a row that the database has lost.
#[tracing::instrument(name = "store.ledger.request_refund", skip_all)]
pub async fn request_refund(
    pool: &PgPool,
    order_id: &domain::OrderId,
    payment_id: &PaymentId,
    keep: Option<i64>,
    known: Option<&Transaction>,
) -> Result<Option<Transaction>, Error> {
    let mut transaction = pool::begin(pool).await?;
    let found = match (
        rows::lock_current(&mut transaction, payment_id).await?,
        known,
    ) {
        (None, Some(known)) => rows::restore(&mut transaction, order_id, known).await?,
        (found, _) => found,
    };
    let Some(mut row) = found else {
        return Ok(None);
    };
    if row.order_id.as_ref().is_some_and(|of| of != order_id) {
        return Ok(None);
    }
    let requested = match keep {
        None => Some(Movement::new(MovementKind::RefundRequested, "all", None)),
        Some(keep) => (row.balance.available() > keep)
            .then(|| row.refund_above(keep, format!("above {keep}"))),
    };
    let movements: Vec<_> = requested.into_iter().collect();
    rows::add_movements(&mut transaction, &mut row, &movements).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(Some(row.transaction()))
}

/// Reads the transactions of an order, oldest first.
#[tracing::instrument(name = "store.ledger.of_order", skip_all)]
pub async fn list_by_order(
    pool: &PgPool,
    order_id: &domain::OrderId,
) -> Result<Vec<Transaction>, Error> {
    let mut connection = pool.acquire().await.for_operation("read the payments")?;
    rows::list_by_order(&mut connection, order_id).await
}

/// Reads the transactions of an order in the caller's transaction, oldest first.
pub(crate) async fn list_in(
    connection: &mut PgConnection,
    order_id: &domain::OrderId,
) -> Result<Vec<Transaction>, Error> {
    rows::list_by_order(connection, order_id).await
}

/// Finds a transaction by its id at the provider; by its id alone if `provider` is `None`.
#[tracing::instrument(name = "store.ledger.find", skip_all)]
pub async fn find(
    pool: &PgPool,
    provider: Option<domain::WebhookProvider>,
    transaction_id: &TransactionId,
) -> Result<Option<StoredTransaction>, Error> {
    let mut connection = pool.acquire().await.for_operation("find the payment")?;
    let ids = std::slice::from_ref(transaction_id);
    let rows = rows::find_all(&mut connection, provider, ids).await?;
    Ok(rows.first().map(rows::Row::stored))
}
