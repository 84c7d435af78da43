//! Waits until a snapshot or an instance is available, and shows the progress.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use indicatif::ProgressBar;
use tokio::time::sleep;

use super::errors::is_transient;

/// Intervals between two calls; they grow, since small databases take minutes and large ones hours.
const FIRST_INTERVAL: Duration = Duration::from_millis(300);
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// Longest outage of RDS that is tolerated. The operation continues in AWS without this program.
const MAX_OUTAGE: Duration = Duration::from_secs(300);

/// Statuses that do not change unless an operator acts.
const STUCK_STATUSES: [&str; 9] = [
    "failed",
    "deleting",
    "deleted",
    "stopping",
    "stopped",
    "storage-full",
    "restore-error",
    "insufficient-capacity",
    "inaccessible-encryption-credentials",
];

/// The progress of an operation: a status such as `creating`, and a percentage if RDS reports one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) status: String,
    pub(super) percent: Option<String>,
}

/// Waits until the subject is available, and returns its last description.
pub(super) async fn wait_until_available<T, E: ProvideErrorMetadata, R>(
    subject: &str,
    mut describe: impl AsyncFnMut() -> Result<T, SdkError<E, R>>,
    stage: impl Fn(&T) -> Stage,
    explain: impl Fn(&SdkError<E, R>) -> anyhow::Error,
) -> Result<T> {
    let progress = Progress::new(subject);
    let (mut pause, mut last_response) = (FIRST_INTERVAL, Instant::now());
    loop {
        match describe().await {
            Ok(description) => {
                last_response = Instant::now();
                let Stage { status, percent } = stage(&description);
                if status == "available" {
                    return Ok(description);
                }
                if STUCK_STATUSES.contains(&status.as_str()) || status.starts_with("incompatible-")
                {
                    bail!(
                        "{subject}: {status}; see the reason with `aws rds describe-events --duration 1440`"
                    );
                }
                progress.show(
                    &percent.map_or(status.clone(), |percent| format!("{status}, {percent} %")),
                );
            }
            Err(error) if is_transient(&error) && last_response.elapsed() < MAX_OUTAGE => {
                progress.show("AWS does not respond")
            }
            Err(error) => {
                return Err(anyhow!(
                    "{:#} (the operation on {subject} continues in AWS)",
                    explain(&error)
                ));
            }
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(MAX_INTERVAL);
    }
}

/// Shows the progress: one line that changes on a terminal, else one line per change.
struct Progress {
    subject: String,
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    fn new(subject: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            subject: subject.to_owned(),
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    fn show(&self, stage: &str) {
        let line = format!("{}: {stage}", self.subject);
        if stderr().is_terminal() {
            self.bar.set_message(line);
        } else if self.last.replace(line.clone()) != line {
            eprintln!("{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
