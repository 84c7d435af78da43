//! Polling the database for a caller that waits, until a change or the end of the wait.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Wait;

/// Pause between two polls. One poll reads one number by primary key.
const PAUSE: Duration = Duration::from_millis(500);

/// The polls of one wait. A caller without a wait gets none.
#[derive(Debug)]
pub struct LongPoll {
    deadline: Instant,
}

impl LongPoll {
    pub fn new(wait: Option<Wait>) -> Self {
        Self {
            deadline: Instant::now() + wait.map_or(Duration::ZERO, Wait::duration),
        }
    }

    /// Returns the end of the wait.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Pauses until the next poll. Returns `false`, without a pause, when the wait is over.
    pub async fn pause(&self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            sleep(PAUSE.min(left)).await;
        }
        !left.is_zero()
    }
}
