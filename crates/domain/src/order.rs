//! A valid order: its customer, line items, currency and total.

use serde::{Deserialize, Serialize};

use crate::{Address, Currency, CustomerId, Money, MoneyError, PaymentId, Sku};

/// The customer of an order. Every field is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    #[serde(default)]
    pub id: Option<CustomerId>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
}

/// One line item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    pub sku: Sku,
    #[serde(default)]
    pub name: Option<String>,
    pub quantity: u32,
    pub unit_price: Money,
}

/// A valid order: at least one line item, one currency, and a total above zero and below the limit
/// of [`Money`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub customer: Customer,
    pub lines: Vec<LineItem>,
    pub currency: Currency,
    pub total: Money,
    #[serde(default)]
    pub shipping_address: Option<Address>,
    #[serde(default)]
    pub payment_id: Option<PaymentId>,
    #[serde(default)]
    pub payment_method: Option<String>,
}

/// The reason why the total of the line items is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TotalError {
    #[error("the total {0}")]
    Amount(#[from] MoneyError),
    #[error("the total must be above zero")]
    Zero,
}

impl Order {
    /// Returns the sum of all line items, each of which must be in `currency`.
    pub fn total_of(lines: &[LineItem], currency: Currency) -> Result<Money, TotalError> {
        let total = lines.iter().try_fold(Money::zero(currency), |sum, line| {
            sum.checked_add(line.unit_price.checked_mul(line.quantity)?)
        })?;
        if total.is_zero() {
            return Err(TotalError::Zero);
        }
        Ok(total)
    }
}
