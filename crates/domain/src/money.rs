//! Amounts of money: an integer of minor units with an ISO 4217 currency.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Decimal;

/// An ISO 4217 currency with a defined number of decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of an order without a currency.
    pub const DEFAULT: Self = Self(iso_currency::Currency::USD);

    /// Returns the currency of an upper-case alphabetic ISO 4217 code. Metals, funds and test codes
    /// are not currencies here.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some() && !currency.is_fund())
            .map(Self)
            .ok_or(MoneyError::UnknownCurrency)
    }

    /// Returns the currency of a code in upper or lower case, as a caller writes it.
    ///
    /// # Errors
    ///
    /// Fails if the code is unknown, or if no customer can pay in the currency any more.
    pub fn parse_any_case(code: &str) -> Result<Self, MoneyError> {
        let upper = code.to_ascii_uppercase();
        if code != upper && code != code.to_ascii_lowercase() {
            return Err(MoneyError::UnknownCurrency);
        }
        let currency = Self::parse(&upper)?;
        match currency.successor() {
            Some(successor) => Err(MoneyError::EndedCurrency {
                code: currency.code(),
                successor: successor.code(),
            }),
            None => Ok(currency),
        }
    }

    /// The currency that has replaced this one, which can no longer be paid.
    fn successor(self) -> Option<iso_currency::Currency> {
        // The bolivar has two codes since 2021, and VES is the one in use.
        (self.0 != iso_currency::Currency::VES)
            .then(|| self.0.is_superseded())
            .flatten()
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The number of the currency's decimals.
    pub fn exponent(self) -> u8 {
        self.0
            .exponent()
            .and_then(|exponent| u8::try_from(exponent).ok())
            .unwrap_or(0)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::parse(code)
    }
}

/// The reason why a value is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("must be an ISO 4217 currency code such as USD")]
    UnknownCurrency,
    #[error("must be a currency in use: {successor} has replaced {code}")]
    EndedCurrency {
        code: &'static str,
        successor: &'static str,
    },
    #[error("{currency} has {exponent} decimals")]
    TooManyDecimals {
        currency: &'static str,
        exponent: u8,
    },
    #[error("must not be below zero")]
    Negative,
    #[error("must be at most {0} minor units")]
    TooLarge(i64),
}

/// A non-negative amount of at most [`Money::LARGEST`] minor units, also after deserialization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedMoney")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// An amount as it arrives, for example in a Temporal signal of another program.
#[derive(Deserialize)]
struct UncheckedMoney {
    minor: i64,
    currency: Currency,
}

impl TryFrom<UncheckedMoney> for Money {
    type Error = MoneyError;

    fn try_from(amount: UncheckedMoney) -> Result<Self, MoneyError> {
        Self::from_minor(amount.minor, amount.currency)
    }
}

