//! Identifiers. Each is a newtype that only parsing creates, also during deserialization.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{has_visible_character, overrides_direction};

/// The reason why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {0} characters long")]
    TooLong(usize),
    #[error("must contain only {0}")]
    Character(&'static str),
}

/// The limits of one kind of identifier.
pub trait Identifier {
    /// The maximum length in characters.
    const MAX_LENGTH: usize;
    /// A regular expression of ECMA-262 that every valid identifier matches.
    const PATTERN: &'static str;
}

fn check(
    text: &str,
    longest: usize,
    allowed: fn(&str) -> bool,
    description: &'static str,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.chars().count() > longest {
        return Err(IdError::TooLong(longest));
    }
    if !allowed(text) {
        return Err(IdError::Character(description));
    }
    Ok(())
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $longest:literal, $allowed:expr, $pattern:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        impl $name {
            /// Returns the identifier that the text contains.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $longest, $allowed, $description)?;
                Ok(Self(text.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Identifier for $name {
            const MAX_LENGTH: usize = $longest;
            const PATTERN: &'static str = $pattern;
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn url_safe(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn visible(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

fn printable(text: &str) -> bool {
    let is_line_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.trim() == text
        && has_visible_character(text)
        && !overrides_direction(text)
        && !text.contains(is_line_break)
}

identifier!(
    /// The id of an order, chosen by the caller or generated. URLs and workflow ids contain it
    /// unescaped.
    OrderId, 64, url_safe, "^[A-Za-z0-9._-]+$", "letters, digits, '-', '_' and '.'"
);
impl OrderId {
    /// Returns a placeholder for an order without a valid id. It is never stored.
    pub fn placeholder() -> Self {
        Self("unnamed".to_owned())
    }
}

identifier!(
    /// The idempotency key of one payment. It pays for one order, once.
    PaymentId, 160, visible, "^[!-~]+$", "visible ASCII characters without spaces"
);
impl PaymentId {
    /// Returns the id of a payment for which the order names none. It has at most 139 characters: the
    /// longest provider has 10, the longest transaction id 128.
    pub fn of_transaction(provider: &str, transaction_id: &TransactionId) -> Self {
        Self(format!("{provider}:{transaction_id}"))
    }
}
identifier!(
    /// The payment provider's id of a transaction.
    TransactionId, 128, visible, "^[!-~]+$", "visible ASCII characters without spaces"
);
impl TransactionId {
    /// Returns whether this is the id of an intent of Stripe.
    pub fn is_stripe_intent(&self) -> bool {
        self.0.starts_with("pi_")
    }

    /// Returns whether this is the id of a Checkout session or an invoice of Stripe, whose money has an
    /// intent.
    pub fn is_stripe_session(&self) -> bool {
        self.0.starts_with("cs_") || self.0.starts_with("in_")
    }
}
identifier!(
    /// A stock keeping unit: any text of the shop's catalogue. URLs contain it percent-encoded.
    Sku, 100, printable, r"^[^\s\u0000-\u001f\u007f-\u009f\u202a-\u202e]([^\u0000-\u001f\u007f-\u009f\u2028-\u202e]*[^\s\u0000-\u001f\u007f-\u009f\u202a-\u202e])?$",
    "printable characters, and no white space at its ends"
);
identifier!(
    /// The id of a refund, unique in its order. URLs and workflow ids contain it unescaped.
    RefundId, 64, url_safe, "^[A-Za-z0-9._-]+$", "letters, digits, '-', '_' and '.'"
);
impl RefundId {
    /// Returns the id of the refund that a return causes.
    pub fn of_return(return_id: &ReturnId) -> Self {
        Self(format!("RF-{}", return_id.0.trim_start_matches("RT-")))
    }
}
identifier!(
    /// The id of a return, unique in its order. URLs and workflow ids contain it unescaped. It is shorter
    /// than the id of its refund can be.
    ReturnId, 60, url_safe, "^[A-Za-z0-9._-]+$", "letters, digits, '-', '_' and '.'"
);
identifier!(
    /// The id of a customer in the shop.
    CustomerId, 64, visible, "^[!-~]+$", "visible ASCII characters without spaces"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_id_is_url_safe() {
        for good in ["order-123", "ORD-20261121-120000-AB12", "a", "1.2_3"] {
            assert_eq!(OrderId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a/b", "ü", "a%20", "a\n", &"x".repeat(65)] {
            assert!(OrderId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sku_is_any_printable_text() {
        for good in [
            "ABC123",
            "A B",
            "Ä-1",
            "商品-1",
            "A/B",
            "..",
            &"é".repeat(100),
        ] {
            assert_eq!(Sku::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            " ",
            " A",
            "A\u{a0}",
            "A\nB",
            "A\u{2028}B",
            "A\u{0}",
            "\u{200b}",
            "A\u{202e}B",
            &"x".repeat(101),
        ] {
            assert!(Sku::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refund_of_a_return_has_its_id() {
        let refund = |id: &str| RefundId::of_return(&ReturnId::parse(id).unwrap());
        assert_eq!(refund("RT-7").as_str(), "RF-7");
        assert!(RefundId::parse(refund(&"x".repeat(60)).as_str()).is_ok());
    }

    #[test]
    fn deserialization_validates_ids() {
        assert!(serde_json::from_str::<PaymentId>("\"pmt 1\"").is_err());
        assert_eq!(
            serde_json::from_str::<PaymentId>("\"stripe:pi_1\"")
                .unwrap()
                .as_str(),
            "stripe:pi_1"
        );
    }
}
