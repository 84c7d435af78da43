//! `RATE_LIMIT`: the local gateway's rate limit per caller. In AWS, API Gateway limits the rate.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use governor::{DefaultKeyedRateLimiter, Quota, clock::Clock};

use orderflow_http::set_rate_limiter;
use settings::{Environment, RATE_LIMIT};

/// Number of requests after which callers with an unused quota are removed from memory.
const REQUESTS_PER_CLEANUP: u32 = 10_000;

/// Sets the rate limit of this program if `RATE_LIMIT` has one.
pub(crate) fn apply_rate_limit() -> Result<()> {
    let environment = Environment::from_process();
    let text = environment.get_or_default(&RATE_LIMIT);
    if text == "off" {
        return Ok(());
    }
    let quota = parse(text).ok_or_else(|| RATE_LIMIT.reject(text, "not a rate"))?;
    let (limiter, calls) = (
        DefaultKeyedRateLimiter::<String>::keyed(quota),
        AtomicU32::new(0),
    );
    set_rate_limiter(move |caller| {
        if calls.fetch_add(1, Ordering::Relaxed) % REQUESTS_PER_CLEANUP == REQUESTS_PER_CLEANUP - 1
        {
            limiter.retain_recent();
        }
        let checked = limiter.check_key(&caller.to_owned());
        checked.map_err(|until| until.wait_time_from(limiter.clock().now()))
    });
    Ok(())
}

fn parse(text: &str) -> Option<Quota> {
    let (rate, burst) = text
        .split_once(':')
        .map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let (count, unit) = rate.split_once('/')?;
    let count: NonZeroU32 = count.parse().ok()?;
    let quota = match unit {
        "s" => Quota::per_second(count),
        "m" => Quota::per_minute(count),
        "h" => Quota::per_hour(count),
        _ => return None,
    };
    burst.map_or(Some(quota), |burst| {
        Some(quota.allow_burst(burst.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_count_unit_and_optional_burst() {
        let read = |text| {
            parse(text).map(|quota| {
                (
                    quota.replenish_interval().as_millis(),
                    quota.burst_size().get(),
                )
            })
        };
        assert_eq!(read("100/s"), Some((10, 100)));
        assert_eq!(read("100/s:200"), Some((10, 200)));
        assert_eq!(
            (read("60/m"), read("3600/h:1")),
            (Some((1_000, 60)), Some((1_000, 1)))
        );
        for bad in [
            "", "100", "0/s", "-1/s", "100/d", "100/s:0", "100/s:", "1.5/s", "100 / s",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
