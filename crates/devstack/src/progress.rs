//! Progress messages: one short line for each step that takes time.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

/// A sink for progress messages.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Returns a sink that calls `sink` with each line.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Returns a sink that prints to standard error, because programs read standard output.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(|line| {
            // `eprintln!` would panic after the reader has exited, as in `orderflow up 2>&1 | head`.
            let _ = writeln!(io::stderr(), "{line}");
        })
    }

    /// Returns a sink that discards all messages.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Reports one line.
    pub fn report(&self, line: impl AsRef<str>) {
        (self.0)(line.as_ref());
    }

    /// Waits for `work` and reports `line()` with the elapsed time every ten seconds.
    pub async fn report_while<T>(
        &self,
        line: impl Fn() -> String,
        work: impl Future<Output = T>,
    ) -> T {
        let started = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs(10));
        tick.tick().await;
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                _ = tick.tick() => self.report(format!("{} ({} s)", line(), started.elapsed().as_secs())),
            }
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Progress")
    }
}
