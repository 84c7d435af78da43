//! One server with its guard and its readiness check; it can be restarted with the same ports and data.

mod faults;
pub mod guard;
pub(crate) mod readiness;
pub(crate) mod restarter;
mod tool;

use std::{fs, process::ExitStatus, time::Duration};

use anyhow::{Context, Result, anyhow};
use guard::{Guard, GuardOptions};
use readiness::Readiness;
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep},
};

const POLL: Duration = Duration::from_millis(50);

/// A server that can be stopped, killed and started again on the same ports and data.
#[derive(Debug)]
pub struct Process {
    options: GuardOptions,
    readiness: Readiness,
    /// The longest time of a start.
    deadline: Duration,
    /// `None` after a request to stop.
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

    /// Returns the name for logs and for the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Returns the process id of the server, or `None` if it is not running.
    pub async fn pid(&self) -> Option<u32> {
        let running = self.running.lock().await;
        running
            .as_ref()
            .filter(|guard| !guard.has_exited())
            .map(Guard::pid)
    }

    /// Returns the state for `ps` and the process id, without waiting for a start or stop in progress.
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

    /// Stops the server and waits until it has exited.
    pub async fn stop(&self) {
        if let Some(guard) = self.running.lock().await.take() {
            guard.stop().await;
        }
    }

    /// Kills the server with `SIGKILL`, like a crash. A supervisor does not restart it.
    pub async fn kill(&self) {
        if let Some(guard) = self.running.lock().await.take() {
            guard.kill().await;
        }
    }

    /// Stops the server if it is running, starts it and waits until it is ready.
    pub async fn restart(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if let Some(guard) = running.take() {
            guard.stop_and_keep_folder().await;
        }
        *running = Some(self.launch().await?);
        self.started.notify_waiters();
        Ok(())
    }

    /// Checks once whether the server is ready.
    pub(crate) async fn check_readiness(&self) -> Result<()> {
        self.readiness.check().await
    }

    /// Waits until the server has exited. If it is stopped, waits for its next start first.
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

    /// Returns whether the server has exited without a request to stop.
    pub(crate) async fn is_dead(&self) -> bool {
        let running = self.running.lock().await;
        running.as_ref().is_some_and(Guard::has_exited)
    }

    /// Restarts the server if it has exited without a request to stop.
    pub(crate) async fn restart_if_dead(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(Guard::has_exited) {
            // On failure the old guard stays, so the next call tries again.
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
                Ok(()) => anyhow!("another program answers at its address"),
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
                        "{} exited during its start{}",
                        self.name(),
                        self.last_words()
                    ));
                }
                // A process of a server that was just killed may still lock the data.
                sleep(Duration::from_millis(300)).await;
                guard = Guard::spawn(&self.options)?;
            }
            sleep(POLL).await;
        }
    }

    /// Returns the last line of the log and its path, for an error message.
    fn last_words(&self) -> String {
        let log = &self.options.log;
        let text = fs::read_to_string(log).unwrap_or_default();
        let words = text.lines().rev().find(|line| !line.trim().is_empty());
        // Some servers write a whole stack trace into one line.
        let words: String = words.unwrap_or("none").chars().take(300).collect();
        format!("; last line of its log: {} (see {})", words, log.display())
    }
}
