//! Value parsers for arguments, by the domain's own rules: an invalid value is a usage error (exit
//! code 2).
//!
//! Most return the text as it was typed, because the API parses it again by the same rules.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use contract::{MAX_STOCK, OrderAttention, OrderSort, parse_order_workflow_id};
use devstack::Stack;
use domain::{
    Concern, Currency, CustomerId, Decimal, OrderId, PaymentId, Profile, Sku, Span, TransactionId,
    WebhookOutcome, WebhookProvider, parse_time,
};
use orderflow_http::Scope;
use payment_webhooks::SampleKind;

/// Parses an order id or an order's workflow id.
pub(crate) fn order_id(text: &str) -> Result<String, String> {
    match OrderId::parse(text) {
        Err(error) if parse_order_workflow_id(text).is_none() => {
            Err(format!("an order id {error}"))
        }
        Err(_) | Ok(_) => Ok(text.to_owned()),
    }
}

/// Parses a workflow id, which may be any text that is not empty.
pub(crate) fn workflow_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("a workflow id must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

pub(crate) fn payment_id(text: &str) -> Result<String, String> {
    PaymentId::parse(text)
        .map(|id| id.to_string())
        .map_err(|error| format!("a payment id {error}"))
}

pub(crate) fn transaction_id(text: &str) -> Result<String, String> {
    TransactionId::parse(text)
        .map(|id| id.to_string())
        .map_err(|error| format!("a transaction id {error}"))
}

pub(crate) fn customer_id(text: &str) -> Result<CustomerId, String> {
    CustomerId::parse(text).map_err(|error| format!("a customer id {error}"))
}

pub(crate) fn sku(text: &str) -> Result<Sku, String> {
    Sku::parse(text).map_err(|error| format!("a SKU {error}"))
}

/// Parses `name=value`.
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("must be a name and a value, such as channel=web".to_owned()),
    }
}

/// Parses units of a SKU, such as `ABC123=2`. The SKU can contain `=`.
pub(crate) fn item(text: &str) -> Result<(String, u32), String> {
    split_item(text)
        .filter(|(_, units)| *units > 0)
        .ok_or_else(|| "an item must be a SKU and a number of units, such as ABC123=2".to_owned())
}

/// Parses a SKU and its new quantity, such as `ABC123=2`; zero removes the SKU.
pub(crate) fn new_quantity(text: &str) -> Result<(String, u32), String> {
    split_item(text).ok_or_else(|| {
        "a change must be a SKU and its new quantity, such as ABC123=2, or ABC123=0 to remove it"
            .to_owned()
    })
}

/// Splits a SKU, which can contain `=`, and a number of units.
fn split_item(text: &str) -> Option<(String, u32)> {
    let (sku, units) = text.rsplit_once('=')?;
    let units = units.parse::<u32>().ok()?;
    (!sku.is_empty()).then(|| (sku.to_owned(), units))
}

/// Parses a number of units to add, such as `+5`, or to remove, such as `-3`.
pub(crate) fn adjustment(text: &str) -> Result<i64, String> {
    let units = text.parse::<i64>().ok();
    units
        .filter(|units| *units != 0 && (-MAX_STOCK..=MAX_STOCK).contains(units))
        .ok_or_else(|| {
            format!(
                "an adjustment must be a whole number such as +5 or -3, not 0 and at most {MAX_STOCK}"
            )
        })
}

/// Parses an amount of money above zero.
pub(crate) fn amount(text: &str) -> Result<String, String> {
    match text.parse::<Decimal>() {
        Ok(amount) if amount.is_positive() => Ok(text.to_owned()),
        Ok(_) => Err("an amount must be greater than zero".to_owned()),
        Err(error) => Err(format!("an amount {error}")),
    }
}

/// Parses a currency code, also in lower case.
pub(crate) fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(&text.to_ascii_uppercase()).map_err(|error| format!("a currency {error}"))
}

/// Parses a payment provider's event id, which must be valid in an HTTP header.
pub(crate) fn event_id(text: &str) -> Result<String, String> {
    printable(text, "an event id", 200)
}

/// Parses the key of a change that must be made once.
pub(crate) fn idempotency_key(text: &str) -> Result<String, String> {
    printable(text, "an idempotency key", 200)
}

/// Parses the id of an entry of the work list, a payment, a transaction or an order.
pub(crate) fn money_id(text: &str) -> Result<String, String> {
    printable(text, "an id", 400)
}

fn printable(text: &str, kind: &str, max_length: usize) -> Result<String, String> {
    if (1..=max_length).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{kind} must have 1 to {max_length} printable ASCII characters without spaces"
    ))
}

/// Parses the id of an endpoint, which is a part of a path.
pub(crate) fn endpoint_id(text: &str) -> Result<String, String> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("an endpoint id must have 1 to 64 letters, digits or '_'; `orderflow endpoints list` shows the ids".to_owned())
}

/// Parses a note for the audit log.
pub(crate) fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (1..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err("a note must have 1 to 500 characters and no control characters".to_owned())
}

/// Parses a duration above zero.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span != Span::ZERO => Ok(span),
        Ok(_) => Err("a duration must be longer than zero".to_owned()),
        Err(error) => Err(format!("a duration {error}")),
    }
}

