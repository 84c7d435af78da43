//! Rows of `payments` and `payment_movements`.

use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::grant::is_of_refund;
use crate::{Error, error::SqlxResultExt};
use domain::{
    Balance, Concern, Currency, EXTERNAL, Movement, MovementKind, OrderId, PaymentEvent,
    PaymentEventKind, PaymentId, PaymentStatus, Transaction, TransactionId, WebhookProvider,
};

/// The reference of a refund that a settlement requests, because no order needs the money.
pub(super) const UNNEEDED: &str = "unneeded";

/// A transaction with its order.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTransaction {
    pub order_id: Option<OrderId>,
    pub transaction: Transaction,
}

/// A locked row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) payment_id: PaymentId,
    pub(super) order_id: Option<OrderId>,
    pub(super) currency: Currency,
    pub(super) amount: i64,
    pub(super) provider: String,
    pub(super) payment_method: Option<String>,
    pub(super) transaction_id: Option<TransactionId>,
    pub(super) aliases: Vec<TransactionId>,
    pub(super) status: Option<PaymentStatus>,
    pub(super) version: i32,
    pub(super) created_at: chrono::DateTime<chrono::Utc>,
    movements: Vec<Movement>,
    /// Movements that the table does not have.
    unsaved: Vec<Movement>,
    pub(super) balance: Balance,
}

#[derive(serde::Deserialize)]
struct Columns {
    payment_id: String,
    order_id: Option<String>,
    status: String,
    amount: i64,
    currency: String,
    provider: String,
    payment_method: Option<String>,
    transaction_id: Option<String>,
    aliases: Vec<String>,
    balance_version: i32,
    created_at: chrono::DateTime<chrono::Utc>,
    movements: Option<serde_json::Value>,
}

/// Serializes all changes of the transactions with these ids, also of rows that do not exist yet.
pub(super) async fn lock_ids(
    connection: &mut PgConnection,
    ids: &[TransactionId],
) -> Result<(), Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    // In one order, so that two callers never wait for each other.
    sqlx::query!(
        "select pg_advisory_xact_lock(key) from (select distinct hashtextextended(id, 0) as key from unnest($1::text[]) as id order by key) as keys",
        &ids
    )
    .execute(connection)
    .await
    .for_operation("lock the transaction")
    .map(|_| ())
}

pub(super) async fn lock_by_payment_id(
    connection: &mut PgConnection,
    payment_id: &PaymentId,
) -> Result<Option<Row>, Error> {
    let columns = sqlx::query_as!(
        Columns,
        r#"select payment_id, order_id, status, amount, currency, provider, payment_method, transaction_id, aliases, balance_version, created_at,
             (select jsonb_agg(jsonb_build_object('kind', kind, 'reference', reference, 'amount', movement.amount))
              from payment_movements as movement where movement.payment_id = payments.payment_id) as movements
         from payments where payment_id = $1 for update"#,
        payment_id.as_str(),
    );
    let columns = columns
        .fetch_optional(&mut *connection)
        .await
        .for_operation("lock the payment")?;
    Ok(columns.and_then(Row::read))
}

/// Locks the payment with the only id; `None` without an id or with several ids.
pub(super) async fn lock_only(
    connection: &mut PgConnection,
    payment_ids: &[String],
) -> Result<Option<Row>, Error> {
    let [only] = payment_ids else {
        return Ok(None);
    };
    match PaymentId::parse(only) {
        Ok(payment_id) => lock_by_payment_id(connection, &payment_id).await,
        Err(_) => Ok(None),
    }
}

/// The ids and facts by which a payment is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) provider: Option<WebhookProvider>,
    pub(super) ids: &'a [TransactionId],
    /// The order that the report names.
    pub(super) order_id: Option<&'a OrderId>,
    /// The currency of the reported money.
    pub(super) currency: Option<Currency>,
}

impl<'a> Search<'a> {
    pub(super) fn of_event(event: &'a PaymentEvent, ids: &'a [TransactionId]) -> Self {
        Self {
            provider: Some(event.provider),
            ids,
            order_id: event.order_id.as_ref(),
            currency: event.offered_money().map(|(money, _)| money.currency()),
        }
    }
}

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) row: Option<Row>,
    /// Whether a row with one of the ids is another payment: it has another intent.
    pub(super) is_second_payment: bool,
    /// Payments that only a caller has claimed, and that the report refutes: it is about the same ids,
    /// but about another order or another currency.
    pub(super) refuted: Vec<Row>,
}

