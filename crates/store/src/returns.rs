//! Returns of units of orders that have ended: their changes and their views.
//!
//! Each change is one transaction. It locks the row of the order, so the changes of one order follow
//! each other, and it appends the audit events: the workflow of the order has ended. The receipt also
//! reserves the money of the refund and makes the units available. The refund closes the return.

mod units;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use crate::{
    Error,
    convert::{parse_column, to_json, to_u32},
    error::SqlxResultExt,
    late_events::{LateEntry, append_entry},
    ledger::{self, NewRefund, RefundAmount},
    pool, precondition,
    stock::{self, StockAmount, StockChange, StockOutcome},
};
use contract::{
    MAX_STOCK, RefusalCode, RequestOrigin, ReturnChange, ReturnDecision, ReturnLine, ReturnNote,
    ReturnReceipt, ReturnView,
};
use domain::{
    AuditEventType, CustomerId, ItemQuantity, OrderId, OrderStatus, RefundId, ReturnId,
    ReturnState, ReturnStep,
};

/// The most returns of one order. A caller who requests and cancels returns reaches it.
const MAX_RETURNS: usize = 100;

/// A request about a return.
#[derive(Debug, Clone, Copy)]
pub struct RequestedChange<'a> {
    pub order_id: &'a OrderId,
    pub return_id: &'a ReturnId,
    pub change: &'a ReturnChange,
    pub origin: &'a RequestOrigin,
    /// The customer of a caller that reaches only the customer's orders.
    pub customer: Option<&'a CustomerId>,
    /// A hash of the request.
    pub fingerprint: &'a str,
}

/// Makes a change, once.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.returns.change", skip_all)]
pub async fn change(
    pool: &PgPool,
    requested: RequestedChange<'_>,
    at: DateTime<Utc>,
) -> Result<ReturnDecision, Error> {
    let mut transaction = pool::begin(pool).await?;
    let decision = change_in(&mut transaction, requested, at).await?;
    transaction.commit().await.for_operation("commit")?;
    Ok(decision)
}

/// Reads the returns of an order, oldest first.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.returns.list", skip_all)]
pub async fn list(pool: &PgPool, order_id: &OrderId) -> Result<Vec<ReturnView>, Error> {
    let rows = sqlx::query_scalar!(
        "select jsonb_agg(to_jsonb(returns) order by created_at, return_id) from returns where order_id = $1",
        order_id.as_str()
    )
    .fetch_one(pool)
    .await
    .for_operation("read the returns")?;
    parse_views(order_id.as_str(), rows)
}

/// Reads a return; `None` when it does not exist.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.returns.read", skip_all)]
pub async fn read(
    pool: &PgPool,
    order_id: &OrderId,
    return_id: &ReturnId,
) -> Result<Option<ReturnView>, Error> {
    let mut connection = pool.acquire().await.for_operation("read the return")?;
    let row = read_row(&mut connection, order_id, return_id).await?;
    Ok(row.map(Row::view))
}

/// Returns the views of rows of `returns`, a JSON array.
pub(crate) fn parse_views(order_id: &str, rows: Option<Value>) -> Result<Vec<ReturnView>, Error> {
    let rows: Option<Vec<Row>> = parse_column(order_id, "returns", rows.into())?;
    Ok(rows.into_iter().flatten().map(Row::view).collect())
}

