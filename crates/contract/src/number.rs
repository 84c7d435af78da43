//! The text of JSON numbers.

use serde_json::value::RawValue;

use crate::Rules;

/// The largest shift of a decimal point. A number with more digits is not valid anywhere.
const MAX_EXPONENT: usize = 30;

/// Returns the text of a number, or of a string that contains one. A number with an exponent, such as
/// `1.5E+3`, is written out.
pub(crate) fn number_text(raw: &RawValue, rules: Rules) -> String {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return match rules {
            Rules::Current => text.trim().to_owned(),
            Rules::Earlier => text,
        };
    }
    let plain = (rules == Rules::Current)
        .then(|| without_exponent(raw.get()))
        .flatten();
    plain.unwrap_or_else(|| raw.get().to_owned())
}

/// Writes a JSON number without its exponent, with exactly the same value. Returns `None` if it has no
/// exponent, or a too large one.
fn without_exponent(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let shift = usize::try_from(exponent.unsigned_abs()).ok()?;
    if shift > MAX_EXPONENT {
        return None;
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let zeros = "0".repeat(shift);
    let (whole, fraction) = if exponent < 0 {
        let padded = format!("{zeros}{whole}");
        let (left, moved) = padded.split_at_checked(padded.len().checked_sub(shift)?)?;
        (left.to_owned(), format!("{moved}{fraction}"))
    } else {
        let padded = format!("{fraction}{zeros}");
        let (moved, right) = padded.split_at_checked(shift)?;
        (format!("{whole}{moved}"), right.to_owned())
    };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponent_is_written_out_exactly() {
        for (number, plain) in [
            ("1e2", Some("100")),
            ("1E+2", Some("100")),
            ("1e3", Some("1000")),
            ("-1.50e1", Some("-15")),
            ("1.234e2", Some("123.4")),
            ("1.234e3", Some("1234")),
            ("9999e-2", Some("0099.99")),
            ("5e-3", Some("0.005")),
            ("0e0", Some("0")),
            ("1e-400", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("12.5", None),
            ("7", None),
        ] {
            assert_eq!(without_exponent(number).as_deref(), plain, "{number}");
        }
    }
}