impl Money {
    /// 15 digits, which every JSON reader keeps exactly (see [`Decimal`]).
    pub const LARGEST: i64 = 999_999_999_999_999;

    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor < 0 {
            return Err(MoneyError::Negative);
        }
        if minor > Self::LARGEST {
            return Err(MoneyError::TooLarge(Self::LARGEST));
        }
        Ok(Self { minor, currency })
    }

    pub fn from_decimal(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let exponent = currency.exponent();
        let too_many = MoneyError::TooManyDecimals {
            currency: currency.code(),
            exponent,
        };
        Self::from_minor(amount.at_scale(exponent).ok_or(too_many)?, currency)
    }

    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    pub fn minor(self) -> i64 {
        self.minor
    }

    pub fn currency(self) -> Currency {
        self.currency
    }

    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The amount in major units, as in requests and responses.
    pub fn decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    pub fn checked_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor = self
            .minor
            .checked_mul(i64::from(quantity))
            .ok_or(MoneyError::TooLarge(Self::LARGEST))?;
        Self::from_minor(minor, self.currency)
    }

    /// Returns `part` of `whole` parts of the amount, rounded half up. Zero parts of zero are everything.
    ///
    /// # Errors
    ///
    /// The result is negative or above the limit of [`Money`].
    pub fn scaled(self, (part, whole): (i64, i64)) -> Result<Self, MoneyError> {
        if whole == 0 {
            return Ok(self);
        }
        let doubled = i128::from(self.minor) * i128::from(part) * 2 + i128::from(whole);
        let minor = doubled.div_euclid(i128::from(whole) * 2);
        let minor = i64::try_from(minor).map_err(|_| MoneyError::TooLarge(Self::LARGEST))?;
        Self::from_minor(minor, self.currency)
    }

    /// Returns the sum. Both amounts must have the same currency, which an order's parser
    /// guarantees.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::UnknownCurrency);
        }
        Self::from_minor(self.minor.saturating_add(other.minor), self.currency)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str, code: &str) -> Result<Money, MoneyError> {
        Money::from_decimal(text.parse().unwrap(), Currency::parse(code)?)
    }

    #[test]
    fn decimals_follow_the_currency() {
        assert_eq!(money("99.99", "USD").unwrap().minor(), 9_999);
        assert_eq!(money("500", "JPY").unwrap().minor(), 500);
        assert_eq!(money("1.234", "KWD").unwrap().minor(), 1_234);
        assert_eq!(money("500.00", "JPY").unwrap().minor(), 500);
        assert_eq!(
            money("99.999", "USD"),
            Err(MoneyError::TooManyDecimals {
                currency: "USD",
                exponent: 2
            })
        );
        assert_eq!(money("-1", "USD"), Err(MoneyError::Negative));
        assert_eq!(money("1", "XAU"), Err(MoneyError::UnknownCurrency));
        assert_eq!(money("1", "usd"), Err(MoneyError::UnknownCurrency));
    }

    #[test]
    fn callers_may_write_a_currency_in_lower_case() {
        for code in ["USD", "usd"] {
            assert_eq!(Currency::parse_any_case(code), Currency::parse("USD"));
        }
        for code in ["", "US$", "xau", "ÜSD", "usdx", "Usd"] {
            let refused = Currency::parse_any_case(code);
            assert_eq!(refused, Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn ended_currency_names_its_successor() {
        for (code, successor) in [
            ("HRK", "EUR"),
            ("bgn", "EUR"),
            ("ZWL", "ZWG"),
            ("SLL", "SLE"),
        ] {
            let detail = Currency::parse_any_case(code).unwrap_err().to_string();
            let code = code.to_ascii_uppercase();
            let expected = format!("must be a currency in use: {successor} has replaced {code}");
            assert_eq!(detail, expected);
            // Orders of earlier years have it.
            assert!(Currency::parse(&code).is_ok());
        }
        assert!(Currency::parse_any_case("VES").is_ok());
    }

    #[test]
    fn decoded_amounts_are_checked() {
        let decode = |text: &str| serde_json::from_str::<Money>(text);
        for (text, minor) in [
            (r#"{"minor": 0, "currency": "USD"}"#, 0),
            (
                r#"{"minor": 999999999999999, "currency": "JPY"}"#,
                Money::LARGEST,
            ),
        ] {
            let money = decode(text).unwrap();
            assert_eq!(money.minor(), minor);
            assert_eq!(
                decode(&serde_json::to_string(&money).unwrap()).unwrap(),
                money
            );
        }
        for bad in [
            r#"{"minor": -5, "currency": "USD"}"#,
            r#"{"minor": 1000000000000000, "currency": "USD"}"#,
            r#"{"minor": 1.5, "currency": "USD"}"#,
            r#"{"minor": 5, "currency": "XAU"}"#,
            r#"{"minor": 5, "currency": "usd"}"#,
            r#"{"minor": 5}"#,
        ] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn amounts_round_trip_through_json(minor in 0..=Money::LARGEST, code in prop_oneof!["USD", "JPY", "KWD"]) {
            let amount = Money::from_minor(minor, Currency::parse(&code).unwrap()).unwrap();
            let json = serde_json::to_string(&amount.decimal()).unwrap();
            let read: Decimal = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(Money::from_decimal(read, amount.currency()).unwrap(), amount);
        }
    }
}
