//! The schedule of requests to Secrets Manager: one at a time, with a minimum pause between them.

use std::{
    sync::{Mutex as StdMutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use domain::Span;

/// The minimum pause before a request that a rejected webhook event triggers. A changed secret
/// takes effect soon, and forged events cannot cause a request each.
const REJECTION_PAUSE: Duration = Duration::from_secs(10);

/// The maximum pause after a failed request.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// The pause while no request has succeeded yet and every webhook event is rejected.
const INITIAL_PAUSE: Duration = Duration::from_secs(1);

/// The time of the last request, and a lock that allows one request at a time.
#[derive(Debug)]
pub(super) struct RefreshSchedule {
    /// The pause between two successful requests (`WEBHOOK_SECRETS_REFRESH`).
    refresh: Duration,
    /// Held during a request.
    requesting: Mutex<()>,
    last: StdMutex<Option<Request>>,
}

#[derive(Debug, Clone, Copy)]
struct Request {
    /// The time of its end.
    at: Instant,
    succeeded: bool,
}

impl RefreshSchedule {
    pub(super) fn new(refresh: Span) -> Self {
        Self {
            refresh: refresh.duration(),
            requesting: Mutex::default(),
            last: StdMutex::default(),
        }
    }

    /// Runs the first request. Concurrent callers wait for it.
    pub(super) async fn run_first(&self, request: impl AsyncFnOnce() -> bool) {
        let _guard = self.requesting.lock().await;
        if self.is_older_than(INITIAL_PAUSE) {
            self.run(request).await;
        }
    }

    /// Runs a request if the last one is older than the pause and none is running.
    pub(super) async fn run_if_due(&self, request: impl AsyncFnOnce() -> bool) {
        let failed = self.last().is_some_and(|last| !last.succeeded);
        let pause = if failed {
            self.refresh.min(FAILURE_PAUSE)
        } else {
            self.refresh
        };
        let Ok(_guard) = self.requesting.try_lock() else {
            return;
        };
        if self.is_older_than(pause) {
            self.run(request).await;
        }
    }

    /// Runs a request, unless the last one is too recent. Returns whether a request has finished
    /// since this call began.
    pub(super) async fn run_after_rejection(&self, request: impl AsyncFnOnce() -> bool) -> bool {
        let called = Instant::now();
        let _guard = self.requesting.lock().await;
        if self.is_older_than(REJECTION_PAUSE) {
            self.run(request).await;
        }
        self.last().is_some_and(|last| last.at >= called)
    }

    async fn run(&self, request: impl AsyncFnOnce() -> bool) {
        let succeeded = request().await;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Request {
            at: Instant::now(),
            succeeded,
        });
    }

    fn last(&self) -> Option<Request> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_older_than(&self, pause: Duration) -> bool {
        self.last().is_none_or(|last| last.at.elapsed() >= pause)
    }
}
