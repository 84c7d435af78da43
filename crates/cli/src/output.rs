//! Output for people and for programs. Colour is used on a terminal only, and not if `NO_COLOR` is
//! set.

use std::io::{ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use domain::{Currency, Decimal, Money};

/// The option of every command that prints data.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputArguments {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints one or more lines to standard output. A closed pipe, as of `| head`, is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    write(&format!("{text}\n"))
}

/// Prints a prompt without a line break, so that the answer is typed on the same line.
pub(crate) fn print_prompt(prompt: &str) -> Result<()> {
    write(prompt)
}

/// Prints one JSON document on one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string(value)?)
}

fn write(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("failed to write to standard output"),
    }
}

pub(crate) fn paint_ok(text: &str) -> String {
    painted(text, AnsiColor::Green.on_default())
}

pub(crate) fn paint_failure(text: &str) -> String {
    painted(text, AnsiColor::Red.on_default().bold())
}

pub(crate) fn paint_heading(text: &str) -> String {
    painted(text, Style::new().bold())
}

fn painted(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

/// Formats lines of `name  value` with aligned values. Leaves out pairs with an empty value.
pub(crate) fn format_fields(pairs: &[(&str, String)]) -> String {
    let shown: Vec<_> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let width = shown
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    let line = |(name, value): &&(&str, String)| {
        format!("{name:width$}  {}", replace_control_characters(value))
    };
    shown.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Formats aligned columns under a header line.
pub(crate) fn format_table(names: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| replace_control_characters(cell))
                .collect()
        })
        .collect();
    let longest = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            name.chars()
                .count()
                .max(longest(column).unwrap_or_default())
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = paint_heading(&line(&mut names.iter().copied()));
    let body = rows
        .iter()
        .map(|row| line(&mut row.iter().map(String::as_str)));
    [head]
        .into_iter()
        .chain(body)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Replaces control characters, since customers' input must not control a terminal or break a line.
pub(crate) fn replace_control_characters(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// Formats the API's number `10.0` as `10.00 USD`. Returns an empty text if there is no amount.
pub(crate) fn format_money(amount: Option<&Value>, currency: &str) -> String {
    let Some(amount) = amount
        .filter(|amount| !amount.is_null())
        .map(Value::to_string)
    else {
        return String::new();
    };
    let exact = || {
        Money::from_decimal(
            amount.parse::<Decimal>().ok()?,
            Currency::parse(currency).ok()?,
        )
        .ok()
    };
    exact().map_or_else(|| format!("{amount} {currency}"), |money| money.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_without_a_value_takes_no_width() {
        let pairs = [("a", "1"), ("longer", "2\nb"), ("longest name", "")]
            .map(|(name, value)| (name, value.to_owned()));
        assert_eq!(format_fields(&pairs), "a       1\nlonger  2\u{fffd}b");
    }

    #[test]
    fn table_columns_are_aligned() {
        let rows =
            [["a", "1"], ["longer", "2\u{1b}[2J"]].map(|row| row.map(str::to_owned).to_vec());
        let shown = anstream::adapter::strip_str(&format_table(&["sku", "n"], &rows)).to_string();
        assert_eq!(shown, "sku     n\na       1\nlonger  2\u{fffd}[2J");
    }
}