/// Finds and locks the row of a transaction. Rows that turn out to be the same money become one.
pub(super) async fn find(
    connection: &mut PgConnection,
    search: Search<'_>,
) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut rows = Vec::new();
    for mut row in find_all(connection, search.provider, search.ids).await? {
        let is_claim = row.provider == EXTERNAL && row.balance.captured > 0;
        let has_other_currency = search
            .currency
            .is_some_and(|currency| currency != row.currency);
        if row.has_other_intent(search.ids) {
            found.is_second_payment = true;
            row.forget_ids(search.ids);
            add_movements(connection, &mut row, &[]).await?;
        } else if is_claim && has_other_currency && search.provider.is_some() {
            found.refuted.push(row);
        } else {
            rows.push(row);
        }
    }
    if rows.len() > 1 {
        rows.retain(|row| !row.is_refuted());
    }
    let pays = |row: &Row| row.order_id.is_some() && !row.is_unneeded();
    let is_named =
        |row: &Row| search.order_id.is_some() && row.order_id.as_ref() == search.order_id;
    let Some(kept) = rows
        .iter()
        .position(|row| pays(row) && is_named(row))
        .or(rows.iter().position(pays))
        .or(rows.iter().position(|row| row.order_id.is_some()))
        .or(Some(0).filter(|_| !rows.is_empty()))
    else {
        return Ok(found);
    };
    let mut kept = rows.remove(kept);
    for other in rows {
        if kept.is_same_money(&other) {
            join(connection, &mut kept, other).await?;
        } else if kept.provider != EXTERNAL
            && other.provider == EXTERNAL
            && other.balance.captured > 0
        {
            found.refuted.push(other);
        }
    }
    found.row = Some(kept);
    Ok(found)
}

/// Moves the movements and the ids of `other` to `kept`.
async fn join(connection: &mut PgConnection, kept: &mut Row, mut other: Row) -> Result<(), Error> {
    let ids = other.ids();
    let provider = WebhookProvider::parse(&other.provider);
    let is_about_second_payment = |movement: &Movement| {
        let is_request = movement.kind == MovementKind::RefundRequested;
        // An excess counted the money twice. A refund that was made is a separate movement.
        let of_excess = (movement.amount.is_some() && !is_of_refund(movement))
            || movement.reference.starts_with(UNNEEDED);
        (is_request && of_excess)
            || matches!(
                movement.kind,
                MovementKind::RefundByHand | MovementKind::Resolved
            )
    };
    let mut movements: Vec<Movement> = other
        .movements
        .iter()
        .filter(|movement| !is_about_second_payment(movement))
        .cloned()
        .collect();
    movements.push(Movement::new(
        MovementKind::Joined,
        other.payment_id.as_str(),
        None,
    ));
    // First, because each id belongs to one row.
    other.transaction_id = None;
    other.aliases.clear();
    other.order_id = None;
    let moved = Movement::new(MovementKind::Moved, kept.payment_id.as_str(), None);
    add_movements(connection, &mut other, &[moved]).await?;
    kept.learn_ids(&ids, provider);
    if kept.payment_method.is_none() {
        kept.payment_method = other.payment_method;
    }
    add_movements(connection, kept, &movements).await
}

/// Finds and locks the rows of a transaction. A transaction whose provider is unknown is found by
/// its id alone.
pub(super) async fn find_all(
    connection: &mut PgConnection,
    provider: Option<WebhookProvider>,
    ids: &[TransactionId],
) -> Result<Vec<Row>, Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let columns = sqlx::query_as!(
        Columns,
        r#"select payment_id, order_id, status, amount, currency, provider, payment_method, transaction_id, aliases, balance_version, created_at,
             (select jsonb_agg(jsonb_build_object('kind', kind, 'reference', reference, 'amount', movement.amount))
              from payment_movements as movement where movement.payment_id = payments.payment_id) as movements
         from payments
         where (transaction_id = any($1) or aliases && $1) and ($2::text is null or provider in ($2, 'external'))
         order by provider = $2 desc, created_at for update"#,
        &ids,
        provider.map(WebhookProvider::as_str),
    );
    let columns = columns
        .fetch_all(&mut *connection)
        .await
        .for_operation("find the payment")?;
    Ok(columns.into_iter().filter_map(Row::read).collect())
}

