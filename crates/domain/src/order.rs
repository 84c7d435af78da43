//! A valid order: its customer, line items, currency and total.

use serde::{Deserialize, Serialize};

use crate::{Address, Currency, CustomerId, Metadata, Money, MoneyError, Notes, PaymentId, Sku};

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
    /// The discount of the whole line, at most its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discount: Option<Money>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl LineItem {
    /// The most units of one line.
    pub const MAX_QUANTITY: u32 = 10_000;

    /// Returns the value of the line: its units by their price.
    pub fn value(&self) -> Result<Money, MoneyError> {
        self.unit_price.checked_mul(self.quantity)
    }
}

/// The amounts of an order beside its line items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Money>,
    /// The other amounts contain the tax, so it is not added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prices_include_tax: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discounts: Vec<Adjustment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<Adjustment>,
}

impl Charges {
    /// Returns whether there is none, so that they can be left out of a document.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A discount or a fee of the whole order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub amount: Money,
}

/// The quote of the shop that has set the prices of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteReference {
    /// The id of the quote, which pays one order only.
    pub id: String,
    /// The id of the key that has signed it.
    pub key_id: String,
}

/// A valid order: at least one line item, one currency, and a total of at least zero and below the
/// limit of [`Money`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub customer: Customer,
    pub lines: Vec<LineItem>,
    pub currency: Currency,
    #[serde(default, skip_serializing_if = "Charges::is_empty")]
    pub charges: Charges,
    pub total: Money,
    #[serde(default)]
    pub shipping_address: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Address>,
    #[serde(default)]
    pub payment_id: Option<PaymentId>,
    #[serde(default)]
    pub payment_method: Option<String>,
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<QuoteReference>,
}

impl Order {
    /// Returns whether nothing is to be paid.
    pub fn is_free(&self) -> bool {
        self.total.is_zero()
    }

    /// Returns the total: the line items, shipping, tax and fees, less the discounts. All amounts must
    /// be in `currency`.
    ///
    /// # Errors
    ///
    /// The total is below zero or above the limit of [`Money`].
    pub fn total_of(
        lines: &[LineItem],
        charges: &Charges,
        currency: Currency,
    ) -> Result<Money, TotalError> {
        let zero = Money::zero(currency);
        let items = lines
            .iter()
            .try_fold(zero, |sum, line| sum.checked_add(line.value()?))?;
        let of_lines = lines.iter().filter_map(|line| line.discount);
        let of_order = charges.discounts.iter().map(|discount| discount.amount);
        let discounts = of_lines
            .chain(of_order)
            .try_fold(zero, Money::checked_add)?;
        let fees = charges
            .fees
            .iter()
            .try_fold(zero, |sum, fee| sum.checked_add(fee.amount))?;
        let shipping = charges.shipping.unwrap_or(zero);
        let tax = charges.tax.filter(|_| !charges.prices_include_tax);
        let others = [items, shipping, tax.unwrap_or(zero), fees]
            .into_iter()
            .try_fold(zero, Money::checked_add)?;
        if discounts.minor() > others.minor() {
            return Err(TotalError::BelowZero { discounts, others });
        }
        Ok(Money::from_minor(
            others.minor() - discounts.minor(),
            currency,
        )?)
    }
}

/// The reason why an order has no valid total.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TotalError {
    #[error("the total {0}")]
    Amount(#[from] MoneyError),
    #[error("the discounts of {discounts} are more than the other amounts of {others}")]
    BelowZero { discounts: Money, others: Money },
}
