//! The pauses between attempts to send a message.

use std::time::Duration;

use super::settings::RetrySettings;

/// Each pause is longer than the one before by this factor.
const GROWTH: u32 = 3;

/// The share of a pause by which it varies in both directions, so that the messages of an outage are not
/// all sent at the same time.
const JITTER: f64 = 0.2;

/// Returns the pause after a failed attempt. `attempts` counts that attempt, and `random` is from 0 to 1.
pub(super) fn pause_after(attempts: i32, settings: &RetrySettings, random: f64) -> Duration {
    let steps = u32::try_from(attempts - 1).unwrap_or_default();
    let factor = GROWTH.saturating_pow(steps);
    let pause = settings
        .first_pause
        .saturating_mul(factor)
        .min(settings.longest_pause);
    pause.mul_f64(1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RetrySettings = RetrySettings {
        first_pause: Duration::from_secs(5),
        longest_pause: Duration::from_secs(6 * 3600),
        retry_for: Duration::from_secs(3 * 24 * 3600),
    };

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pauses: Vec<_> = (1..=10)
            .map(|attempts| pause_after(attempts, &SETTINGS, 0.5).as_secs())
            .collect();
        assert_eq!(
            pauses,
            [5, 15, 45, 135, 405, 1215, 3645, 10_935, 21_600, 21_600]
        );
        assert_eq!(
            pause_after(i32::MAX, &SETTINGS, 0.5),
            SETTINGS.longest_pause
        );
        assert_eq!(pause_after(0, &SETTINGS, 0.5), SETTINGS.first_pause);
    }

    #[test]
    fn pauses_vary_by_a_fifth() {
        let least = pause_after(1, &SETTINGS, 0.0);
        let most = pause_after(1, &SETTINGS, 1.0);
        assert_eq!(
            (least, most),
            (Duration::from_secs(4), Duration::from_secs(6))
        );
    }
}
