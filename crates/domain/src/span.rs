//! Durations in the notation of settings: `3s`, `24h`, or a number of seconds.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use settings::{DURATION_UNITS, LONGEST_DURATION};

/// A length of time in whole milliseconds, at most ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as 3s, 500ms, 15m, 24h, 14d, or a number of seconds")]
pub struct SpanError;

impl Span {
    pub const ZERO: Self = Self(Duration::ZERO);

    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        settings::parse_duration(text).map(Self).ok_or(SpanError)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = u64::try_from(self.0.as_millis()).unwrap_or(LONGEST_DURATION);
        if total == 0 {
            return f.write_str("0s");
        }
        let fits = DURATION_UNITS
            .iter()
            .find(|(_, milliseconds)| total.is_multiple_of(*milliseconds));
        let (unit, milliseconds) = fits.unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", total / milliseconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bare_number_is_seconds() {
        assert_eq!("3".parse::<Span>(), Ok(Span::from_secs(3)));
        assert_eq!("24h".parse::<Span>(), Ok(Span::from_secs(86_400)));
        assert_eq!(Span::from_secs(86_400).to_string(), "1d");
        for bad in ["", "s", "-3s", "3x", "1.5h", "3 s", "99999999999d"] {
            assert_eq!(bad.parse::<Span>(), Err(SpanError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn display_round_trips(milliseconds in 0..=LONGEST_DURATION) {
            let span = Span(Duration::from_millis(milliseconds));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