/// Closes the return of a refund that has ended, and appends the audit event. A repeated call changes
/// nothing.
pub(crate) async fn close(
    connection: &mut PgConnection,
    order_id: &OrderId,
    refund_id: &RefundId,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let closed = sqlx::query_scalar!(
        "update returns set state = 'closed', updated_at = $3
         where order_id = $1 and refund_id = $2 and state = 'received' returning return_id",
        order_id.as_str(),
        refund_id.as_str(),
        at,
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("close the return")?;
    let Some(return_id) = closed else {
        return Ok(());
    };
    let payload = json!({"return_id": return_id, "refund_id": refund_id});
    let events = [(AuditEventType::ReturnClosed, payload)];
    append_events(connection, order_id, &events, at)
        .await
        .map(drop)
}

#[derive(Deserialize)]
struct Row {
    order_id: OrderId,
    return_id: ReturnId,
    state: ReturnState,
    items_json: Vec<ReturnLine>,
    is_restocked: bool,
    refund_id: Option<RefundId>,
    note: Option<String>,
    public_reason: Option<String>,
    requested_by: String,
    requested_by_customer: bool,
    fingerprint: String,
    receipt_fingerprint: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn view(self) -> ReturnView {
        ReturnView {
            return_id: self.return_id,
            order_id: self.order_id,
            state: self.state,
            items: self.items_json,
            restock: self.is_restocked,
            note: self.note,
            public_reason: self.public_reason,
            refund_id: self.refund_id,
            requested_by: self.requested_by,
            requested_by_customer: self.requested_by_customer,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Returns the success of a request after the audit event `seq`.
    fn accepted(self, seq: Option<u32>) -> ReturnDecision {
        ReturnDecision::Accepted {
            view: Box::new(self.view()),
            seq,
        }
    }
}

async fn read_row(
    connection: &mut PgConnection,
    order_id: &OrderId,
    return_id: &ReturnId,
) -> Result<Option<Row>, Error> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(returns) as "row!" from returns where order_id = $1 and return_id = $2"#,
        order_id.as_str(),
        return_id.as_str(),
    )
    .fetch_optional(connection)
    .await
    .for_operation("read the return")?;
    row.map(|row| parse_column(order_id.as_str(), "returns", row))
        .transpose()
}

/// The locked row of the order.
struct LockedOrder {
    status: OrderStatus,
    is_running: bool,
    items: Value,
    last_seq: i32,
}

impl LockedOrder {
    fn refuse(&self, code: RefusalCode, detail: String) -> ReturnDecision {
        ReturnDecision::Refused {
            code,
            detail,
            order_status: self.status,
        }
    }
}

async fn change_in(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    at: DateTime<Utc>,
) -> Result<ReturnDecision, Error> {
    let RequestedChange {
        order_id,
        return_id,
        ..
    } = requested;
    let row = sqlx::query!(
        "select state, is_running, customer_id, items_json, last_seq from orders where id = $1 for update",
        order_id.as_str()
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("lock the order")?;
    let is_reachable = |owner: Option<&str>| {
        requested
            .customer
            .is_none_or(|customer| owner == Some(customer.as_str()))
    };
    let Some(row) = row.filter(|row| is_reachable(row.customer_id.as_deref())) else {
        return Ok(ReturnDecision::UnknownOrder);
    };
    let order = LockedOrder {
        status: parse_column(order_id.as_str(), "state", row.state.into())?,
        is_running: row.is_running,
        items: row.items_json,
        last_seq: row.last_seq,
    };
    let known = read_row(connection, order_id, return_id).await?;
    match (requested.change, known) {
        (ReturnChange::Request(_), Some(known)) if known.fingerprint == requested.fingerprint => {
            repeat(connection, known, AuditEventType::ReturnRequested).await
        }
        (ReturnChange::Request(_), Some(_)) => Ok(ReturnDecision::KeyReused),
        (ReturnChange::Request(request), None) => {
            create(connection, requested, (&order, &request.items), at).await
        }
        (ReturnChange::Approve(note), Some(known)) => {
            decide(
                connection,
                requested,
                (&order, known),
                (ReturnStep::Approve, note),
                at,
            )
            .await
        }
        (ReturnChange::Reject(note), Some(known)) => {
            decide(
                connection,
                requested,
                (&order, known),
                (ReturnStep::Reject, note),
                at,
            )
            .await
        }
        (ReturnChange::Cancel(note), Some(known)) => {
            decide(
                connection,
                requested,
                (&order, known),
                (ReturnStep::Cancel, note),
                at,
            )
            .await
        }
        (ReturnChange::Receive(receipt), Some(known)) => {
            receive(connection, requested, (&order, known), receipt, at).await
        }
        (
            ReturnChange::Approve(_)
            | ReturnChange::Reject(_)
            | ReturnChange::Cancel(_)
            | ReturnChange::Receive(_),
            None,
        ) => Ok(ReturnDecision::UnknownReturn),
    }
}

/// Creates a return, if the order has the units.
async fn create(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    (order, items): (&LockedOrder, &[ReturnLine]),
    at: DateTime<Utc>,
) -> Result<ReturnDecision, Error> {
    let RequestedChange {
        order_id,
        return_id,
        origin,
        fingerprint,
        ..
    } = requested;
    if let Some(refused) = refuse_other_state(connection, requested, order).await? {
        return Ok(refused);
    }
    // An order that ends at its dispatch has no delivery.
    if order.is_running || !order.status.is_dispatched() {
        let detail = "the order is not delivered, so its units cannot be returned";
        return Ok(order.refuse(RefusalCode::NotDelivered, detail.to_owned()));
    }
    let left = units::read_left(connection, order_id, &order.items).await?;
    if left.returns >= MAX_RETURNS {
        let detail = format!("the order has {MAX_RETURNS} returns, which is the limit");
        return Ok(order.refuse(RefusalCode::ReturnExceedsItems, detail));
    }
    for (index, item) in items.iter().enumerate() {
        let Some(units) = left.by_sku.get(&item.sku) else {
            return Ok(ReturnDecision::Invalid {
                pointer: format!("/items/{index}/sku"),
                detail: "is not an item of the order".to_owned(),
            });
        };
        if item.quantity > units.left {
            let (left, bought) = (units.left, units.bought);
            let detail = format!(
                "{left} of {bought} units of {} are left to return",
                item.sku
            );
            return Ok(order.refuse(RefusalCode::ReturnExceedsItems, detail));
        }
    }
    sqlx::query!(
        "insert into returns (order_id, return_id, state, items_json, requested_by, requested_by_customer, fingerprint, created_at,
             updated_at)
         values ($1, $2, 'requested', $3, $4, $5, $6, $7, $7)",
        order_id.as_str(),
        return_id.as_str(),
        to_json(&items)?,
        origin.actor,
        requested.customer.is_some(),
        fingerprint,
        at,
    )
    .execute(&mut *connection)
    .await
    .for_operation("insert the return")?;
    // Without the reasons, which can have personal data.
    let units: Vec<_> = items
        .iter()
        .map(|item| json!({"sku": item.sku, "quantity": item.quantity}))
        .collect();
    let payload = json!({"return_id": return_id, "items": units});
    let payload = RequestOrigin::added_to(payload, Some(origin));
    let events = [(AuditEventType::ReturnRequested, payload)];
    let seq = append_events(connection, order_id, &events, at).await?;
    accepted(connection, order_id, return_id, seq).await
}

/// Approves, rejects or cancels a return.
async fn decide(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    (order, known): (&LockedOrder, Row),
    (step, note): (ReturnStep, &ReturnNote),
    at: DateTime<Utc>,
) -> Result<ReturnDecision, Error> {
    if known.state.has_effect_of(step) {
        return repeat(connection, known, step.event()).await;
    }
    if let Some(refused) = refuse_other_state(connection, requested, order).await? {
        return Ok(refused);
    }
    if !known.state.allows(step) {
        return Ok(refuse_state(order, known.state, step));
    }
    sqlx::query!(
        "update returns set state = $3, note = $4, public_reason = $5, updated_at = $6 where order_id = $1 and return_id = $2",
        requested.order_id.as_str(),
        requested.return_id.as_str(),
        step.state().as_str(),
        note.reason,
        note.public_reason,
        at,
    )
    .execute(&mut *connection)
    .await
    .for_operation("change the return")?;
    let mut payload = json!({"return_id": requested.return_id, "reason": note.reason});
    if let Some(public_reason) = &note.public_reason {
        payload["public_reason"] = json!(public_reason);
    }
    let payload = RequestOrigin::added_to(payload, Some(requested.origin));
    let events = [(step.event(), payload)];
    let seq = append_events(connection, requested.order_id, &events, at).await?;
    accepted(connection, requested.order_id, requested.return_id, seq).await
}

/// Records the received units, reserves the money of their refund and makes them available.
async fn receive(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    (order, known): (&LockedOrder, Row),
    receipt: &ReturnReceipt,
    at: DateTime<Utc>,
) -> Result<ReturnDecision, Error> {
    let RequestedChange {
        order_id,
        return_id,
        origin,
        fingerprint,
        ..
    } = requested;
    let is_repeated = known.receipt_fingerprint.as_deref() == Some(fingerprint);
    if is_repeated {
        // A receipt without money to refund has closed the return.
        let last = match known.refund_id {
            Some(_) => AuditEventType::ReturnReceived,
            None => AuditEventType::ReturnClosed,
        };
        return repeat(connection, known, last).await;
    }
    if let Some(refused) = refuse_other_state(connection, requested, order).await? {
        return Ok(refused);
    }
    if !known.state.allows(ReturnStep::Receive) {
        return Ok(refuse_state(order, known.state, ReturnStep::Receive));
    }
    let lines = match units::received_lines(known.items_json, &receipt.items) {
        Ok(lines) => lines,
        Err(units::ReceiptError::Unknown { index }) => {
            return Ok(ReturnDecision::Invalid {
                pointer: format!("/items/{index}/sku"),
                detail: "is not an item of the return".to_owned(),
            });
        }
        Err(error @ units::ReceiptError::TooMany { .. }) => {
            return Ok(order.refuse(RefusalCode::ReturnExceedsItems, error.to_string()));
        }
    };
    let mut items: Vec<ItemQuantity> = lines.iter().filter_map(units::received).collect();
    // All changes of stock lock the rows in this sequence.
    items.sort_by(|one, other| one.sku.as_str().cmp(other.sku.as_str()));
    let refund_id = RefundId::of_return(return_id);
    let reason = format!("return {return_id}");
    let refund = NewRefund {
        order_id,
        refund_id: &refund_id,
        amount: RefundAmount::Returned { items: &items },
        // The receipt itself makes the units available, also without a refund.
        restock: false,
        reason: Some(&reason),
        public_reason: None,
        requested_by: &origin.actor,
        origin: None,
        fingerprint: return_id.as_str(),
    };
    let refund_id = match ledger::claim_returned(connection, refund).await? {
        Ok(is_claimed) => is_claimed.then_some(refund_id),
        Err(error) => {
            return Ok(order.refuse(RefusalCode::RefundExceedsItems, error.to_string()));
        }
    };
    let state = if refund_id.is_some() {
        ReturnState::Received
    } else {
        ReturnState::Closed
    };
    sqlx::query!(
        "update returns set state = $3, items_json = $4, is_restocked = $5, refund_id = $6, receipt_fingerprint = $7,
             updated_at = $8 where order_id = $1 and return_id = $2",
        order_id.as_str(),
        return_id.as_str(),
        state.as_str(),
        to_json(&lines)?,
        receipt.restock,
        refund_id.as_ref().map(RefundId::as_str),
        fingerprint,
        at,
    )
    .execute(&mut *connection)
    .await
    .for_operation("receive the return")?;
    let payload = json!({
        "return_id": return_id, "items": items, "restock": receipt.restock, "refund_id": refund_id,
    });
    let payload = RequestOrigin::added_to(payload, Some(origin));
    let mut events = vec![(AuditEventType::ReturnReceived, payload)];
    if state == ReturnState::Closed {
        let payload = json!({"return_id": return_id, "refund_id": null});
        events.push((AuditEventType::ReturnClosed, payload));
    }
    let seq = append_events(connection, order_id, &events, at).await?;
    // The last step, because orders of the same SKUs wait for its locks.
    if receipt.restock {
        restock(connection, requested, &items).await?;
    }
    accepted(connection, order_id, return_id, seq).await
}

async fn restock(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    items: &[ItemQuantity],
) -> Result<(), Error> {
    let RequestedChange {
        order_id,
        return_id,
        ..
    } = requested;
    let reason = format!("return {return_id} of order {order_id}");
    for item in items {
        let key = format!("{reason}: {}", item.sku);
        let change = StockChange {
            sku: &item.sku,
            amount: StockAmount::Adjust(item.quantity.into()),
            limit: MAX_STOCK,
            changed_by: &requested.origin.actor,
            reason: Some(&reason),
            idempotency_key: Some(&key),
        };
        let outcome = stock::change_stock(&mut *connection, change).await?;
        if !matches!(outcome, StockOutcome::Changed { .. }) {
            tracing::error!(
                order.id = order_id.as_str(),
                "return.id" = return_id.as_str(),
                "the stock has no place for the units of a return; set it with `orderflow stock set`: {outcome:?}"
            );
        }
    }
    Ok(())
}

fn refuse_state(order: &LockedOrder, state: ReturnState, step: ReturnStep) -> ReturnDecision {
    let detail = format!("the return is {state}, so it cannot be {}", step.state());
    order.refuse(RefusalCode::ReturnStateConflict, detail)
}

/// Refuses a new request that is for another state of the order.
async fn refuse_other_state(
    connection: &mut PgConnection,
    requested: RequestedChange<'_>,
    order: &LockedOrder,
) -> Result<Option<ReturnDecision>, Error> {
    let RequestedChange {
        order_id, origin, ..
    } = requested;
    let changed =
        precondition::find_other_state(connection, order_id, origin, order.last_seq).await?;
    Ok(changed.map(|changed| ReturnDecision::OrderChanged { seq: changed.seq }))
}

/// Returns the outcome of a request that is in effect, with the number of its audit event.
async fn repeat(
    connection: &mut PgConnection,
    known: Row,
    event: AuditEventType,
) -> Result<ReturnDecision, Error> {
    let seq = sqlx::query_scalar!(
        "select seq from events where order_id = $1 and type = $2 and payload_json ->> 'return_id' = $3
         order by seq limit 1",
        known.order_id.as_str(),
        event.as_str(),
        known.return_id.as_str(),
    )
    .fetch_optional(connection)
    .await
    .for_operation("find the audit event")?;
    Ok(known.accepted(seq.map(to_u32)))
}

async fn accepted(
    connection: &mut PgConnection,
    order_id: &OrderId,
    return_id: &ReturnId,
    seq: u32,
) -> Result<ReturnDecision, Error> {
    let row = read_row(connection, order_id, return_id).await?;
    Ok(row.map_or(ReturnDecision::UnknownReturn, |row| row.accepted(Some(seq))))
}

/// Appends audit events to the order, whose row is locked and which has ended. Returns the number of the
/// last one.
async fn append_events(
    connection: &mut PgConnection,
    order_id: &OrderId,
    events: &[(AuditEventType, Value)],
    at: DateTime<Utc>,
) -> Result<u32, Error> {
    let order = sqlx::query!(
        "select last_seq, payment_json from orders where id = $1",
        order_id.as_str()
    )
    .fetch_one(&mut *connection)
    .await
    .for_operation("read the order")?;
    let mut last_seq = order.last_seq;
    for (kind, payload) in events {
        last_seq += 1;
        let entry = LateEntry {
            order_id,
            seq: last_seq,
            kind: *kind,
            payload,
            payment: order.payment_json.clone(),
            at,
        };
        append_entry(connection, entry).await?;
    }
    Ok(to_u32(last_seq))
}
