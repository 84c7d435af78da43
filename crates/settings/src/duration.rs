//! Durations as people write them in settings: `3s`, `24h`, a bare number of seconds.

use std::time::Duration;

/// Each unit with its length in milliseconds, the longest first.
pub const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest accepted duration in milliseconds: ten years.
pub const LONGEST_DURATION: u64 = 3_650 * 86_400_000;

/// Returns the duration that `text` spells, or `None` if it is not a duration or over ten years.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(settings::parse_duration("15m"), Some(Duration::from_secs(900)));
/// assert_eq!(settings::parse_duration("3"), Some(Duration::from_secs(3)));
/// assert_eq!(settings::parse_duration("soon"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, milliseconds) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    let total = number.checked_mul(*milliseconds)?;
    (total <= LONGEST_DURATION).then(|| Duration::from_millis(total))
}
