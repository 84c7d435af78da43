//! How each provider counts money: an integer whose decimals are not always those of ISO 4217.

use domain::{Currency, Money, MoneyError, WebhookProvider};

/// Stripe's list. MGA is on it, which has two decimals in ISO 4217.
const STRIPE_WHOLE: &[&str] =
    &["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
const STRIPE_THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];
/// Why a provider's amount is none of ours, or ours none of the provider's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("how the provider counts this currency is not known")]
    UnknownExponent,
    #[error("the amount has more decimals than its currency")]
    Inexact,
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// How many decimals the provider's integer amounts have; `None` where that is not known, or where the provider
/// writes decimal amounts.
fn exponent(provider: WebhookProvider, currency: Currency) -> Option<u8> {
    let code = currency.code();
    match provider {
        WebhookProvider::Stripe if STRIPE_WHOLE.contains(&code) => Some(0),
        WebhookProvider::Stripe if STRIPE_THOUSANDTHS.contains(&code) => Some(3),
        // Five krónur are 500, though ISO 4217 gives them no decimals.
        WebhookProvider::Stripe if code == "ISK" || currency.exponent() == 2 => Some(2),
        // Dinars of Iraq and Libya: Stripe's lists say nothing of them.
        WebhookProvider::Stripe => None,
        WebhookProvider::Adyen => Some(match code {
            "CLP" | "ISK" => 2,
            "CVE" | "IDR" => 0,
            _ => currency.exponent(),
        }),
        // Chilean pesos come with two decimals, which are always zero.
        WebhookProvider::Checkout if code == "CLP" => Some(2),
        WebhookProvider::Checkout | WebhookProvider::Square | WebhookProvider::GoCardless => Some(currency.exponent()),
        WebhookProvider::Standard | WebhookProvider::Mollie | WebhookProvider::Shopify => None,
    }
}

/// The amount that the provider means by this integer, exactly.
pub(crate) fn money(provider: WebhookProvider, units: i64, currency: Currency) -> Result<Money, AmountError> {
    let theirs = exponent(provider, currency).ok_or(AmountError::UnknownExponent)?;
    let minor = rescale(units, theirs, currency.exponent()).ok_or(AmountError::Inexact)?;
    Ok(Money::from_minor(minor, currency)?)
}

/// The integer by which the provider means this amount, exactly.
pub(crate) fn units(provider: WebhookProvider, amount: Money) -> Result<i64, AmountError> {
    let theirs = exponent(provider, amount.currency()).ok_or(AmountError::UnknownExponent)?;
    rescale(amount.minor(), amount.currency().exponent(), theirs).ok_or(AmountError::Inexact)
}

fn rescale(units: i64, from: u8, to: u8) -> Option<i64> {
    let factor = 10_i64.checked_pow(u32::from(from.abs_diff(to)))?;
    if from <= to { units.checked_mul(factor) } else { (units % factor == 0).then_some(units / factor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(provider: WebhookProvider, units: i64, code: &str) -> Result<i64, AmountError> {
        money(provider, units, Currency::parse(code).unwrap()).map(Money::minor)
    }

    #[test]
    fn each_provider_counts_in_its_own_units() {
        use WebhookProvider::*;
        for (provider, units, code, ours) in [
            (Stripe, 1_999, "USD", 1_999),
            (Stripe, 500, "JPY", 500),
            (Stripe, 500, "UGX", 500),
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
            assert_eq!(minor(provider, units, code), Ok(ours), "{provider} {units} {code}");
        }
    }

    #[test]
    fn what_is_not_exact_or_not_known_is_no_amount() {
        assert_eq!(minor(WebhookProvider::Stripe, 501, "ISK"), Err(AmountError::Inexact));
        assert_eq!(minor(WebhookProvider::Adyen, 1_001, "CLP"), Err(AmountError::Inexact));
        assert_eq!(minor(WebhookProvider::Stripe, 1, "LYD"), Err(AmountError::UnknownExponent));
        assert_eq!(minor(WebhookProvider::Standard, 1, "USD"), Err(AmountError::UnknownExponent));
        assert_eq!(minor(WebhookProvider::Square, -1, "USD"), Err(MoneyError::Negative.into()));
        assert_eq!(minor(WebhookProvider::Adyen, i64::MAX, "IDR"), Err(AmountError::Inexact));
    }

    proptest! {
        #[test]
        fn an_amount_that_a_provider_can_write_reads_back(
            minor in 0..=Money::LARGEST,
            code in prop_oneof!["USD", "JPY", "KWD", "CLP", "ISK", "MGA", "IDR", "CVE"],
        ) {
            let amount = Money::from_minor(minor, Currency::parse(&code).unwrap()).unwrap();
            for provider in WebhookProvider::ALL {
                if let Ok(theirs) = units(*provider, amount) {
                    prop_assert_eq!(money(*provider, theirs, amount.currency()), Ok(amount));
                }
            }
        }
    }
}
