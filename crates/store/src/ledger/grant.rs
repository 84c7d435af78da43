//! The claim of a refund: money of an order is reserved for it.
//!
//! Money that is due is not available, so a claim that reserves money as due takes it from all later
//! claims. The lock on the order's row makes the claims of one order follow each other.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgConnection;

use super::rows;
use crate::{Error, convert::to_json, error::SqlxResultExt, precondition};
use contract::{LineItemView, OrderDetails, RequestOrigin};
use domain::{
    Currency, Decimal, ItemError, ItemQuantity, Money, Movement, MovementKind, OrderId,
    OrderStatus, OrderValue, RefundId, Sku,
};

/// A refund that a caller has requested.
#[derive(Debug, Clone, Copy)]
pub struct NewRefund<'a> {
    pub order_id: &'a OrderId,
    pub refund_id: &'a RefundId,
    pub amount: RefundAmount<'a>,
    /// Whether the units are available again.
    pub restock: bool,
    pub reason: Option<&'a str>,
    /// The reason for the customer.
    pub public_reason: Option<&'a str>,
    pub requested_by: &'a str,
    /// The origin of the request, with the states of the order that it is for. `None` if the caller has
    /// checked them, and for a refund that is started again.
    pub origin: Option<&'a RequestOrigin>,
    /// A hash of the request.
    pub fingerprint: &'a str,
}

/// The money of a refund.
#[derive(Debug, Clone, Copy)]
pub enum RefundAmount<'a> {
    Exactly(Decimal),
    /// The value of these units, and this part of the shipping.
    Of {
        items: &'a [ItemQuantity],
        shipping: Option<Decimal>,
    },
    /// The value of units that are back, or the money that is left if it is less.
    Returned {
        items: &'a [ItemQuantity],
    },
}

impl RefundAmount<'_> {
    const fn items(&self) -> &[ItemQuantity] {
        match self {
            Self::Exactly(_) => &[],
            Self::Of { items, .. } | Self::Returned { items } => items,
        }
    }
}

/// The result of the claim of a refund.
#[derive(Debug, Clone, PartialEq)]
pub enum RefundClaim {
    /// The money is reserved, by this call or by an earlier one.
    Accepted,
    /// The id belongs to another request.
    KeyReused,
    UnknownOrder,
    /// The order has another state than the request is for.
    OrderChanged {
        /// The number of the last audit event.
        seq: u32,
    },
    /// The order waits for its payment, or never had one.
    NotPaid {
        status: OrderStatus,
    },
    /// The amount, or the part of the shipping, has more decimals than the currency.
    Inexact {
        currency: Currency,
    },
    /// The order does not have these units.
    UnknownItem(Sku),
    /// The units and the shipping are free.
    NoValue,
    /// Earlier refunds have returned units.
    ExceedsItems {
        status: OrderStatus,
        error: ItemError,
    },
    /// Less shipping is left.
    ExceedsShipping {
        status: OrderStatus,
        left: Money,
    },
    /// The units are not dispatched, so they cannot come back.
    NotShipped {
        status: OrderStatus,
    },
    /// Less than the amount can be refunded.
    Exceeds {
        status: OrderStatus,
        refundable: Money,
        captured: Money,
    },
}

/// The reference of the movements of a refund.
pub(super) fn reference_of(refund_id: &str) -> String {
    format!("{PREFIX}{refund_id}")
}

const PREFIX: &str = "refund ";

/// Returns whether a movement is the request of a refund that the shop has decided.
pub(super) fn is_of_refund(movement: &Movement) -> bool {
    movement.reference.starts_with(PREFIX)
}

