//! The integer amounts of payment providers, whose decimals differ from ISO 4217 for some
//! currencies.
//!
//! One table serves both directions: amounts that providers report, and amounts that we request.

use crate::{Currency, Money, MoneyError, WebhookProvider};

/// Stripe's zero-decimal currencies (docs.stripe.com/currencies). MGA has two decimals in ISO 4217.
const STRIPE_WHOLE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// Currencies without decimals in ISO 4217 that Stripe writes with two, which are always zero: 500
/// is five krónur (docs.stripe.com/currencies, "Special cases").
const STRIPE_HUNDREDTHS: &[&str] = &["ISK", "UGX"];
/// Currencies with three decimals. Stripe requires that the last decimal is zero.
const STRIPE_THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// The reason why an amount cannot be converted to or from a provider's units.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitsError {
    #[error("the number of decimals that the provider uses for this currency is unknown")]
    UnknownExponent,
    #[error("the amount has more decimals than its currency")]
    Inexact,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Returns the number of decimals of the provider's integer amounts. `None` means that it is
/// unknown, or that the provider sends decimal amounts.
fn exponent(provider: WebhookProvider, currency: Currency) -> Option<u8> {
    let code = currency.code();
    match provider {
        WebhookProvider::Stripe if STRIPE_WHOLE.contains(&code) => Some(0),
        WebhookProvider::Stripe if STRIPE_THOUSANDTHS.contains(&code) => Some(3),
        WebhookProvider::Stripe
            if STRIPE_HUNDREDTHS.contains(&code) || currency.exponent() == 2 =>
        {
            Some(2)
        }
        // Stripe's lists do not contain the dinars of Iraq and Libya.
        WebhookProvider::Stripe => None,
        WebhookProvider::Adyen => Some(match code {
            "CLP" | "ISK" => 2,
            "CVE" | "IDR" => 0,
            _ => currency.exponent(),
        }),
        // Chilean pesos have two decimals here, which are always zero.
        WebhookProvider::Checkout if code == "CLP" => Some(2),
        WebhookProvider::Checkout | WebhookProvider::Square | WebhookProvider::GoCardless => {
            Some(currency.exponent())
        }
        WebhookProvider::Standard | WebhookProvider::Mollie | WebhookProvider::Shopify => None,
    }
}

impl WebhookProvider {
    /// Converts the provider's integer to an amount, exactly.
    pub fn money_from_units(self, units: i64, currency: Currency) -> Result<Money, UnitsError> {
        let theirs = exponent(self, currency).ok_or(UnitsError::UnknownExponent)?;
        self.check_step(units, currency)?;
        let minor = rescale(units, theirs, currency.exponent()).ok_or(UnitsError::Inexact)?;
        Ok(Money::from_minor(minor, currency)?)
    }

    /// Converts an amount to the provider's integer, exactly.
    pub fn units_from_money(self, amount: Money) -> Result<i64, UnitsError> {
        let currency = amount.currency();
        let theirs = exponent(self, currency).ok_or(UnitsError::UnknownExponent)?;
        let units =
            rescale(amount.minor(), currency.exponent(), theirs).ok_or(UnitsError::Inexact)?;
        self.check_step(units, currency)?;
        Ok(units)
    }

    /// Rejects an integer that the provider never uses for this currency.
    fn check_step(self, units: i64, currency: Currency) -> Result<(), UnitsError> {
        let in_tens = self == Self::Stripe && STRIPE_THOUSANDTHS.contains(&currency.code());
        if in_tens && units % 10 != 0 {
            return Err(UnitsError::Inexact);
        }
        Ok(())
    }
}

