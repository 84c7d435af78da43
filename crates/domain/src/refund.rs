//! Refunds that the shop makes, and the value of the units that they return.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AuditEventType, Sku, status::string_enum};

string_enum! {
    /// The state of a refund; the column `refunds.state`.
    RefundState {
        /// The payment provider has not reported the result yet.
        Pending => "pending",
        Refunded => "refunded",
        /// The money could not be refunded, and no person has to act.
        Failed => "failed",
        /// The payment provider cannot refund; a person must.
        Due => "due",
    }
}

impl RefundState {
    /// Returns the audit event that reports the result; `None` before there is one.
    pub const fn result_event(self) -> Option<AuditEventType> {
        match self {
            Self::Pending => None,
            Self::Refunded => Some(AuditEventType::RefundCompleted),
            Self::Failed => Some(AuditEventType::RefundFailed),
            Self::Due => Some(AuditEventType::RefundDue),
        }
    }
}

/// Units of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemQuantity {
    pub sku: Sku,
    pub quantity: u32,
}

/// The amounts of an order by which its units are valued, in minor units.
///
/// The total without shipping is shared between the lines in proportion to their values less their
/// discounts, and within a line between its units. So discounts, fees and tax of the whole order are
/// parts of each unit's value. Each amount is rounded so that all units together have the whole
/// amount.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use domain::{ItemQuantity, OrderValue, Sku};
///
/// let sku = Sku::parse("MUG-1")?;
/// let mut order = OrderValue::new(1_000, 0);
/// order.add_line(sku.clone(), 3, 1_200);
/// let one = [ItemQuantity { sku, quantity: 1 }];
/// let mut returned = BTreeMap::new();
/// let mut values = Vec::new();
/// for number in 0..3 {
///     returned.insert(one[0].sku.clone(), number);
///     values.push(order.value_of(&one, &returned)?);
/// }
/// assert_eq!(values, [333, 333, 334]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderValue {
    goods: i64,
    shipping: i64,
    lines: Vec<LineValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LineValue {
    sku: Sku,
    quantity: u32,
    /// The value of the line, less its discount.
    value: i64,
}

/// The reason why units have no value in an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("the order has no item {0}")]
    Unknown(Sku),
    #[error("{left} of {bought} units of {sku} are left to refund")]
    TooMany { sku: Sku, left: u32, bought: u32 },
}

impl OrderValue {
    /// Begins with an order without lines. Discounts can exceed the goods, and then reduce the
    /// shipping.
    pub fn new(total: i64, shipping: i64) -> Self {
        let shipping = shipping.clamp(0, total.max(0));
        Self {
            goods: total.max(0) - shipping,
            shipping,
            lines: Vec::new(),
        }
    }

    /// Adds a line. `value` is the value of its units, less the discount of the line.
    pub fn add_line(&mut self, sku: Sku, quantity: u32, value: i64) {
        self.lines.push(LineValue {
            sku,
            quantity,
            value: value.max(0),
        });
    }

    /// Returns the part of the total that is shipping.
    pub const fn shipping(&self) -> i64 {
        self.shipping
    }

    /// Returns whether these units are all that are left.
    pub fn is_rest(&self, items: &[ItemQuantity], returned: &BTreeMap<Sku, u32>) -> bool {
        let of = |sku: &Sku| -> u64 {
            let new = items.iter().filter(|item| item.sku == *sku);
            let new: u64 = new.map(|item| u64::from(item.quantity)).sum();
            new + u64::from(returned.get(sku).copied().unwrap_or(0))
        };
        self.lines
            .iter()
            .all(|line| of(&line.sku) == u64::from(self.bought(&line.sku)))
    }

    /// Returns the value of units, after the units of earlier refunds. Each SKU is named once.
    ///
    /// # Errors
    ///
    /// The order does not have the units, or earlier refunds have returned them.
    pub fn value_of(
        &self,
        items: &[ItemQuantity],
        returned: &BTreeMap<Sku, u32>,
    ) -> Result<i64, ItemError> {
        let mut sum = 0;
        for ItemQuantity { sku, quantity } in items {
            let bought = self.bought(sku);
            if bought == 0 {
                return Err(ItemError::Unknown(sku.clone()));
            }
            let before = returned.get(sku).copied().unwrap_or(0);
            let left = bought.saturating_sub(before);
            if *quantity > left {
                return Err(ItemError::TooMany {
                    sku: sku.clone(),
                    left,
                    bought,
                });
            }
            sum += self.value_before(sku, before + quantity) - self.value_before(sku, before);
        }
        Ok(sum)
    }

