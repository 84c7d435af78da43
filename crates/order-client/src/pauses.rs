//! The growing pauses between two attempts of a call that the server refused for the moment.

use std::time::{Duration, Instant};

use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(1_600);

#[derive(Debug)]
pub(crate) struct Pauses {
    next: Duration,
    until: Instant,
}

impl Pauses {
    /// Returns pauses that end before `until`.
    pub(crate) fn until(until: Instant) -> Self {
        Self { next: FIRST, until }
    }

    /// Pauses for half to all of the present length, so that concurrent callers do not repeat their
    /// calls at the same time. Returns `false` at once if no time is left for the pause.
    pub(crate) async fn pause(&mut self) -> bool {
        if Instant::now() + self.next >= self.until {
            return false;
        }
        sleep(self.next.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        self.next = (self.next * 2).min(LONGEST);
        true
    }
}
