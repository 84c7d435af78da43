//! Many orders, as a closed or an open loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The way in which orders arrive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Each caller starts an order, waits for its end, and starts the next one.
    Closed {
        /// The number of callers.
        concurrency: u16,
    },
    /// Orders arrive at a fixed rate, also when earlier ones are late. Latencies are measured from
    /// the planned time, so a late start counts.
    Open {
        /// Orders per second.
        rate: f64,
    },
}

/// The durations of one order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// The duration of the call that started the order.
    pub(crate) start: Duration,
    /// The duration until the order's end.
    pub(crate) end: Duration,
}

/// Runs orders with the numbers from 0. `run_order` receives the number and the time from which its
/// durations are measured.
pub(crate) async fn run_load<F, T>(
    orders: u32,
    load: Load,
    run_order: F,
) -> Vec<Result<Timing, String>>
where
    F: Fn(u32, Instant) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Timing, String>> + Send + 'static,
{
    let run_order = Arc::new(run_order);
    let mut tasks = JoinSet::new();
    match load {
        Load::Closed { concurrency } => {
            let next = Arc::new(AtomicU32::new(0));
            for _ in 0..u32::from(concurrency).min(orders) {
                let (next, run_order) = (Arc::clone(&next), Arc::clone(&run_order));
                tasks.spawn(async move {
                    let mut done = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= orders {
                            return done;
                        }
                        done.push(run_order(number, Instant::now()).await);
                    }
                });
            }
        }
        Load::Open { rate } => {
            let began = Instant::now();
            for number in 0..orders {
                let due = began + planned_delay(number, rate);
                let run_order = Arc::clone(&run_order);
                tasks.spawn(async move {
                    sleep_until(due).await;
                    vec![run_order(number, due).await]
                });
            }
        }
    }
    let mut done = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        match finished {
            Ok(timings) => done.extend(timings),
            Err(error) => done.push(Err(format!("a caller stopped: {error}"))),
        }
    }
    done
}

/// Returns the time from the begin of an open loop to the start of an order.
fn planned_delay(number: u32, rate: f64) -> Duration {
    Duration::from_secs_f64(f64::from(number) / rate)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    async fn run_and_record(orders: u32, load: Load) -> (Vec<u32>, usize) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let run_order = move |number, due: Instant| {
            record.lock().unwrap().push(number);
            async move {
                let time = due.elapsed();
                Ok(Timing {
                    start: time,
                    end: time,
                })
            }
        };
        let done = run_load(orders, load, run_order).await;
        let mut numbers = seen.lock().unwrap().clone();
        numbers.sort_unstable();
        (numbers, done.len())
    }

    #[tokio::test]
    async fn each_order_runs_once_in_both_loops() {
        for load in [
            Load::Closed { concurrency: 3 },
            Load::Closed { concurrency: 20 },
            Load::Open { rate: 1_000.0 },
        ] {
            let (numbers, done) = run_and_record(7, load).await;
            assert_eq!(numbers, (0..7).collect::<Vec<_>>(), "{load:?}");
            assert_eq!(done, 7, "{load:?}");
        }
    }

    #[test]
    fn open_loop_spreads_orders_evenly() {
        assert_eq!(planned_delay(0, 20.0), Duration::ZERO);
        assert_eq!(planned_delay(30, 20.0), Duration::from_millis(1_500));
    }
}
