//! Printing, for people and for machines.

use anyhow::Result;
use domain::{Currency, Decimal, Money};
use serde_json::Value;
use std::io::{ErrorKind, Write};

/// One line or more on standard output. A reader that has had enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Lines of `name  value`, the values below each other; without those that are empty.
pub(crate) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}");
    pairs.iter().filter(|(_, value)| !value.is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

/// An amount as people write it: `10.00 USD`, for the API's number `10.0`.
pub(crate) fn money(amount: Option<&Value>, currency: &str) -> String {
    let Some(amount) = amount.filter(|amount| !amount.is_null()).map(Value::to_string) else { return String::new() };
    let exact = || Money::from_decimal(amount.parse::<Decimal>().ok()?, Currency::parse(currency).ok()?).ok();
    exact().map_or_else(|| format!("{amount} {currency}"), |money| money.to_string())
}
