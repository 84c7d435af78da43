//! How often Secrets Manager is asked: by nobody's wish but ours, and by one at a time.

use std::{
    sync::{Mutex as StdMutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use domain::Span;

/// Between two looks that refused notifications bring about: a change takes hold soon, and who forges can't have us ask
/// for ever.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(10);

/// After a look that failed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(30);

/// While nothing was ever read, and every notification is turned away.
const AT_FIRST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct RefreshSchedule {
    refresh: Duration,
    /// The one who asks.
    asking: Mutex<()>,
    last: StdMutex<Option<Look>>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    could: bool,
}

impl RefreshSchedule {
    pub(super) fn new(refresh: Span) -> Self {
        Self {
            refresh: refresh.duration(),
            asking: Mutex::default(),
            last: StdMutex::default(),
        }
    }

    /// Looks for the first time; who comes meanwhile waits for that.
    pub(super) async fn run_first(&self, look: impl AsyncFnOnce() -> bool) {
        let _one = self.asking.lock().await;
        if self.rested(AT_FIRST) {
            self.look(look).await;
        }
    }

    /// Looks again, if nobody else does and the last look is long ago.
    pub(super) async fn run_if_due(&self, look: impl AsyncFnOnce() -> bool) {
        let failed = self.last().is_some_and(|last| !last.could);
        let pause = if failed {
            self.refresh.min(AFTER_A_FAILURE)
        } else {
            self.refresh
        };
        let Ok(_one) = self.asking.try_lock() else {
            return;
        };
        if self.rested(pause) {
            self.look(look).await;
        }
    }

    /// Looks again, if the last look is not just past; whether there was a look since the caller came.
    pub(super) async fn run_after_rejection(&self, look: impl AsyncFnOnce() -> bool) -> bool {
        let came = Instant::now();
        let _one = self.asking.lock().await;
        if self.rested(AFTER_A_REFUSAL) {
            self.look(look).await;
        }
        self.last().is_some_and(|last| last.at >= came)
    }

    async fn look(&self, look: impl AsyncFnOnce() -> bool) {
        let could = look().await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Look {
            at: Instant::now(),
            could,
        });
    }

    fn last(&self) -> Option<Look> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rested(&self, pause: Duration) -> bool {
        self.last().is_none_or(|last| last.at.elapsed() >= pause)
    }
}
