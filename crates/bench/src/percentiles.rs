//! Percentiles and medians of measured values.

use std::time::Duration;

use serde::Serialize;

/// Percentiles of durations in milliseconds: 50 %, 95 % and 99 % of them were at most this long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub longest: f64,
}

impl Percentiles {
    /// Computes the percentiles; returns `None` if there are no durations.
    pub(crate) fn from_durations(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        // The nearest-rank method: the result is a measured time, without interpolation.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied().map(milliseconds)
        };
        Some(Self {
            p50: percentile(50)?,
            p95: percentile(95)?,
            p99: percentile(99)?,
            longest: percentile(100)?,
        })
    }
}

/// Returns a duration in milliseconds, rounded to hundredths.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// Returns the median; of an even number of values, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, *values.get(middle.checked_sub(1)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_a_measured_time() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let found = Percentiles::from_durations(times).unwrap();
        assert_eq!(
            (found.p50, found.p95, found.p99, found.longest),
            (100.0, 190.0, 198.0, 200.0)
        );
        let one = Percentiles::from_durations(vec![Duration::from_micros(7_129)]).unwrap();
        assert_eq!((one.p50, one.longest), (7.13, 7.13));
        assert_eq!(Percentiles::from_durations(Vec::new()), None);
    }

    #[test]
    fn median_is_independent_of_order() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }
}
