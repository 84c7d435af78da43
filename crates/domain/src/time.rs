//! Reads points in time.

use chrono::{DateTime, Utc};

/// Parses a time of RFC 3339, such as `2026-11-21T00:00:00Z`. A year has four digits, so every time
/// is in PostgreSQL's range.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_3339_parses() {
        let noon = parse_time("2026-11-21T12:00:00Z").unwrap();
        assert_eq!(parse_time("2026-11-21T13:00:00.000+01:00"), Some(noon));
        for bad in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21T12:00:00",
            "1795262400",
            "+262000-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_time(bad), None, "{bad:?}");
        }
    }
}
