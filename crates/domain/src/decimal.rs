//! Exact decimal numbers, read from JSON without a binary float.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An exact decimal of at most 15 significant digits.
///
/// An IEEE double keeps 15 significant digits. So clients that read JSON numbers as doubles get
/// exactly the digits that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    units: i64,
    scale: u8,
}

/// The reason why a text is not a [`Decimal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("must be a plain decimal number such as 99.99")]
    Syntax,
    #[error("must have at most 15 digits")]
    TooLong,
}

impl Decimal {
    const DIGITS: usize = 15;

    pub const fn new(units: i64, scale: u8) -> Self {
        Self { units, scale }
    }

    pub fn is_positive(self) -> bool {
        self.units > 0
    }

    /// Returns the number as an integer with `scale` decimals, or `None` if it has more decimals.
    pub fn at_scale(self, scale: u8) -> Option<i64> {
        if self.scale <= scale {
            return self
                .units
                .checked_mul(10_i64.checked_pow(u32::from(scale - self.scale))?);
        }
        let surplus = 10_i64.checked_pow(u32::from(self.scale - scale))?;
        (self.units % surplus == 0).then(|| self.units / surplus)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (negative, digits) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(DecimalError::Syntax),
            Some(parts) => parts,
            None => (digits, ""),
        };
        if whole.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return Err(DecimalError::Syntax);
        }
        // `5.000` is equal to `5`, so trailing zeros do not count against the limit.
        let fraction = fraction.trim_end_matches('0');
        let significant = format!("{whole}{fraction}");
        let significant = significant.trim_start_matches('0');
        if significant.len() > Self::DIGITS || fraction.len() > Self::DIGITS {
            return Err(DecimalError::TooLong);
        }
        let units = significant
            .bytes()
            .fold(0_i64, |units, digit| units * 10 + i64::from(digit - b'0'));
        let scale = u8::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        Ok(Self {
            units: if negative { -units } else { units },
            scale,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let power = 10_u64.pow(u32::from(self.scale));
        let magnitude = self.units.unsigned_abs();
        let sign = if self.units < 0 { "-" } else { "" };
        let width = usize::from(self.scale);
        write!(
            f,
            "{sign}{}.{:0width$}",
            magnitude / power,
            magnitude % power
        )
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A whole number has one spelling: `25`, whatever its scale is.
        if let Some(whole) = self.at_scale(0) {
            return serializer.serialize_i64(whole);
        }
        // A decimal with at most 15 digits is the shortest text of its nearest double. So the JSON
        // writer prints exactly these digits.
        let double: f64 = self
            .to_string()
            .parse()
            .map_err(serde::ser::Error::custom)?;
        serializer.serialize_f64(double)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number, or one in a string")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
                self.visit_str(&value.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_decimals_parse() {
        for bad in [
            "", ".", "1.", ".5", "1e2", "+1", "1,5", " 1", "NaN", "0x1", "--1", "1.2.3",
        ] {
            assert_eq!(bad.parse::<Decimal>(), Err(DecimalError::Syntax), "{bad:?}");
        }
        assert_eq!(
            "1234567890123456".parse::<Decimal>(),
            Err(DecimalError::TooLong)
        );
        assert_eq!("0.10".parse::<Decimal>().unwrap().to_string(), "0.1");
        assert_eq!("-0.05".parse::<Decimal>().unwrap().at_scale(2), Some(-5));
    }

    #[test]
    fn at_scale_rejects_surplus_decimals() {
        let price: Decimal = "99.999".parse().unwrap();
        assert_eq!(price.at_scale(2), None);
        assert_eq!(price.at_scale(3), Some(99_999));
    }

    #[test]
    fn whole_number_has_one_spelling() {
        let json = |decimal: Decimal| serde_json::to_string(&decimal).unwrap();
        assert_eq!(json(Decimal::new(2_500, 2)), "25");
        assert_eq!(json("25.00".parse().unwrap()), "25");
        assert_eq!(json(Decimal::new(0, 2)), "0");
        assert_eq!(json(Decimal::new(-2_550, 2)), "-25.5");
    }

    proptest! {
        #[test]
        fn json_keeps_every_digit(units in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_u8..=4) {
            let text = Decimal::new(units, scale).to_string();
            let number: Decimal = text.parse().unwrap();
            let json = serde_json::to_string(&number).unwrap();
            let back: Decimal = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back.at_scale(4), number.at_scale(4));
            prop_assert_eq!(back, number);
        }
    }
}
