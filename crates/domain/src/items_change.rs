//! Changes of the quantities of an order.

use serde::{Deserialize, Serialize};

use crate::{Charges, ItemQuantity, LineItem, Money, MoneyError, Order, Sku, TotalError};

/// New quantities. SKUs that are not listed keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsChange {
    pub items: Vec<ItemQuantity>,
    /// The caller may not increase a quantity, because it did not set the price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reduce_only: bool,
}

/// The reason why quantities cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemsError {
    #[error("the order has no {0}")]
    UnknownSku(Sku),
    #[error("the order would have no items; cancel it instead")]
    NoItems,
    #[error("{0} would have more than {most} units in one line", most = LineItem::MAX_QUANTITY)]
    TooMany(Sku),
    #[error("after the change, {0}")]
    Total(#[from] TotalError),
}

impl From<MoneyError> for ItemsError {
    fn from(error: MoneyError) -> Self {
        Self::Total(error.into())
    }
}

impl Order {
    /// Returns the units of a SKU in all lines.
    pub fn units_of(&self, sku: &Sku) -> u64 {
        let lines = self.lines.iter().filter(|line| line.sku == *sku);
        lines.map(|line| u64::from(line.quantity)).sum()
    }

    /// Returns the order with other quantities. The discount of a line and the tax of the order keep
    /// their ratio to the value of the items; shipping, fees and the discounts of the order stay.
    ///
    /// # Errors
    ///
    /// A SKU is not in the order, no unit would be left, or the total would not be valid.
    pub fn with_quantities(&self, items: &[ItemQuantity]) -> Result<Self, ItemsError> {
        let mut quantities: Vec<u32> = self.lines.iter().map(|line| line.quantity).collect();
        for item in items {
            self.set_units(&mut quantities, item)?;
        }
        let mut lines = Vec::new();
        for (line, quantity) in self.lines.iter().zip(quantities) {
            if quantity > 0 {
                let mut line = line.clone();
                let ratio = (i64::from(quantity), i64::from(line.quantity));
                line.discount = line
                    .discount
                    .map(|discount| discount.scaled(ratio))
                    .transpose()?;
                line.quantity = quantity;
                lines.push(line);
            }
        }
        if lines.is_empty() {
            return Err(ItemsError::NoItems);
        }
        let charges = Charges {
            tax: match self.charges.tax {
                Some(tax) => Some(tax.scaled((net_value(&lines)?, net_value(&self.lines)?))?),
                None => None,
            },
            ..self.charges.clone()
        };
        let total = Self::total_of(&lines, &charges, self.currency)?;
        Ok(Self {
            lines,
            charges,
            total,
            ..self.clone()
        })
    }

    /// Sets the units of a SKU. The last of its lines loses units first, and the first one gets more.
    fn set_units(&self, quantities: &mut [u32], item: &ItemQuantity) -> Result<(), ItemsError> {
        let of_sku = |index: &usize| self.lines[*index].sku == item.sku;
        let lines: Vec<usize> = (0..self.lines.len()).filter(of_sku).collect();
        let Some((first, others)) = lines.split_first() else {
            return Err(ItemsError::UnknownSku(item.sku.clone()));
        };
        let mut left = item.quantity;
        let of_others: u32 = others.iter().map(|index| quantities[*index]).sum();
        let of_first = left
            .saturating_sub(of_others)
            .max(left.min(quantities[*first]));
        if of_first > LineItem::MAX_QUANTITY {
            return Err(ItemsError::TooMany(item.sku.clone()));
        }
        quantities[*first] = of_first;
        left -= of_first;
        for index in others {
            quantities[*index] = quantities[*index].min(left);
            left -= quantities[*index];
        }
        Ok(())
    }
}

/// Returns the value of the lines less their discounts, in minor units.
fn net_value(lines: &[LineItem]) -> Result<i64, MoneyError> {
    lines.iter().try_fold(0_i64, |sum, line| {
        let discount = line.discount.map_or(0, Money::minor);
        Ok(sum.saturating_add(line.value()?.minor() - discount))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, Customer, Notes};

    fn usd(minor: i64) -> Money {
        Money::from_minor(minor, Currency::DEFAULT).unwrap()
    }

    fn line(sku: &str, quantity: u32, price: i64, discount: Option<i64>) -> LineItem {
        LineItem {
            sku: Sku::parse(sku).unwrap(),
            name: None,
            quantity,
            unit_price: usd(price),
            discount: discount.map(usd),
            metadata: crate::Metadata::default(),
        }
    }

    fn order(lines: Vec<LineItem>, charges: Charges) -> Order {
        let total = Order::total_of(&lines, &charges, Currency::DEFAULT).unwrap();
        Order {
            customer: Customer::default(),
            lines,
            currency: Currency::DEFAULT,
            charges,
            total,
            shipping_address: None,
            billing_address: None,
            payment_id: None,
            payment_method: None,
            notes: Notes::default(),
            quote: None,
        }
    }

    fn set(sku: &str, quantity: u32) -> ItemQuantity {
        ItemQuantity {
            sku: Sku::parse(sku).unwrap(),
            quantity,
        }
    }

    #[test]
    fn discount_and_tax_keep_their_ratio() {
        let charges = Charges {
            tax: Some(usd(380)),
            shipping: Some(usd(490)),
            ..Charges::default()
        };
        let before = order(
            vec![line("A", 3, 1_000, Some(100)), line("B", 1, 900, None)],
            charges,
        );
        assert_eq!(before.total, usd(3_800 + 380 + 490));
        let after = before.with_quantities(&[set("A", 1), set("B", 0)]).unwrap();
        // 33.33 of the discount, and 967/3800 of the tax.
        assert_eq!(after.lines, [line("A", 1, 1_000, Some(33))]);
        assert_eq!(after.charges.tax, Some(usd(97)));
        assert_eq!(after.total, usd(967 + 97 + 490));
    }

    #[test]
    fn units_are_distributed_over_the_lines_of_a_sku() {
        let before = order(
            vec![
                line("A", 2, 10, None),
                line("B", 1, 10, None),
                line("A", 3, 20, None),
            ],
            Charges::default(),
        );
        let quantities = |units| {
            let after = before.with_quantities(&[set("A", units)]).unwrap();
            assert_eq!(after.units_of(&set("A", 0).sku), u64::from(units));
            after
                .lines
                .iter()
                .map(|line| line.quantity)
                .collect::<Vec<_>>()
        };
        assert_eq!(quantities(5), [2, 1, 3]);
        assert_eq!(quantities(4), [2, 1, 2]);
        assert_eq!(quantities(1), [1, 1]);
        assert_eq!(quantities(0), [1]);
        assert_eq!(quantities(7), [4, 1, 3]);
    }

    #[test]
    fn impossible_change_is_refused() {
        let charges = Charges {
            discounts: vec![crate::Adjustment {
                code: None,
                description: None,
                amount: usd(15),
            }],
            ..Charges::default()
        };
        let before = order(
            vec![line("A", 1, 10, None), line("B", 1, 10, None)],
            charges,
        );
        let refused =
            |items: &[ItemQuantity]| before.with_quantities(items).unwrap_err().to_string();
        assert_eq!(refused(&[set("C", 1)]), "the order has no C");
        assert!(refused(&[set("A", 0), set("B", 0)]).contains("cancel it"));
        assert!(refused(&[set("A", 10_001)]).contains("more than 10000 units"));
        assert!(refused(&[set("A", 0)]).contains("the discounts of"));
    }
}