/// Reserves money for a refund in the caller's transaction: from the newest payment of the order on. It locks
/// the row of the order.
///
/// # Errors
///
/// The database is unavailable.
#[tracing::instrument(name = "store.ledger.claim_refund", skip_all)]
pub(crate) async fn claim_refund(
    connection: &mut PgConnection,
    new: NewRefund<'_>,
) -> Result<RefundClaim, Error> {
    let order = sqlx::query!(
        "select state, is_running, currency, total_amount, items_json, details_json, last_seq from orders
         where id = $1 for update",
        new.order_id.as_str()
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("lock the order")?;
    let Some(order) = order else {
        return Ok(RefundClaim::UnknownOrder);
    };
    let known = sqlx::query_scalar!(
        "select fingerprint from refunds where order_id = $1 and refund_id = $2",
        new.order_id.as_str(),
        new.refund_id.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await
    .for_operation("find the refund")?;
    if let Some(known) = known {
        return Ok(if known == new.fingerprint {
            RefundClaim::Accepted
        } else {
            RefundClaim::KeyReused
        });
    }
    // A repeated request has the effect of the first one, so only a new one needs the present state.
    if let Some(origin) = new.origin {
        let changed =
            precondition::find_other_state(connection, new.order_id, origin, order.last_seq);
        if let Some(changed) = changed.await? {
            return Ok(RefundClaim::OrderChanged { seq: changed.seq });
        }
    }
    let status = OrderStatus::parse(&order.state).unwrap_or(OrderStatus::Pending);
    let currency = order.currency.and_then(|code| Currency::parse(&code).ok());
    let Some(currency) = currency else {
        return Ok(RefundClaim::NotPaid { status });
    };
    let payments = lock_payments(connection, new.order_id, currency).await?;
    let captured = payments.iter().map(|row| row.balance.captured).sum();
    // Money of an order that waits for the rest of its payment is kept for it.
    if captured == 0 || (order.is_running && status == OrderStatus::Pending) {
        return Ok(RefundClaim::NotPaid { status });
    }
    let refundable: i64 = payments.iter().map(|row| row.balance.available()).sum();
    if new.restock && !status.is_dispatched() {
        return Ok(RefundClaim::NotShipped { status });
    }
    let (amount, shipping) = match new.amount {
        RefundAmount::Exactly(amount) => match Money::from_decimal(amount, currency) {
            Ok(amount) => (amount, None),
            Err(_) => return Ok(RefundClaim::Inexact { currency }),
        },
        RefundAmount::Of { .. } | RefundAmount::Returned { .. } => {
            let value = read_value(
                order.items_json,
                order.details_json,
                order.total_amount.unwrap_or_default(),
                currency,
            );
            let earlier = read_earlier(connection, new.order_id).await?;
            match value_parts(&value, &earlier, new.amount, (refundable, currency)) {
                Ok(parts) => parts,
                Err(refusal) => return Ok(refusal.into_claim(status)),
            }
        }
    };
    if amount.minor() > refundable {
        let money = |minor| Money::from_minor(minor, currency).unwrap_or(Money::zero(currency));
        return Ok(RefundClaim::Exceeds {
            status,
            refundable: money(refundable),
            captured: money(captured),
        });
    }
    insert(connection, new, amount, shipping).await?;
    let mut left = amount.minor();
    for mut row in payments {
        let available = row.balance.available();
        let part = available.min(left);
        if part == 0 {
            continue;
        }
        left -= part;
        insert_part(connection, new, &row, part).await?;
        let reference = reference_of(new.refund_id.as_str());
        let movements = [
            row.refund_above(available - part, reference.clone()),
            Movement::new(MovementKind::RefundGranted, reference, Some(part)),
        ];
        rows::add_movements(connection, &mut row, &movements).await?;
    }
    Ok(RefundClaim::Accepted)
}

/// Reserves the money of returned units. Returns whether there is money to refund.
///
/// # Errors
///
/// The outer error: the database is unavailable. The inner one: earlier refunds have returned the units.
pub(crate) async fn claim_returned(
    connection: &mut PgConnection,
    new: NewRefund<'_>,
) -> Result<Result<bool, ItemError>, Error> {
    Ok(match claim_refund(connection, new).await? {
        RefundClaim::Accepted => Ok(true),
        RefundClaim::ExceedsItems { error, .. } => Err(error),
        // The order was free, or all its money is refunded. The other refusals are not about
        // the units of an order that has ended.
        RefundClaim::NotPaid { .. }
        | RefundClaim::NoValue
        | RefundClaim::KeyReused
        | RefundClaim::UnknownOrder
        | RefundClaim::OrderChanged { .. }
        | RefundClaim::Inexact { .. }
        | RefundClaim::UnknownItem(_)
        | RefundClaim::ExceedsShipping { .. }
        | RefundClaim::NotShipped { .. }
        | RefundClaim::Exceeds { .. } => Ok(false),
    })
}

/// Locks the payments of an order in its currency, newest first.
async fn lock_payments(
    connection: &mut PgConnection,
    order_id: &OrderId,
    currency: Currency,
) -> Result<Vec<rows::Row>, Error> {
    let mut locked = Vec::new();
    for known in rows::list_by_order(connection, order_id)
        .await?
        .iter()
        .rev()
    {
        let row = rows::lock_by_payment_id(connection, &known.payment_id).await?;
        locked.extend(row.filter(|row| row.currency == currency));
    }
    Ok(locked)
}

async fn insert(
    connection: &mut PgConnection,
    new: NewRefund<'_>,
    amount: Money,
    shipping: Option<Money>,
) -> Result<(), Error> {
    let items = new.amount.items();
    let items = (!items.is_empty()).then(|| to_json(&items)).transpose()?;
    sqlx::query!(
        "insert into refunds (order_id, refund_id, state, amount, currency, fingerprint, reason, requested_by,
             items_json, shipping_amount, is_restocked, public_reason)
         values ($1, $2, 'pending', $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        new.order_id.as_str(),
        new.refund_id.as_str(),
        amount.minor(),
        amount.currency().code(),
        new.fingerprint,
        new.reason,
        new.requested_by,
        items,
        shipping.map(Money::minor),
        new.restock,
        new.public_reason,
    )
    .execute(connection)
    .await
    .for_operation("insert the refund")
    .map(|_| ())
}

async fn insert_part(
    connection: &mut PgConnection,
    new: NewRefund<'_>,
    row: &rows::Row,
    amount: i64,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into refund_parts (order_id, refund_id, payment_id, amount, state)
         values ($1, $2, $3, $4, 'pending')",
        new.order_id.as_str(),
        new.refund_id.as_str(),
        row.payment_id.as_str(),
        amount,
    )
    .execute(connection)
    .await
    .for_operation("insert the part of a refund")
    .map(|_| ())
}

/// The units and the shipping that earlier refunds have returned. A failed refund returns nothing.
struct EarlierRefunds {
    units: BTreeMap<Sku, u32>,
    /// Minor units.
    shipping: i64,
}

async fn read_earlier(
    connection: &mut PgConnection,
    order_id: &OrderId,
) -> Result<EarlierRefunds, Error> {
    let rows = sqlx::query!(
        "select items_json, shipping_amount from refunds where order_id = $1 and state <> 'failed'",
        order_id.as_str(),
    )
    .fetch_all(connection)
    .await
    .for_operation("read the earlier refunds")?;
    let mut earlier = EarlierRefunds {
        units: BTreeMap::new(),
        shipping: 0,
    };
    for row in rows {
        earlier.shipping += row.shipping_amount.unwrap_or_default();
        let items: Vec<ItemQuantity> = row
            .items_json
            .and_then(|items| serde_json::from_value(items).ok())
            .unwrap_or_default();
        for item in items {
            *earlier.units.entry(item.sku).or_default() += item.quantity;
        }
    }
    Ok(earlier)
}

/// Reads the amounts of the order from its row.
fn read_value(items: Value, details: Option<Value>, total: i64, currency: Currency) -> OrderValue {
    let minor = |amount: Decimal| amount.at_scale(currency.exponent()).unwrap_or_default();
    let details: OrderDetails = details
        .and_then(|details| serde_json::from_value(details).ok())
        .unwrap_or_default();
    let shipping = details.charges.shipping_amount.map_or(0, minor);
    let lines: Vec<LineItemView> = serde_json::from_value(items).unwrap_or_default();
    let mut value = OrderValue::new(total, shipping);
    for line in lines {
        let units = minor(line.unit_price).saturating_mul(i64::from(line.quantity));
        let discount = line.discount_amount.map_or(0, minor);
        value.add_line(line.sku, line.quantity, units - discount);
    }
    value
}

/// The reason why units and shipping cannot be refunded.
enum PartsRefusal {
    Inexact(Currency),
    Items(ItemError),
    Shipping(Money),
    NoValue,
}

impl PartsRefusal {
    fn into_claim(self, status: OrderStatus) -> RefundClaim {
        match self {
            Self::Inexact(currency) => RefundClaim::Inexact { currency },
            Self::Items(ItemError::Unknown(sku)) => RefundClaim::UnknownItem(sku),
            Self::Items(error @ ItemError::TooMany { .. }) => {
                RefundClaim::ExceedsItems { status, error }
            }
            Self::Shipping(left) => RefundClaim::ExceedsShipping { status, left },
            Self::NoValue => RefundClaim::NoValue,
        }
    }
}

/// Returns the amount of a refund of units and shipping, and its part for the shipping. If these are
/// all that is left of the order, the amount is the money that is left.
fn value_parts(
    value: &OrderValue,
    earlier: &EarlierRefunds,
    requested: RefundAmount<'_>,
    (refundable, currency): (i64, Currency),
) -> Result<(Money, Option<Money>), PartsRefusal> {
    let items = requested.items();
    let (shipping, is_limited) = match requested {
        RefundAmount::Of { shipping, .. } => (shipping, false),
        RefundAmount::Returned { .. } => (None, true),
        RefundAmount::Exactly(_) => (None, false),
    };
    let shipping = shipping
        .map(|amount| Money::from_decimal(amount, currency))
        .transpose()
        .map_err(|_| PartsRefusal::Inexact(currency))?;
    let of_shipping = shipping.map_or(0, Money::minor);
    let shipping_left = (value.shipping() - earlier.shipping).max(0);
    let money = |minor| Money::from_minor(minor, currency).unwrap_or(Money::zero(currency));
    if of_shipping > shipping_left {
        return Err(PartsRefusal::Shipping(money(shipping_left)));
    }
    let of_items = value
        .value_of(items, &earlier.units)
        .map_err(PartsRefusal::Items)?;
    let is_rest = of_shipping == shipping_left && value.is_rest(items, &earlier.units);
    let amount = of_items.saturating_add(of_shipping);
    // Earlier refunds of amounts can have returned a part of the value.
    let amount = if is_limited {
        amount.min(refundable)
    } else if is_rest {
        amount.min(refundable.max(1))
    } else {
        amount
    };
    if amount == 0 {
        return Err(PartsRefusal::NoValue);
    }
    Ok((money(amount), shipping))
}
