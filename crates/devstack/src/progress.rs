//! What is going on, for whoever waits: one short line per thing that takes time.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

/// Where lines about progress go.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(&str) + Send + Sync>);

impl Progress {
    /// Hands every line to `sink`.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Prints to standard error, which stays out of the way of output that is read by programs.
    #[must_use]
    pub fn stderr() -> Self {
        Self::new(|line| {
            // `eprintln!` would panic where nobody reads any more, as in `orderflow up 2>&1 | head`.
            let _ = writeln!(io::stderr(), "{line}");
        })
    }

    /// Says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Says one line.
    pub fn report(&self, line: impl AsRef<str>) {
        (self.0)(line.as_ref());
    }

    /// Waits for `work`, and says `line()` with the time that has passed every ten seconds.
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
