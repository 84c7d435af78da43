//! The quota of requests of one kind per order and minute. It continues in later runs.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use contract::QuotaExceeded;

/// The requests of one kind that an order accepts in one minute.
const PER_WINDOW: u32 = 60;
const WINDOW: TimeDelta = TimeDelta::seconds(60);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RequestRate {
    /// By the name of the request.
    windows: BTreeMap<String, Window>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Window {
    start: DateTime<Utc>,
    count: u32,
}

impl RequestRate {
    /// Counts an accepted request.
    pub(super) fn note(&mut self, kind: &str, now: DateTime<Utc>) {
        let window = self.windows.entry(kind.to_owned());
        let window = window.or_insert(Window {
            start: now,
            count: 0,
        });
        if now - window.start >= WINDOW {
            *window = Window {
                start: now,
                count: 0,
            };
        }
        window.count += 1;
    }

    /// Checks whether a request is within the quota of its kind.
    ///
    /// # Errors
    ///
    /// Returns the time until the next window.
    pub(super) fn check(&self, kind: &str, now: DateTime<Utc>) -> Result<(), QuotaExceeded> {
        let Some(window) = self.windows.get(kind) else {
            return Ok(());
        };
        let left = window.start + WINDOW - now;
        if window.count < PER_WINDOW || left <= TimeDelta::zero() {
            return Ok(());
        }
        let seconds = left.num_milliseconds().div_euclid(1_000) + 1;
        Err(QuotaExceeded {
            retry_after_seconds: u32::try_from(seconds).unwrap_or(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_of_one_kind_leaves_others_free() {
        let mut rate = RequestRate::default();
        let start = DateTime::UNIX_EPOCH;
        for _ in 0..PER_WINDOW {
            assert_eq!(rate.check("update_address", start), Ok(()));
            rate.note("update_address", start);
        }
        let later = start + TimeDelta::milliseconds(49_500);
        let refused = rate.check("update_address", later).unwrap_err();
        assert_eq!(refused.retry_after_seconds, 11);
        assert_eq!(rate.check("reject_order", later), Ok(()));
        assert_eq!(rate.check("update_address", start + WINDOW), Ok(()));
        rate.note("update_address", start + WINDOW);
        assert_eq!(rate.check("update_address", start + WINDOW), Ok(()));
    }
}
