//! Readers for a provider's JSON. They return `None` for a value that is missing or has another
//! type.

use serde_json::Value;

use domain::{Currency, Money, OrderId, PaymentId, TransactionId, WebhookProvider};

/// The reason why a signed body cannot be understood, in fixed words that contain nothing of the
/// body.
pub(crate) type Why = &'static str;

pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

pub(crate) fn order_id(value: &Value, pointer: &str) -> Option<OrderId> {
    OrderId::parse(text(value, pointer)?).ok()
}

pub(crate) fn transaction_id(value: &Value, pointer: &str) -> Option<TransactionId> {
    TransactionId::parse(text(value, pointer)?).ok()
}

/// Returns the id of another object, of which the body has the id or the whole object.
pub(crate) fn linked_id(value: &Value, name: &str) -> Option<TransactionId> {
    let linked = value.get(name)?;
    let id = linked.as_str().or_else(|| text(linked, "/id"))?;
    TransactionId::parse(id).ok()
}

pub(crate) fn payment_id(value: &Value, pointer: &str) -> Option<PaymentId> {
    PaymentId::parse(text(value, pointer)?).ok()
}

pub(crate) fn event_id(value: &Value, pointer: &str) -> Option<String> {
    as_event_id(text(value, pointer)?)
}

/// Returns an event's id: visible ASCII, at most 200 characters.
pub(crate) fn as_event_id(text: &str) -> Option<String> {
    let is_one =
        (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| text.to_owned())
}

/// Returns a name that the provider chose, if it is short enough.
pub(crate) fn word(value: &Value, pointer: &str) -> Option<String> {
    as_word(text(value, pointer)?)
}

/// Accepts a short term of a provider's vocabulary: at most 80 printable ASCII characters, and at
/// most six digits in a row. So neither a card number nor a longer text passes.
pub(crate) fn as_word(text: &str) -> Option<String> {
    let is_short = (1..=80).contains(&text.len());
    let is_plain = text
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    // Groups of digits with a separator between them count as one row.
    let separates = |byte| matches!(byte, b' ' | b'-' | b'.' | b'_' | b'/');
    let mut digits = 0;
    let mut longest = 0;
    for byte in text.bytes().filter(|byte| !separates(*byte)) {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        longest = longest.max(digits);
    }
    (is_short && is_plain && longest <= 6).then(|| text.to_owned())
}

pub(crate) fn money(
    provider: WebhookProvider,
    value: &Value,
    amount: &str,
    currency: &str,
) -> Result<Money, Why> {
    let units = value
        .pointer(amount)
        .and_then(Value::as_i64)
        .ok_or("the amount is missing or no whole number")?;
    let code = text(value, currency).ok_or("the currency is missing")?;
    money_of(provider, units, code)
}

/// Returns an amount that an event can lack, if it is above zero.
pub(crate) fn some_money(
    provider: WebhookProvider,
    value: &Value,
    amount: &str,
    currency: &str,
) -> Option<Money> {
    money(provider, value, amount, currency)
        .ok()
        .filter(|amount| !amount.is_zero())
}

pub(crate) fn money_of(provider: WebhookProvider, units: i64, code: &str) -> Result<Money, Why> {
    let currency = Currency::parse(&code.to_ascii_uppercase())
        .map_err(|_| "the currency is not one we know")?;
    provider
        .money_from_units(units, currency)
        .map_err(|_| "the amount can't be written exactly in its currency")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_card_number_and_no_letter_is_a_word() {
        for good in [
            "card",
            "visa 1111",
            "payment_intent.succeeded",
            "orders/paid",
        ] {
            assert_eq!(as_word(good).as_deref(), Some(good));
        }
        let long = "x".repeat(81);
        for bad in [
            "",
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111",
            "4111.1111.1111",
            "Grüße",
            "a\nb",
            &long,
        ] {
            assert_eq!(as_word(bad), None, "{bad}");
        }
    }
}