pub(crate) fn time(text: &str) -> Result<String, String> {
    match parse_time(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a time must be in RFC 3339 format, such as 2027-01-01T00:00:00Z".to_owned()),
    }
}

/// Parses the point in time that a database is restored to: a time or `latest`.
pub(crate) fn point_in_time(text: &str) -> Result<String, String> {
    if text == "latest" {
        Ok(text.to_owned())
    } else {
        time(text)
    }
}

/// Parses a name by the rules of RDS.
fn rds_name(text: &str, kind: &str, max_length: usize) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let starts_with_letter = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if starts_with_letter
        && text.len() <= max_length
        && text.bytes().all(is_allowed)
        && !text.ends_with('-')
        && !text.contains("--")
    {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!(
        "{kind} name must have at most {max_length} letters, digits and single hyphens, start with a letter and not end with a hyphen"
    ))
}

/// Parses the name of an RDS instance.
pub(crate) fn instance(text: &str) -> Result<String, String> {
    rds_name(text, "an instance", 63)
}

/// Parses the name of a new snapshot.
pub(crate) fn snapshot(text: &str) -> Result<String, String> {
    rds_name(text, "a snapshot", 255)
}

/// Parses the name of an existing snapshot. Snapshots that AWS takes have a prefix, such as `rds:`.
pub(crate) fn existing_snapshot(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((by @ ("rds" | "awsbackup"), name)) => Ok(format!("{by}:{}", snapshot(name)?)),
        Some(_) | None => snapshot(text),
    }
}

pub(crate) fn sql(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("a query must not be empty".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Parses the name of an API key. A line of API_KEYS is split at spaces, so a name has none.
pub(crate) fn key_name(text: &str) -> Result<String, String> {
    let is_allowed =
        |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if (1..=64).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("a name must have 1 to 64 letters, digits, '-', '_' or '.'".to_owned())
}

/// Parses a rate of orders per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=10_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("a rate must be a number from 0.01 to 10000".to_owned()),
    }
}

/// Parses `NAME=VALUE` of a known setting.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a setting must be NAME=VALUE, such as PAYMENT_CALLS=20")?;
    match settings::find(name) {
        Some(_) => Ok((name.to_owned(), value.to_owned())),
        None => Err(format!(
            "{name} is not a setting; docs/settings.md lists all settings"
        )),
    }
}

/// Defines a parser of an enumeration of the domain.
macro_rules! enumeration {
    ($name:ident, $kind:ty) => {
        pub(crate) fn $name() -> impl TypedValueParser<Value = $kind> {
            let names = PossibleValuesParser::new(<$kind>::ALL.iter().map(|value| value.as_str()));
            names.try_map(|name| <$kind>::parse(&name).ok_or("is not one of the possible values"))
        }
    };
}
enumeration!(status, domain::OrderStatus);
enumeration!(attention, OrderAttention);
enumeration!(sort, OrderSort);
enumeration!(profile, Profile);
enumeration!(scope, Scope);
enumeration!(provider, WebhookProvider);
enumeration!(outcome, WebhookOutcome);
enumeration!(sample, SampleKind);
enumeration!(concern, Concern);

/// Parses the name of a service that can be restarted.
pub(crate) fn service() -> PossibleValuesParser {
    PossibleValuesParser::new(Stack::SERVICES.into_iter().chain(["app"]))
}

/// Parses the name of a service that has a log.
pub(crate) fn log_source() -> PossibleValuesParser {
    PossibleValuesParser::new(Stack::SERVICES.into_iter().chain(["app", "supervisor"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_id_accepts_workflow_ids() {
        let longest = "x".repeat(64);
        for valid in [
            "order-1",
            "order-order-1",
            &longest,
            &format!("order-{longest}"),
        ] {
            assert_eq!(order_id(valid).as_deref(), Ok(valid));
        }
        for invalid in ["", "a b", "a/b", &format!("order-{longest}x")] {
            assert!(order_id(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn item_is_a_sku_with_units() {
        assert_eq!(item("A=B=2"), Ok(("A=B".to_owned(), 2)));
        for invalid in ["A", "=1", "A=0", "A=x", "A=-1"] {
            assert!(item(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn new_quantity_can_be_zero() {
        assert_eq!(new_quantity("A=B=0"), Ok(("A=B".to_owned(), 0)));
        for invalid in ["A", "=1", "A=", "A=x", "A=-1"] {
            assert!(new_quantity(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn adjustment_adds_or_removes_units() {
        for (text, units) in [
            ("+5", 5),
            ("5", 5),
            ("-3", -3),
            ("-1000000000000", -MAX_STOCK),
        ] {
            assert_eq!(adjustment(text), Ok(units), "{text}");
        }
        for invalid in ["0", "+0", "1.5", "many", "", "1000000000001"] {
            assert!(adjustment(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn amount_must_be_above_zero() {
        assert_eq!(amount("99.990").as_deref(), Ok("99.990"));
        for invalid in ["0", "-5", "abc", "", "1e3"] {
            assert!(amount(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn rate_must_be_a_positive_number() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for invalid in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(rate(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn setting_must_be_known() {
        let expected = ("MAIL".to_owned(), "off=x".to_owned());
        assert_eq!(setting("MAIL=off=x"), Ok(expected));
        for invalid in ["MAIL", "MALI=off", ""] {
            assert!(setting(invalid).is_err(), "{invalid:?}");
        }
    }
}