/// Locks a payment, or the payment that has its movements now.
pub(super) async fn lock_current(
    connection: &mut PgConnection,
    payment_id: &PaymentId,
) -> Result<Option<Row>, Error> {
    let row = lock_by_payment_id(connection, payment_id).await?;
    match row.as_ref().and_then(Row::moved_to) {
        Some(current) => lock_by_payment_id(connection, &current).await,
        None => Ok(row),
    }
}

/// Adds the movements of all stored events about this transaction, which may have arrived before
/// it, and learns the ids and the provider that they report.
pub(super) async fn add_stored_events(
    connection: &mut PgConnection,
    row: &mut Row,
) -> Result<(), Error> {
    let mut read = row.ids();
    loop {
        let events = read_stored_events(connection, row, &read).await?;
        for event in events {
            row.add(&event.movements(row.currency));
            let ids: Vec<_> = event.ids().cloned().collect();
            row.learn_ids(&ids, Some(event.provider));
        }
        let learned: Vec<_> = row.ids();
        let learned: Vec<_> = learned
            .into_iter()
            .filter(|id| !read.contains(id))
            .collect();
        if learned.is_empty() {
            return Ok(());
        }
        // An event with such an id waits for this row from now on, or is read now.
        lock_ids(connection, &learned).await?;
        read.extend(learned);
    }
}

/// Reads the events that report facts about the payment with these ids, oldest first. If the
/// provider is unknown, they are the events of one provider, preferably about the same order.
async fn read_stored_events(
    connection: &mut PgConnection,
    row: &Row,
    ids: &[TransactionId],
) -> Result<Vec<PaymentEvent>, Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let providers: Vec<String> = match row.provider.as_str() {
        EXTERNAL => WebhookProvider::ALL
            .iter()
            .map(ToString::to_string)
            .collect(),
        provider => vec![provider.to_owned()],
    };
    let events = sqlx::query_scalar!(
        r#"select event_json as "event_json!" from (
             select event_json, received_at from webhook_deliveries
             where provider = any($1) and transaction_id = any($2)
             union
             -- The condition of the index webhook_deliveries_aliases.
             select event_json, received_at from webhook_deliveries
             where provider = any($1) and event_json ? 'aliases' and event_json -> 'aliases' ?| $2
         ) as event order by received_at"#,
        &providers,
        &ids,
    );
    let events = events
        .fetch_all(connection)
        .await
        .for_operation("read the payment's events")?;
    let mut events: Vec<PaymentEvent> = events
        .into_iter()
        .filter_map(|event| serde_json::from_value(event).ok())
        // An operator's resolution names its payment, which has it.
        .filter(|event: &PaymentEvent| !matches!(event.kind, PaymentEventKind::Resolved { .. }))
        .filter(|event| !event.movements(row.currency).is_empty())
        .collect();
    let is_of_order = |event: &&PaymentEvent| event.order_id == row.order_id;
    let chosen = events.iter().find(is_of_order).or(events.first());
    if let Some(provider) = chosen.map(|event| event.provider) {
        events.retain(|event| event.provider == provider);
    }
    Ok(events)
}

fn parse_ids(ids: &[String]) -> Vec<TransactionId> {
    ids.iter()
        .filter_map(|id| TransactionId::parse(id).ok())
        .collect()
}

impl Row {
    /// Returns `None` for a row with values that no writer stores.
    fn read(columns: Columns) -> Option<Self> {
        let movements: Vec<Movement> = columns
            .movements
            .and_then(|movements| serde_json::from_value(movements).ok())
            .unwrap_or_default();
        let mut row = Self {
            payment_id: PaymentId::parse(&columns.payment_id).ok()?,
            order_id: columns.order_id.and_then(|id| OrderId::parse(&id).ok()),
            currency: Currency::parse(&columns.currency).ok()?,
            amount: columns.amount,
            provider: columns.provider,
            payment_method: columns.payment_method,
            transaction_id: columns
                .transaction_id
                .and_then(|id| TransactionId::parse(&id).ok()),
            aliases: parse_ids(&columns.aliases),
            status: PaymentStatus::parse(&columns.status),
            version: columns.balance_version,
            created_at: columns.created_at,
            balance: Balance::of(&movements),
            movements,
            unsaved: Vec::new(),
        };
        row.adopt_status_of_previous_release();
        Some(row)
    }

    /// Reads a row of `payments` and its movements, both as JSON.
    pub(super) fn from_json(
        payment: Option<serde_json::Value>,
        movements: Option<serde_json::Value>,
    ) -> Option<Self> {
        let mut columns: Columns = serde_json::from_value(payment?).ok()?;
        columns.movements = movements;
        Self::read(columns)
    }