fn rescale(units: i64, from: u8, to: u8) -> Option<i64> {
    let factor = 10_i64.checked_pow(u32::from(from.abs_diff(to)))?;
    if from <= to {
        units.checked_mul(factor)
    } else {
        (units % factor == 0).then_some(units / factor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(provider: WebhookProvider, units: i64, code: &str) -> Result<i64, UnitsError> {
        provider
            .money_from_units(units, Currency::parse(code).unwrap())
            .map(Money::minor)
    }

    #[test]
    fn each_provider_has_its_own_units() {
        use WebhookProvider::*;
        for (provider, units, code, ours) in [
            (Stripe, 1_999, "USD", 1_999),
            (Stripe, 500, "JPY", 500),
            (Stripe, 500_000, "UGX", 5_000),
            (Stripe, 500, "MGA", 50_000),
            (Stripe, 500, "ISK", 5),
            (Stripe, 5_120, "KWD", 5_120),
            (Adyen, 1_000, "CLP", 10),
            (Adyen, 1_000, "ISK", 10),
            (Adyen, 1_000, "CVE", 100_000),
            (Adyen, 1_000, "IDR", 100_000),
            (Adyen, 1_000, "JPY", 1_000),
            (Adyen, 1_000, "TND", 1_000),
            (Checkout, 100_000, "CLP", 1_000),
            (Checkout, 1_999, "GBP", 1_999),
            (Square, 500, "JPY", 500),
        ] {
            assert_eq!(
                minor(provider, units, code),
                Ok(ours),
                "{provider} {units} {code}"
            );
        }
    }

    #[test]
    fn inexact_or_unknown_units_are_rejected() {
        assert_eq!(
            minor(WebhookProvider::Stripe, 501, "ISK"),
            Err(UnitsError::Inexact)
        );
        assert_eq!(
            minor(WebhookProvider::Stripe, 5_050, "UGX"),
            Err(UnitsError::Inexact)
        );
        for code in STRIPE_THOUSANDTHS {
            assert_eq!(
                minor(WebhookProvider::Stripe, 5_124, code),
                Err(UnitsError::Inexact)
            );
        }
        assert_eq!(
            minor(WebhookProvider::Adyen, 1_001, "CLP"),
            Err(UnitsError::Inexact)
        );
        assert_eq!(
            minor(WebhookProvider::Stripe, 1, "LYD"),
            Err(UnitsError::UnknownExponent)
        );
        assert_eq!(
            minor(WebhookProvider::Standard, 1, "USD"),
            Err(UnitsError::UnknownExponent)
        );
        assert_eq!(
            minor(WebhookProvider::Square, -1, "USD"),
            Err(MoneyError::Negative.into())
        );
        assert_eq!(
            minor(WebhookProvider::Adyen, i64::MAX, "IDR"),
            Err(UnitsError::Inexact)
        );
    }

    #[test]
    fn stripe_units_follow_stripes_exponents() {
        for (amount, code, expected) in [
            ("99.99", "USD", Ok(9_999)),
            ("500", "JPY", Ok(500)),
            ("5000", "UGX", Ok(500_000)),
            ("500", "MGA", Ok(500)),
            ("500.20", "MGA", Err(UnitsError::Inexact)),
            ("5", "ISK", Ok(500)),
            ("1000", "CLP", Ok(1_000)),
            ("5.12", "KWD", Ok(5_120)),
            ("5.124", "KWD", Err(UnitsError::Inexact)),
            ("5.12", "LYD", Err(UnitsError::UnknownExponent)),
            ("7.50", "HUF", Ok(750)),
        ] {
            let money =
                Money::from_decimal(amount.parse().unwrap(), Currency::parse(code).unwrap())
                    .unwrap();
            assert_eq!(
                WebhookProvider::Stripe.units_from_money(money),
                expected,
                "{amount} {code}"
            );
        }
    }

    proptest! {
        #[test]
        fn provider_amounts_round_trip(
            minor in 0..=Money::LARGEST,
            code in prop_oneof!["USD", "JPY", "KWD", "CLP", "ISK", "UGX", "MGA", "IDR", "CVE"],
        ) {
            let amount = Money::from_minor(minor, Currency::parse(&code).unwrap()).unwrap();
            for provider in WebhookProvider::ALL {
                if let Ok(theirs) = provider.units_from_money(amount) {
                    prop_assert_eq!(provider.money_from_units(theirs, amount.currency()), Ok(amount));
                }
            }
        }
    }
}