    fn bought(&self, sku: &Sku) -> u32 {
        let lines = self.lines.iter().filter(|line| line.sku == *sku);
        lines.map(|line| line.quantity).fold(0, u32::saturating_add)
    }

    /// Returns the value of the first units of a SKU, which several lines can have.
    fn value_before(&self, sku: &Sku, mut units: u32) -> i64 {
        let has_value = self.lines.iter().any(|line| line.value > 0);
        // Lines without a value share the total by their units.
        let weight = |line: &LineValue| {
            if has_value {
                i128::from(line.value)
            } else {
                i128::from(line.quantity)
            }
        };
        let whole: i128 = self.lines.iter().map(weight).sum();
        let mut before = 0;
        let mut sum = 0;
        for line in &self.lines {
            let own = weight(line);
            if line.sku == *sku && whole > 0 {
                let taken = units.min(line.quantity);
                units -= taken;
                let size = i128::from(line.quantity.max(1));
                let share = |position: i128| {
                    let amount = i128::from(self.goods) * position / (whole * size);
                    i64::try_from(amount).unwrap_or(self.goods)
                };
                sum += share(before * size + own * i128::from(taken)) - share(before * size);
            }
            before += own;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sku(number: usize) -> Sku {
        Sku::parse(&format!("SKU-{number}")).unwrap()
    }

    fn units(number: usize, quantity: u32) -> ItemQuantity {
        ItemQuantity {
            sku: sku(number),
            quantity,
        }
    }

    #[test]
    fn order_discount_is_shared_by_value() {
        // 30.00 and 10.00, less 8.00.
        let mut order = OrderValue::new(3_700, 500);
        order.add_line(sku(1), 1, 3_000);
        order.add_line(sku(2), 2, 1_000);
        let none = BTreeMap::new();
        assert_eq!(order.value_of(&[units(1, 1)], &none), Ok(2_400));
        assert_eq!(order.value_of(&[units(2, 1)], &none), Ok(400));
        assert_eq!(order.shipping(), 500);
        assert_eq!(
            order.value_of(&[units(3, 1)], &none),
            Err(ItemError::Unknown(sku(3)))
        );
        assert_eq!(
            order.value_of(&[units(2, 2)], &[(sku(2), 1)].into()),
            Err(ItemError::TooMany {
                sku: sku(2),
                left: 1,
                bought: 2
            })
        );
    }

    #[test]
    fn lines_without_a_value_share_by_units() {
        let mut order = OrderValue::new(300, 0);
        order.add_line(sku(1), 1, 0);
        order.add_line(sku(2), 2, 0);
        let none = BTreeMap::new();
        assert_eq!(order.value_of(&[units(1, 1)], &none), Ok(100));
        assert_eq!(order.value_of(&[units(2, 2)], &none), Ok(200));
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_goods(
            lines in prop::collection::vec((0_usize..4, 1_u32..50, 0_i64..1_000_000_000_000), 1..6),
            total in 0_i64..1_000_000_000_000_000,
            shipping in 0_i64..1_000_000,
            step in 1_u32..7,
        ) {
            let mut order = OrderValue::new(total, shipping);
            for (number, quantity, value) in &lines {
                order.add_line(sku(*number), *quantity, *value);
            }
            let mut returned = BTreeMap::new();
            let mut sum = 0;
            for number in 0..4 {
                let bought = order.bought(&sku(number));
                let mut done = 0;
                while done < bought {
                    let next = units(number, step.min(bought - done));
                    let value = order.value_of(std::slice::from_ref(&next), &returned).unwrap();
                    prop_assert!(value >= 0);
                    sum += value;
                    done += next.quantity;
                    returned.insert(sku(number), done);
                }
            }
            prop_assert_eq!(sum + order.shipping(), total);
            prop_assert!(order.is_rest(&[], &returned));
        }
    }
}