    /// A worker of the previous release changes only the status. Its change becomes movements.
    fn adopt_status_of_previous_release(&mut self) {
        let Some(status) = self.status else { return };
        if status == self.balance.status(self.order_id.is_some()) {
            return;
        }
        self.add(&Movement::explaining(status, self.amount));
    }

    /// Adds movements to the balance. [`add_movements`] stores them.
    pub(super) fn add(&mut self, movements: &[Movement]) {
        for movement in movements {
            if !self.movements.contains(movement) {
                self.movements.push(movement.clone());
                self.unsaved.push(movement.clone());
            }
        }
        self.balance = Balance::of(&self.movements);
    }

    /// Adds ids of the payment, and its provider if it was unknown. An intent of Stripe replaces
    /// the id of its session or invoice, because refunds need it.
    pub(super) fn learn_ids(&mut self, ids: &[TransactionId], provider: Option<WebhookProvider>) {
        if let Some(provider) = provider.filter(|_| self.provider == EXTERNAL) {
            self.provider = provider.to_string();
        }
        for id in ids {
            let is_known = self.transaction_id.as_ref() == Some(id) || self.aliases.contains(id);
            match &self.transaction_id {
                _ if is_known => {}
                None => self.transaction_id = Some(id.clone()),
                Some(old) if id.is_stripe_intent() && !old.is_stripe_intent() => {
                    self.aliases.push(old.clone());
                    self.transaction_id = Some(id.clone());
                }
                Some(_) => self.aliases.push(id.clone()),
            }
        }
    }

    /// Returns all ids of the payment at its provider.
    pub(super) fn ids(&self) -> Vec<TransactionId> {
        self.transaction_id
            .iter()
            .chain(&self.aliases)
            .cloned()
            .collect()
    }

    /// Returns whether this payment has an intent, and the ids have another one.
    fn has_other_intent(&self, ids: &[TransactionId]) -> bool {
        let own = self.ids().into_iter().find(TransactionId::is_stripe_intent);
        let other = ids.iter().find(|id| id.is_stripe_intent());
        own.as_ref()
            .zip(other)
            .is_some_and(|(own, other)| own != other)
    }

    /// Removes the ids of another payment, such as the session of another intent.
    fn forget_ids(&mut self, ids: &[TransactionId]) {
        self.aliases.retain(|alias| !ids.contains(alias));
    }

    /// Returns whether the payment has a movement.
    pub(super) fn has_movement(&self, kind: MovementKind, reference: &str) -> bool {
        self.movements
            .iter()
            .any(|movement| movement.kind == kind && movement.reference == reference)
    }

    /// Returns whether an event has refuted the claim of a caller.
    fn is_refuted(&self) -> bool {
        self.provider == EXTERNAL
            && self.balance.captured == 0
            && self.movements.iter().any(|movement| {
                movement.kind == MovementKind::CaptureRefused
                    && movement.reference == PaymentEvent::refutation_id(&self.payment_id)
            })
    }

    /// Returns the payment that has this payment's movements now.
    fn moved_to(&self) -> Option<PaymentId> {
        let moved = |movement: &&Movement| movement.kind == MovementKind::Moved;
        let moved = self.movements.iter().find(moved)?;
        PaymentId::parse(&moved.reference).ok()
    }

    /// Returns whether two rows with an id of one event can be the same money. Two intents are two
    /// payments, and money of two orders needs an operator.
    fn is_same_money(&self, other: &Self) -> bool {
        let intent = |row: &Self| row.ids().into_iter().find(TransactionId::is_stripe_intent);
        let intents = intent(self).zip(intent(other));
        let orders = self.order_id.as_ref().zip(other.order_id.as_ref());
        let has_one_provider = self.provider == other.provider
            || self.provider == EXTERNAL
            || other.provider == EXTERNAL;
        has_one_provider
            && self.currency == other.currency
            && intents.is_none_or(|(one, two)| one == two)
            && orders.is_none_or(|(one, two)| one == two)
    }

    /// Returns the request to refund what exceeds `keep` minor units.
    pub(super) fn refund_above(&self, keep: i64, reference: String) -> Movement {
        let target = self.balance.captured - self.balance.lost - keep;
        Movement::new(MovementKind::RefundRequested, reference, Some(target))
    }

