//! Times in filters of lists.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use domain::parse_time;

/// The description of a valid time.
pub(crate) const TIME: &str =
    "must be a time such as 2026-11-21T00:00:00Z, or a date, which means midnight UTC";

/// Parses a time of RFC 3339, also with a space before the time of day, or a date alone, which means
/// midnight UTC.
pub(crate) fn parse_time_filter(text: &str) -> Option<DateTime<Utc>> {
    const DATE_LENGTH: usize = 10;
    let date = text.get(..DATE_LENGTH)?;
    if text.len() == DATE_LENGTH {
        let is_spelled_in_full = date
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        return is_spelled_in_full.then(|| date.and_time(NaiveTime::MIN).and_utc());
    }
    let time = text.get(DATE_LENGTH + 1..)?;
    let separator = text.get(DATE_LENGTH..=DATE_LENGTH)?.replace(' ', "T");
    // A plus sign that the client did not escape arrives as a space.
    parse_time(&format!("{date}{separator}{}", time.replace(' ', "+")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_alone_means_midnight_utc() {
        let midnight = "2026-11-29T00:00:00Z".parse().ok();
        for text in [
            "2026-11-29",
            "2026-11-29T00:00:00Z",
            "2026-11-29 00:00:00Z",
            "2026-11-29T01:00:00+01:00",
            "2026-11-29T01:00:00 01:00",
            "2026-11-29 01:00:00 01:00",
            "2026-11-28T19:00:00-05:00",
        ] {
            assert_eq!(parse_time_filter(text), midnight, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_time() {
        for text in [
            "",
            "yesterday",
            "2026-11-31",
            "2026-1-1",
            "+2026-11-2",
            "2026-11-29T",
            "2026-11-29x",
            "2026-11-29T10:00:00",
            "20261129",
            "2026-11-2é",
            "-200000-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_time_filter(text), None, "{text}");
        }
    }
}
