//! Amounts as Stripe counts them (docs.stripe.com/currencies), exactly or not at all.

use domain::Money;

/// Stripe's own list. MGA is on it, which has two decimals in ISO 4217.
const WHOLE: [&str; 16] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Three decimals, of which the last must be a zero.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// Why Stripe can't be asked for this amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AmountError {
    #[error("currency_not_supported")]
    Currency,
    #[error("amount_not_chargeable")]
    Inexact,
}

/// The integer by which Stripe means this amount.
pub(super) fn units(amount: Money) -> Result<i64, AmountError> {
    let code = amount.currency().code();
    let (theirs, step) = if WHOLE.contains(&code) {
        (0, 1)
    } else if THOUSANDTHS.contains(&code) {
        (3, 10)
    } else if amount.currency().exponent() == 3 {
        // What Stripe does not say it counts in thousandths, we don't guess.
        return Err(AmountError::Currency);
    } else {
        // ISK too, which has no decimals: Stripe wants 500 for five krónur.
        (2, 1)
    };
    let units = rescaled(amount.minor(), amount.currency().exponent(), theirs).ok_or(AmountError::Inexact)?;
    if units % step == 0 { Ok(units) } else { Err(AmountError::Inexact) }
}

fn rescaled(units: i64, from: u8, to: u8) -> Option<i64> {
    let factor = 10_i64.checked_pow(u32::from(from.abs_diff(to)))?;
    if from <= to { units.checked_mul(factor) } else { (units % factor == 0).then_some(units / factor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Currency;

    #[test]
    fn amounts_follow_stripes_exponents_and_not_iso_4217() {
        for (amount, code, expected) in [
            ("99.99", "USD", Ok(9_999)),
            ("500", "JPY", Ok(500)),
            ("500", "UGX", Ok(500)),
            ("500", "MGA", Ok(500)),
            ("500.20", "MGA", Err(AmountError::Inexact)),
            ("5", "ISK", Ok(500)),
            ("1000", "CLP", Ok(1_000)),
            ("5.12", "KWD", Ok(5_120)),
            ("5.124", "KWD", Err(AmountError::Inexact)),
            ("5.12", "LYD", Err(AmountError::Currency)),
            ("7.50", "HUF", Ok(750)),
        ] {
            let money = Money::from_decimal(amount.parse().unwrap(), Currency::parse(code).unwrap()).unwrap();
            assert_eq!(units(money), expected, "{amount} {code}");
        }
    }
}
