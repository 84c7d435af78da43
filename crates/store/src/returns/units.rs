//! The units of an order that can be returned, and those that a return has received.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgConnection;

use crate::{Error, convert::parse_column, error::SqlxResultExt};
use contract::{LineItemView, ReturnLine};
use domain::{ItemQuantity, OrderId, Sku};

/// The units of one SKU of an order.
pub(super) struct Units {
    pub(super) bought: u32,
    pub(super) left: u32,
}

/// The units of an order, less those of its returns and of its refunds of items.
pub(super) struct UnitsLeft {
    /// The number of returns in any state.
    pub(super) returns: usize,
    pub(super) by_sku: BTreeMap<Sku, Units>,
}

/// Reads the units that are left to return. The row of the order is locked.
pub(super) async fn read_left(
    connection: &mut PgConnection,
    order_id: &OrderId,
    items: &Value,
) -> Result<UnitsLeft, Error> {
    let bought: Vec<LineItemView> = parse_column(order_id.as_str(), "items_json", items.clone())?;
    let mut by_sku: BTreeMap<Sku, Units> = BTreeMap::new();
    for line in bought {
        let units = by_sku
            .entry(line.sku)
            .or_insert(Units { bought: 0, left: 0 });
        units.bought = units.bought.saturating_add(line.quantity);
        units.left = units.bought;
    }
    let returns = sqlx::query_scalar!(
        r#"select count(*) as "count!" from returns where order_id = $1"#,
        order_id.as_str()
    )
    .fetch_one(&mut *connection)
    .await
    .for_operation("count the returns")?;
    // A refund of items that belongs to no return has returned units too.
    let taken = sqlx::query!(
        r#"select item.sku as "sku!", sum(item.units)::bigint as "units!" from (
             select line.sku, case when state in ('requested', 'approved') then quantity else coalesce(received_quantity, 0) end as units
             from returns, jsonb_to_recordset(items_json) as line (sku text, quantity bigint, received_quantity bigint)
             where order_id = $1 and state in ('requested', 'approved', 'received', 'closed')
             union all
             select line.sku, line.quantity
             from refunds, jsonb_to_recordset(items_json) as line (sku text, quantity bigint)
             where order_id = $1 and state <> 'failed' and not exists (select from returns
                 where returns.order_id = refunds.order_id and returns.refund_id = refunds.refund_id)
         ) as item group by item.sku"#,
        order_id.as_str(),
    )
    .fetch_all(connection)
    .await
    .for_operation("count the returned units")?;
    for row in taken {
        let units = Sku::parse(&row.sku).ok();
        if let Some(units) = units.and_then(|sku| by_sku.get_mut(&sku)) {
            units.left = units
                .left
                .saturating_sub(u32::try_from(row.units).unwrap_or(u32::MAX));
        }
    }
    Ok(UnitsLeft {
        returns: usize::try_from(returns).unwrap_or(usize::MAX),
        by_sku,
    })
}

/// The reason why units cannot belong to a return.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReceiptError {
    #[error("the return does not have item {index}")]
    Unknown { index: usize },
    #[error("the return has {expected} units of {sku}")]
    TooMany { sku: Sku, expected: u32 },
}

/// Returns the lines of a return with the received units. Without `items`, all units are received;
/// otherwise none of a line that `items` does not name.
pub(super) fn received_lines(
    mut lines: Vec<ReturnLine>,
    items: &[ItemQuantity],
) -> Result<Vec<ReturnLine>, ReceiptError> {
    for line in &mut lines {
        line.received_quantity = Some(if items.is_empty() { line.quantity } else { 0 });
    }
    for (index, item) in items.iter().enumerate() {
        let Some(line) = lines.iter_mut().find(|line| line.sku == item.sku) else {
            return Err(ReceiptError::Unknown { index });
        };
        if item.quantity > line.quantity {
            return Err(ReceiptError::TooMany {
                sku: item.sku.clone(),
                expected: line.quantity,
            });
        }
        line.received_quantity = Some(item.quantity);
    }
    Ok(lines)
}

/// Returns the received units of a line, if there are any.
pub(super) fn received(line: &ReturnLine) -> Option<ItemQuantity> {
    let quantity = line.received_quantity.filter(|units| *units > 0)?;
    Some(ItemQuantity {
        sku: line.sku.clone(),
        quantity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32) -> ReturnLine {
        ReturnLine {
            sku: Sku::parse(sku).unwrap(),
            quantity,
            reason: None,
            received_quantity: None,
        }
    }

    fn units(sku: &str, quantity: u32) -> ItemQuantity {
        ItemQuantity {
            sku: Sku::parse(sku).unwrap(),
            quantity,
        }
    }

    #[test]
    fn receipt_names_some_units_or_means_all() {
        let lines = || vec![line("A", 2), line("B", 1)];
        let received_units = |items: &[ItemQuantity]| {
            let lines = received_lines(lines(), items)?;
            Ok(lines.iter().filter_map(received).collect::<Vec<_>>())
        };
        assert_eq!(received_units(&[]), Ok(vec![units("A", 2), units("B", 1)]));
        assert_eq!(received_units(&[units("A", 1)]), Ok(vec![units("A", 1)]));
        assert_eq!(
            received_units(&[units("C", 1)]),
            Err(ReceiptError::Unknown { index: 0 })
        );
        assert_eq!(
            received_units(&[units("B", 2)]),
            Err(ReceiptError::TooMany {
                sku: Sku::parse("B").unwrap(),
                expected: 1
            })
        );
    }
}
