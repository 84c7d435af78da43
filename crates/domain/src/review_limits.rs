//! The limits of the review: the order totals from which an order is reviewed, by currency.

use std::{collections::BTreeMap, str::FromStr};

use crate::{Currency, Decimal, Money};

/// Limits by currency, written as `USD:10000,EUR:9000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewLimits(BTreeMap<&'static str, Decimal>);

impl ReviewLimits {
    /// Returns the limit of a currency; `None` if it has none.
    pub fn find(&self, currency: Currency) -> Option<Decimal> {
        self.0.get(currency.code()).copied()
    }
}

impl FromStr for ReviewLimits {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "must be amounts by currency, such as USD:10000,EUR:9000";
        let mut limits = BTreeMap::new();
        for limit in text.split(',') {
            let (code, amount) = limit.split_once(':').ok_or(ALLOWED)?;
            let currency = Currency::parse(code.trim()).map_err(|_| ALLOWED)?;
            let amount: Decimal = amount.trim().parse().map_err(|_| ALLOWED)?;
            Money::from_decimal(amount, currency).map_err(|_| ALLOWED)?;
            if limits.insert(currency.code(), amount).is_some() {
                return Err(ALLOWED);
            }
        }
        Ok(Self(limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_own_limit() {
        let limits: ReviewLimits = "USD:10000, JPY:1500000".parse().unwrap();
        let find = |code| {
            let found = limits.find(Currency::parse(code).unwrap());
            found.map(|limit| limit.to_string())
        };
        assert_eq!(find("USD").as_deref(), Some("10000"));
        assert_eq!(find("JPY").as_deref(), Some("1500000"));
        assert_eq!(find("VND"), None);
    }

    #[test]
    fn unreadable_limits_are_rejected() {
        for bad in [
            "",
            "10000",
            "USD",
            "USD:",
            "USD:-1",
            "USD:much",
            "usd:1",
            "XXX:1",
            "USD:1,USD:2",
            "JPY:0.5",
            "USD:1,",
        ] {
            assert!(bad.parse::<ReviewLimits>().is_err(), "{bad}");
        }
    }
}
