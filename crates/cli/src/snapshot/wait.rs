//! Waiting until RDS is done, and showing meanwhile how far it is.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use indicatif::ProgressBar;
use tokio::time::sleep;

use super::errors::is_transient;

/// What is small is done soon, what is large takes hours.
const FIRST_LOOK: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_secs(10);

/// For so long nobody may answer; what has begun goes on without us.
const PATIENCE: Duration = Duration::from_secs(300);

/// In which RDS stays until somebody does something.
const STUCK: [&str; 9] = [
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

/// How far it is: `creating`, and with luck a share of a hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) status: String,
    pub(super) percent: Option<String>,
}

/// Looks until `what` is available, and returns what was seen last.
pub(super) async fn wait_until_available<T, E: ProvideErrorMetadata, R>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, SdkError<E, R>>,
    stage: impl Fn(&T) -> Stage,
    refused: impl Fn(&SdkError<E, R>) -> anyhow::Error,
) -> Result<T> {
    let progress = Progress::of(what);
    let (mut pause, mut answered) = (FIRST_LOOK, Instant::now());
    loop {
        match look().await {
            Ok(seen) => {
                answered = Instant::now();
                let Stage { status, percent } = stage(&seen);
                if status == "available" {
                    return Ok(seen);
                }
                if STUCK.contains(&status.as_str()) || status.starts_with("incompatible-") {
                    bail!(
                        "{what} is {status}: its events say why (`aws rds describe-events --duration 1440`)"
                    );
                }
                progress.show(
                    &percent.map_or(status.clone(), |percent| format!("{status}, {percent} %")),
                );
            }
            Err(error) if is_transient(&error) && answered.elapsed() < PATIENCE => {
                progress.show("AWS does not answer")
            }
            Err(error) => return Err(anyhow!("{:#} ({what} goes on in AWS)", refused(&error))),
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LOOK);
    }
}

/// One line that changes on a terminal; elsewhere a line for each change.
struct Progress {
    what: String,
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    fn of(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            what: what.to_owned(),
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    fn show(&self, stage: &str) {
        let line = format!("{}: {stage}", self.what);
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
