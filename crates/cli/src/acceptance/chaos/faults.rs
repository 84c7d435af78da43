//! The faults of a run. A seed decides their order, so that a run can be repeated.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use devstack::Stack;

/// The services that are killed or frozen.
const SERVICES: [&str; 4] = ["worker", "api", "temporal", "postgres"];
/// The pause between two faults, in milliseconds. A killed service needs some of it for its start.
const PAUSE: std::ops::Range<u64> = 500..3_000;
/// The time of a freeze, in milliseconds. It is longer than the limits of a database step.
const FREEZE: std::ops::Range<u64> = 500..8_000;

/// A fault of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// The start in milliseconds after the start of the run.
    at: u64,
    service: &'static str,
    /// The time of a freeze in milliseconds; `None` for a kill.
    frozen: Option<u64>,
}

/// The faults of a run, in the order of their time.
#[derive(Debug)]
pub(super) struct Plan(Vec<Fault>);

impl Plan {
    pub(super) fn new(seed: u64, time: Duration) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let end = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut faults = Vec::new();
        let mut at = 0;
        loop {
            at += rng.random_range(PAUSE);
            if at >= end {
                return Self(faults);
            }
            let service = SERVICES[rng.random_range(0..SERVICES.len())];
            let frozen = rng.random_bool(0.5).then(|| rng.random_range(FREEZE));
            faults.push(Fault {
                at,
                service,
                frozen,
            });
        }
    }

    /// Causes the faults, and returns those that met a running service.
    pub(super) async fn run(self, stack: &Stack, began: Instant) -> Vec<Fault> {
        let causes = self.0.into_iter().map(async |fault| {
            sleep_until(began + Duration::from_millis(fault.at)).await;
            let service = stack.service(fault.service)?;
            let happened = match fault.frozen {
                None => {
                    eprintln!("{:>6.1} s  kill {}", seconds(fault.at), fault.service);
                    service.crash().await
                }
                Some(time) => {
                    eprintln!(
                        "{:>6.1} s  freeze {} for {:.1} s",
                        seconds(fault.at),
                        fault.service,
                        seconds(time)
                    );
                    service.freeze(Duration::from_millis(time)).await
                }
            };
            happened.then_some(fault)
        });
        let happened = futures::future::join_all(causes).await;
        happened.into_iter().flatten().collect()
    }
}

fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_decides_the_faults() {
        let plan = |seed| Plan::new(seed, Duration::from_secs(90)).0;
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        for service in SERVICES {
            for is_freeze in [false, true] {
                let has =
                    |fault: &Fault| fault.service == service && fault.frozen.is_some() == is_freeze;
                assert!((1..=3).any(|seed| plan(seed).iter().any(has)), "{service}");
            }
        }
        assert!(plan(1).iter().all(|fault| fault.at < 90_000));
    }
}
