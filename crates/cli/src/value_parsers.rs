//! What is typed, held against the domain's own rules before anything is done: a slip is told at once, with exit code 2.
//!
//! Each returns what was typed, as it was typed: the API reads it by the same rules.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use contract::parse_order_workflow_id;
use devstack::Stack;
use domain::{
    Currency, CustomerId, Decimal, OrderId, PaymentId, Profile, Sku, TransactionId, WebhookOutcome,
    WebhookProvider, parse_time,
};
use orderflow_http::Scope;
use payment_webhooks::SampleKind;

/// An order's id, or its workflow's.
pub(crate) fn order_id(text: &str) -> Result<String, String> {
    match OrderId::parse(text) {
        Err(error) if parse_order_workflow_id(text).is_none() => {
            Err(format!("an order's id {error}"))
        }
        Err(_) | Ok(_) => Ok(text.to_owned()),
    }
}

/// A workflow's id is anybody's choice, but not nothing.
pub(crate) fn workflow_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("a workflow's id must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

pub(crate) fn payment_id(text: &str) -> Result<String, String> {
    PaymentId::parse(text)
        .map(|id| id.to_string())
        .map_err(|error| format!("a payment's id {error}"))
}

pub(crate) fn transaction_id(text: &str) -> Result<String, String> {
    TransactionId::parse(text)
        .map(|id| id.to_string())
        .map_err(|error| format!("a transaction's id {error}"))
}

pub(crate) fn customer_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).map_err(|error| format!("a customer's id {error}"))
}

pub(crate) fn sku(text: &str) -> Result<Sku, String> {
    Sku::parse(text).map_err(|error| format!("a sku {error}"))
}

/// An amount of money, which is more than nothing.
pub(crate) fn amount(text: &str) -> Result<String, String> {
    match text.parse::<Decimal>() {
        Ok(amount) if amount.is_positive() => Ok(text.to_owned()),
        Ok(_) => Err("an amount must be above zero".to_owned()),
        Err(error) => Err(format!("an amount {error}")),
    }
}

/// A currency, in small letters too.
pub(crate) fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(&text.to_ascii_uppercase()).map_err(|error| format!("a currency {error}"))
}

/// A payment provider's name for an event: one word that can stand in a header.
pub(crate) fn event_id(text: &str) -> Result<String, String> {
    if (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err("an event's id must have 1 to 200 printable characters and no spaces".to_owned())
}

pub(crate) fn time(text: &str) -> Result<String, String> {
    match parse_time(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a time must be such as 2027-01-01T00:00:00Z".to_owned()),
    }
}

/// A moment that a database is restored to.
pub(crate) fn moment(text: &str) -> Result<String, String> {
    if text == "latest" {
        Ok(text.to_owned())
    } else {
        time(text)
    }
}

/// What RDS takes for a name: letters, digits and hyphens.
fn rds_name(text: &str, what: &str, longest: usize) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if begins
        && text.len() <= longest
        && text.bytes().all(is_allowed)
        && !text.ends_with('-')
        && !text.contains("--")
    {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "{what}'s name must have at most {longest} letters, digits and single hyphens, a letter first and no hyphen last"
    ))
}

/// A database instance of RDS.
pub(crate) fn instance(text: &str) -> Result<String, String> {
    rds_name(text, "an instance", 63)
}

/// A snapshot that is to be made.
pub(crate) fn snapshot(text: &str) -> Result<String, String> {
    rds_name(text, "a snapshot", 255)
}

/// A snapshot that is there: those that AWS takes itself have a word before their name.
pub(crate) fn known_snapshot(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((by @ ("rds" | "awsbackup"), name)) => Ok(format!("{by}:{}", snapshot(name)?)),
        Some(_) | None => snapshot(text),
    }
}

pub(crate) fn sql(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("there is no query in it".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// What a key is called; the line that lets it in is split at spaces.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if (1..=64).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("a name must have 1 to 64 letters, digits, '-', '_' and '.'".to_owned())
}

/// A value of one of the domain's closed lists.
macro_rules! one_of {
    ($name:ident, $kind:ty) => {
        pub(crate) fn $name() -> impl TypedValueParser<Value = $kind> {
            let names = PossibleValuesParser::new(<$kind>::ALL.iter().map(|value| value.as_str()));
            names.try_map(|name| <$kind>::parse(&name).ok_or("is not in the list"))
        }
    };
}
one_of!(status, domain::OrderStatus);
one_of!(profile, Profile);
one_of!(scope, Scope);
one_of!(provider, WebhookProvider);
one_of!(outcome, WebhookOutcome);
one_of!(sample, SampleKind);

/// What can be restarted.
pub(crate) fn service() -> PossibleValuesParser {
    PossibleValuesParser::new(Stack::SERVICES.into_iter().chain(["app"]))
}

/// What has a log.
pub(crate) fn logging() -> PossibleValuesParser {
    PossibleValuesParser::new(Stack::SERVICES.into_iter().chain(["app", "supervisor"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_id_of_an_order_will_do() {
        let longest = "x".repeat(64);
        for good in [
            "order-1",
            "order-order-1",
            &longest,
            &format!("order-{longest}"),
        ] {
            assert_eq!(order_id(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a/b", &format!("order-{longest}x")] {
            assert!(order_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_amount_is_above_zero() {
        assert_eq!(amount("99.990").as_deref(), Ok("99.990"));
        for bad in ["0", "-5", "abc", "", "1e3"] {
            assert!(amount(bad).is_err(), "{bad:?}");
        }
    }
}
