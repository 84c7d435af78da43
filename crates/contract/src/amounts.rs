//! The amounts of an order: its price, and the money that moved.

use serde::{Deserialize, Serialize};

use crate::{AdjustmentView, ChargesView, LineItemView};
use domain::{Currency, Decimal, PaymentInfo, PaymentStatus};

/// The amounts of an order, in its currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amounts {
    /// The sum of the line items.
    pub items: Decimal,
    /// The discounts of the line items and of the order.
    #[serde(default = "zero")]
    pub discounts: Decimal,
    #[serde(default = "zero")]
    pub shipping: Decimal,
    #[serde(default = "zero")]
    pub tax: Decimal,
    #[serde(default = "zero")]
    pub fees: Decimal,
    pub total: Decimal,
    /// The money of all transactions that pay or paid the order.
    pub captured: Decimal,
    pub refunded: Decimal,
    /// The money that must still be paid back.
    pub due: Decimal,
}

/// The money of an order's transactions in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MovedMoney {
    pub captured: i64,
    pub refunded: i64,
    pub due: i64,
}

impl Amounts {
    /// Returns the amounts of an order with these transactions.
    pub fn from_ledger(total: Decimal, currency: Currency, money: MovedMoney) -> Self {
        let decimal = |minor| without_zeros(Decimal::new(minor, currency.exponent()));
        let total = without_zeros(total);
        Self {
            items: total,
            discounts: zero(),
            shipping: zero(),
            tax: zero(),
            fees: zero(),
            total,
            captured: decimal(money.captured),
            refunded: decimal(money.refunded),
            due: decimal(money.due),
        }
    }

    /// Returns whether captured money is left to refund.
    pub fn are_refundable(&self, currency: Currency) -> bool {
        let minor = |amount: Decimal| amount.at_scale(currency.exponent()).unwrap_or_default();
        minor(self.captured) > minor(self.refunded) + minor(self.due)
    }

    /// Returns the amounts with the parts of the total.
    #[must_use]
    pub fn with_parts(
        self,
        items: &[serde_json::Value],
        charges: &ChargesView,
        currency: Currency,
    ) -> Self {
        let exponent = currency.exponent();
        let minor = |amount: Decimal| amount.at_scale(exponent).unwrap_or_default();
        let decimal = |minor| without_zeros(Decimal::new(minor, exponent));
        let sum = |adjustments: &[AdjustmentView]| -> i64 {
            adjustments
                .iter()
                .map(|adjustment| minor(adjustment.amount))
                .sum()
        };
        let lines = items
            .iter()
            .filter_map(|item| LineItemView::deserialize(item).ok());
        let (mut values, mut discounts) = (0, sum(&charges.discounts));
        for line in lines {
            values += minor(line.unit_price) * i64::from(line.quantity);
            discounts += line.discount_amount.map_or(0, minor);
        }
        Self {
            items: decimal(values),
            discounts: decimal(discounts),
            shipping: decimal(charges.shipping_amount.map_or(0, minor)),
            tax: decimal(charges.tax_amount.map_or(0, minor)),
            fees: decimal(sum(&charges.fees)),
            ..self
        }
    }

    /// Returns the amounts of an order with this payment, which omits amounts that its status
    /// implies.
    pub fn from_payment(total: Decimal, currency: Currency, payment: Option<&PaymentInfo>) -> Self {
        let none = Self::from_ledger(total, currency, MovedMoney::default());
        let Some(payment) = payment else {
            return none;
        };
        let (zero, total) = (none.captured, none.total);
        let (captured, refunded, due) = match payment.status {
            PaymentStatus::Pending | PaymentStatus::Declined => (zero, zero, zero),
            PaymentStatus::Captured => (total, zero, zero),
            PaymentStatus::Refunded => {
                let captured = payment.captured.unwrap_or(total);
                (captured, captured, zero)
            }
            PaymentStatus::Refunding | PaymentStatus::RefundDue => {
                let captured = payment.captured.unwrap_or(total);
                (captured, zero, captured)
            }
        };
        Self {
            captured: without_zeros(payment.captured.unwrap_or(captured)),
            refunded: without_zeros(payment.refunded.unwrap_or(refunded)),
            due: without_zeros(payment.due.unwrap_or(due)),
            ..none
        }
    }
}

fn zero() -> Decimal {
    Decimal::new(0, 0)
}

/// Returns the amount without zeros at the end of its decimals, so that an amount has one spelling
/// from each source.
pub fn without_zeros(amount: Decimal) -> Decimal {
    amount.to_string().parse().unwrap_or(amount)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use domain::PaymentId;

    fn payment(status: PaymentStatus) -> PaymentInfo {
        PaymentInfo {
            payment_id: PaymentId::parse("pmt-1").unwrap(),
            transaction_id: None,
            amount: Decimal::new(1_000, 2),
            payment_method: None,
            status,
            timestamp: DateTime::UNIX_EPOCH,
            captured: None,
            refunded: None,
            lost: None,
            due: None,
            granted: None,
            dispute: None,
        }
    }

    fn moved(payment: Option<&PaymentInfo>) -> [Decimal; 3] {
        let currency = Currency::parse("USD").unwrap();
        let amounts = Amounts::from_payment(Decimal::new(1_000, 2), currency, payment);
        [amounts.captured, amounts.refunded, amounts.due]
    }

    #[test]
    fn status_implies_omitted_amounts() {
        let (all, none) = (Decimal::new(10, 0), Decimal::new(0, 0));
        assert_eq!(moved(None), [none; 3]);
        for (status, expected) in [
            (PaymentStatus::Pending, [none; 3]),
            (PaymentStatus::Declined, [none; 3]),
            (PaymentStatus::Captured, [all, none, none]),
            (PaymentStatus::Refunding, [all, none, all]),
            (PaymentStatus::RefundDue, [all, none, all]),
            (PaymentStatus::Refunded, [all, all, none]),
        ] {
            assert_eq!(moved(Some(&payment(status))), expected, "{status}");
        }
    }

    #[test]
    fn stated_amounts_replace_implied_ones() {
        let stated = PaymentInfo {
            captured: Some(Decimal::new(1_500, 2)),
            refunded: Some(Decimal::new(200, 2)),
            due: Some(Decimal::new(300, 2)),
            ..payment(PaymentStatus::Captured)
        };
        let expected = [15, 2, 3].map(|units| Decimal::new(units, 0));
        assert_eq!(moved(Some(&stated)), expected);
    }
}
