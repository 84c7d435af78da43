//! Percentiles of measured times.

use std::{fmt, time::Duration};

use serde::Serialize;

/// Percentiles of durations in milliseconds: 50 %, 95 % and 99 % of them were at most this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_ms: u128,
    pub(super) p95_ms: u128,
    pub(super) p99_ms: u128,
    pub(super) longest_ms: u128,
}

impl Percentiles {
    /// Computes the percentiles; returns `None` if there are no durations.
    pub(super) fn from_durations(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        // The nearest-rank method: the result is a measured time, without interpolation.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map(Duration::as_millis)
        };
        Some(Self {
            p50_ms: percentile(50)?,
            p95_ms: percentile(95)?,
            p99_ms: percentile(99)?,
            longest_ms: percentile(100)?,
        })
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50_ms,
            p95_ms,
            p99_ms,
            longest_ms,
        } = self;
        write!(
            f,
            "p50 {p50_ms} ms, p95 {p95_ms} ms, p99 {p99_ms} ms, longest {longest_ms} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_a_measured_time() {
        let spread =
            Percentiles::from_durations((1..=200).rev().map(Duration::from_millis).collect())
                .unwrap();
        assert_eq!(
            spread,
            Percentiles {
                p50_ms: 100,
                p95_ms: 190,
                p99_ms: 198,
                longest_ms: 200
            }
        );
        let one = Percentiles::from_durations(vec![Duration::from_millis(7)]).unwrap();
        assert_eq!((one.p50_ms, one.longest_ms), (7, 7));
        assert_eq!(Percentiles::from_durations(Vec::new()), None);
    }
}
