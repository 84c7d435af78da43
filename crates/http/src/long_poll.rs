//! Looking again and again on a caller's behalf, until there is news or the caller's wait is over.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Wait;

/// A glance is a primary key and one number.
const PAUSE: Duration = Duration::from_millis(500);

/// The glances that a wait has; none for who does not wait.
#[derive(Debug)]
pub struct LongPoll {
    end: Instant,
}

impl LongPoll {
    pub fn new(wait: Option<Wait>) -> Self {
        Self {
            end: Instant::now() + wait.map_or(Duration::ZERO, Wait::duration),
        }
    }

    /// When the wait is over.
    pub fn deadline(&self) -> Instant {
        self.end
    }

    /// Pauses until the next glance; `false` without a pause when the wait is over.
    pub async fn pause(&self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            sleep(PAUSE.min(left)).await;
        }
        !left.is_zero()
    }
}
