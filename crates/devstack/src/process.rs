//! One server: its guard, how to tell that it is ready, and how to start it again in the same place.

use std::{fs, process::ExitStatus, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep},
};

use crate::{
    guard::{Guard, GuardOptions},
    readiness::Readiness,
};

const POLL: Duration = Duration::from_millis(50);

/// A server that can be stopped, killed and started again on the same ports and data.
#[derive(Debug)]
pub struct Process {
    options: GuardOptions,
    readiness: Readiness,
    /// How long a start may take.
    deadline: Duration,
    /// `None` while it is stopped on purpose.
    running: Mutex<Option<Guard>>,
    started: Notify,
}

impl Process {
    /// Starts a server and waits until it is ready.
    pub async fn start(
        options: GuardOptions,
        readiness: Readiness,
        deadline: Duration,
    ) -> Result<Self> {
        let process = Self {
            options,
            readiness,
            deadline,
            running: Mutex::new(None),
            started: Notify::new(),
        };
        let guard = process.launch().await?;
        *process.running.lock().await = Some(guard);
        Ok(process)
    }

    /// The name it goes by in logs and on the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// The process id of the server, unless it is stopped or dead.
    pub async fn pid(&self) -> Option<u32> {
        let running = self.running.lock().await;
        running
            .as_ref()
            .filter(|guard| !guard.has_exited())
            .map(Guard::pid)
    }

    /// One word for `ps`, and the process id, without waiting for a start or a stop that is going on.
    #[must_use]
    pub fn state(&self) -> (&'static str, Option<u32>) {
        let Ok(running) = self.running.try_lock() else {
            return ("starting", None);
        };
        match running.as_ref() {
            None => ("stopped", None),
            Some(guard) if guard.has_exited() => ("starting", None),
            Some(guard) => ("running", Some(guard.pid())),
        }
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&self) {
        if let Some(guard) = self.running.lock().await.take() {
            guard.stop().await;
        }
    }

    /// Kills it with `SIGKILL` and leaves it dead, as a crash would; a supervisor will not start it again.
    pub async fn kill(&self) {
        if let Some(guard) = self.running.lock().await.take() {
            guard.kill().await;
        }
    }

    /// Starts it again, after an orderly stop if it still runs, and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if let Some(guard) = running.take() {
            guard.stop_and_keep_folder().await;
        }
        *running = Some(self.launch().await?);
        self.started.notify_waiters();
        Ok(())
    }

    /// Waits for the end of the server; while it is stopped, for its next start first.
    pub(crate) async fn wait_for_exit(&self) -> Option<ExitStatus> {
        loop {
            let started = self.started.notified();
            let ended = self.running.lock().await.as_ref().map(Guard::wait_for_exit);
            match ended {
                Some(ended) => return ended.await,
                None => started.await,
            }
        }
    }

    /// Whether it died and nobody stopped or restarted it since.
    pub(crate) async fn is_dead(&self) -> bool {
        let running = self.running.lock().await;
        running.as_ref().is_some_and(Guard::has_exited)
    }

    /// Starts it again if it is dead and nobody stopped or restarted it meanwhile.
    pub(crate) async fn restart_if_dead(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(Guard::has_exited) {
            // On failure the dead guard stays in its place: still dead, still to be revived.
            *running = Some(self.launch().await?);
        }
        Ok(())
    }

    async fn launch(&self) -> Result<Guard> {
        let end = Instant::now() + self.deadline;
        let mut guard = Guard::spawn(&self.options)?;
        loop {
            let problem = match self.readiness.check().await {
                Ok(()) if !guard.has_exited() => return Ok(guard),
                Ok(()) => anyhow!("something else answers in its place"),
                Err(problem) => problem,
            };
            if Instant::now() >= end {
                return Err(problem).with_context(|| {
                    format!(
                        "{} was not ready within {} s{}",
                        self.name(),
                        self.deadline.as_secs(),
                        self.last_words()
                    )
                });
            }
            if guard.has_exited() {
                if !self.readiness.may_retry_start() {
                    return Err(anyhow!(
                        "{} ended while it started{}",
                        self.name(),
                        self.last_words()
                    ));
                }
                // What is left of a server that was killed a moment ago may still hold the data.
                sleep(Duration::from_millis(300)).await;
                guard = Guard::spawn(&self.options)?;
            }
            sleep(POLL).await;
        }
    }

    /// The end of the log, for errors: one line, and where the rest is.
    fn last_words(&self) -> String {
        let log = &self.options.log;
        let text = fs::read_to_string(log).unwrap_or_default();
        let words = text.lines().rev().find(|line| !line.trim().is_empty());
        // Some servers put a whole stack into a line.
        let words: String = words.unwrap_or("none").chars().take(300).collect();
        format!("; its last words: {} (see {})", words, log.display())
    }
}