    /// Returns a settlement's request to refund what exceeds `keep` minor units.
    pub(super) fn unneeded_above(&self, keep: i64) -> Movement {
        self.refund_above(keep, format!("{UNNEEDED} above {keep}"))
    }

    /// Returns whether a settlement has requested a refund.
    pub(super) fn is_unneeded(&self) -> bool {
        self.movements.iter().any(|movement| {
            movement.kind == MovementKind::RefundRequested
                && movement.reference.starts_with(UNNEEDED)
        })
    }

    /// Returns the event that refutes the claim of this payment.
    pub(super) fn refutation(&self, provider: WebhookProvider) -> PaymentEvent {
        PaymentEvent::of_refuted_claim(
            provider,
            &self.payment_id,
            self.order_id.clone(),
            self.transaction_id.clone(),
        )
    }

    pub(super) fn stored(&self) -> StoredTransaction {
        StoredTransaction {
            order_id: self.order_id.clone(),
            transaction: self.transaction(),
        }
    }

    pub(super) fn transaction(&self) -> Transaction {
        Transaction {
            payment_id: self.payment_id.clone(),
            transaction_id: self.transaction_id.clone(),
            aliases: self.aliases.clone(),
            joined: self
                .movements
                .iter()
                .filter(|movement| movement.kind == MovementKind::Joined)
                .filter_map(|movement| PaymentId::parse(&movement.reference).ok())
                .collect(),
            provider: self.provider.clone(),
            currency: self.currency,
            amount: self.amount,
            payment_method: self.payment_method.clone(),
            balance: self.balance.clone(),
            version: self.version,
            created_at: Some(self.created_at),
        }
    }
}

/// Gives an operator's resolution the amount up to which it closes the entry.
pub(super) fn complete_resolution(row: &Row, movements: &mut [Movement]) {
    for movement in movements
        .iter_mut()
        .filter(|movement| movement.kind == MovementKind::Resolved)
    {
        let balance = &row.balance;
        let closed_before = row
            .movements
            .iter()
            .filter(|known| {
                known.kind == MovementKind::Resolved && known.reference == movement.reference
            })
            .filter_map(|known| known.amount)
            .max()
            .unwrap_or(0);
        movement.amount = match Concern::parse(&movement.reference) {
            Some(Concern::Unmatched) => Some(balance.available()),
            Some(Concern::RefundDue) => Some(balance.due),
            Some(Concern::PartRefunded) => Some(balance.refunded),
            Some(concern) => balance
                .concerns
                .get(&concern)
                .map(|amount| amount + closed_before),
            None => None,
        };
    }
}

/// Adds movements, computes the balance of all of them and stores it. The caller has locked the row.
pub(super) async fn add_movements(
    connection: &mut PgConnection,
    row: &mut Row,
    movements: &[Movement],
) -> Result<(), Error> {
    if store_movements(connection, row, movements, false).await? {
        Ok(())
    } else {
        Err(Error::Query {
            operation: "store the balance",
            source: sqlx::Error::RowNotFound,
        })
    }
}

/// Adds movements as [`add_movements`], to a row that is not locked. Returns `false` and changes
/// nothing if the row has changed since it was read, or if events about its new id are stored.
pub(super) async fn add_movements_if_unchanged(
    pool: &PgPool,
    row: &mut Row,
    movements: &[Movement],
) -> Result<bool, Error> {
    let mut connection = pool.acquire().await.for_operation("store the balance")?;
    store_movements(&mut connection, row, movements, true).await
}

async fn store_movements(
    connection: &mut PgConnection,
    row: &mut Row,
    movements: &[Movement],
    unless_events: bool,
) -> Result<bool, Error> {
    row.add(movements);
    let read_version = row.version;
    row.version += 1;
    let unsaved = std::mem::take(&mut row.unsaved);
    let kinds: Vec<String> = unsaved
        .iter()
        .map(|movement| movement.kind.to_string())
        .collect();
    let references: Vec<String> = unsaved
        .iter()
        .map(|movement| movement.reference.clone())
        .collect();
    let amounts: Vec<Option<i64>> = unsaved.iter().map(|movement| movement.amount).collect();
    let has_order = row.order_id.is_some();
    let balance = &row.balance;
    let available = balance.available();
    let (allocated, unmatched) = if has_order {
        (available, 0)
    } else {
        (0, available)
    };
    let concerns: serde_json::Map<_, _> = balance
        .concerns
        .iter()
        .map(|(concern, amount)| (concern.to_string(), json!(amount)))
        .collect();
    let aliases: Vec<String> = row.aliases.iter().map(ToString::to_string).collect();
    // The amount of a payment is what was captured, once that is known.
    let amount = if balance.captured > 0 {
        balance.captured
    } else {
        row.amount
    };
    let stored = sqlx::query!(
        "with stored as (
             update payments set status = $2, transaction_id = $3, provider = $4, aliases = $5, authorised = $6,
                 captured = $7, refunded = $8, lost = $9, allocated = $10, due = $11, unmatched = $12, dispute = $13,
                 concerns = $14, balance_version = $15, amount = $16, order_id = $17, updated_at = now()
             where payment_id = $1 and balance_version = $21 and not ($22 and exists (
                 select from webhook_deliveries as event where event.provider = $4 and event.transaction_id = $3))
             returning payment_id
         ), added as (
             insert into payment_movements as known (payment_id, kind, reference, amount)
             select distinct on (kind, reference) payment_id, kind, reference, movement.amount
             from stored, unnest($18::text[], $19::text[], $20::bigint[]) as movement (kind, reference, amount)
             order by kind, reference, movement.amount desc nulls last
             on conflict (payment_id, kind, reference) do update set amount = excluded.amount
             where known.amount is null or excluded.amount > known.amount
         )
         select payment_id from stored",
        row.payment_id.as_str(),
        balance.status(has_order).as_str(),
        row.transaction_id.as_ref().map(TransactionId::as_str),
        row.provider,
        &aliases,
        balance.authorised,
        balance.captured,
        balance.refunded,
        balance.lost,
        allocated,
        balance.due,
        unmatched,
        balance.dispute.map(domain::DisputeStage::as_str),
        serde_json::Value::Object(concerns),
        row.version,
        amount,
        row.order_id.as_ref().map(OrderId::as_str),
        &kinds,
        &references,
        &amounts as &[Option<i64>],
        read_version,
        unless_events,
    )
    .fetch_optional(connection)
    .await
    .for_operation("store the balance")?;
    Ok(stored.is_some())
}

/// Inserts the row of an order's transaction that the database has lost, and its amounts as
/// movements.
pub(super) async fn restore(
    connection: &mut PgConnection,
    order_id: &OrderId,
    known: &Transaction,
) -> Result<Option<Row>, Error> {
    let balance = &known.balance;
    let amount = balance.captured.max(balance.authorised).max(1);
    sqlx::query!(
        "insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider, payment_method, source)
         values ($1, $2, 'pending', $3, $4, $5, $6, $7, 'restored') on conflict do nothing",
        known.payment_id.as_str(),
        order_id.as_str(),
        amount,
        known.currency.code(),
        known.transaction_id.as_ref().map(TransactionId::as_str),
        known.provider,
        known.payment_method,
    )
    .execute(&mut *connection)
    .await
    .for_operation("restore the payment")?;
    let Some(mut row) = lock_by_payment_id(connection, &known.payment_id).await? else {
        return Ok(None);
    };
    if let Some(id) = &known.transaction_id {
        row.learn_ids(std::slice::from_ref(id), None);
    }
    let movements: Vec<_> = [
        (MovementKind::Authorised, balance.authorised),
        (MovementKind::CapturedTotal, balance.captured),
        (MovementKind::RefundedTotal, balance.refunded),
        (MovementKind::RefundGranted, balance.granted),
    ]
    .into_iter()
    .filter(|(_, amount)| *amount > 0)
    .map(|(kind, amount)| Movement::new(kind, "restored", Some(amount)))
    .collect();
    add_movements(connection, &mut row, &movements).await?;
    Ok(Some(row))
}

pub(super) async fn list_by_order(
    connection: &mut PgConnection,
    order_id: &OrderId,
) -> Result<Vec<Transaction>, Error> {
    let rows = sqlx::query_as!(
        Columns,
        r#"select payment_id, order_id, status, amount, currency, provider, payment_method, transaction_id, aliases, balance_version, created_at,
             (select jsonb_agg(jsonb_build_object('kind', kind, 'reference', reference, 'amount', movement.amount))
              from payment_movements as movement where movement.payment_id = payments.payment_id) as movements
         from payments where order_id = $1 order by created_at, payment_id"#,
        order_id.as_str(),
    );
    let rows = rows
        .fetch_all(&mut *connection)
        .await
        .for_operation("read the payments")?;
    Ok(rows
        .into_iter()
        .filter_map(Row::read)
        .map(|row| row.transaction())
        .collect())
}
