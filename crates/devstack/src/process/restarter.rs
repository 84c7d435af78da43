//! Restarts a service that exited without a request to stop, and one that runs without an effect.

use std::{
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{process::Process, progress::Progress};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A service that runs longer than this did not fail at its start, so the next pause is short again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Supervises one service until the task is aborted.
pub async fn keep_running(service: Arc<Process>, progress: Progress) {
    let mut pause = FIRST_PAUSE;
    loop {
        let since = Instant::now();
        let status = service.wait_for_exit().await;
        if !service.is_dead().await {
            // A user stopped or restarted the service.
            continue;
        }
        if since.elapsed() > HEALTHY {
            pause = FIRST_PAUSE;
        }
        let name = service.name();
        progress.report(format!(
            "{name} exited unexpectedly ({}); restarting it",
            describe(status)
        ));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match service.restart_if_dead().await {
            Ok(()) => progress.report(format!("{name} is running again")),
            Err(error) => progress.report(format!("{name} did not start: {error:#}")),
        }
    }
}

/// Kills a service that has failed its readiness check for `limit`, until the task is aborted. The task
/// of [`keep_running`] then restarts it. Temporal's development server can stay in this state after
/// its process was suspended, for example with the machine.
pub async fn replace_stuck(service: Arc<Process>, limit: Duration, progress: Progress) {
    let mut failing_since = None;
    loop {
        sleep(limit / 6).await;
        if service.state().0 != "running" || service.check_readiness().await.is_ok() {
            failing_since = None;
            continue;
        }
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= limit {
            progress.report(format!(
                "{} has not been ready for {} s; killing it",
                service.name(),
                limit.as_secs()
            ));
            service.crash().await;
            failing_since = None;
        }
    }
}

/// Describes an exit status. A shell reports a signal as 128 plus its number.
fn describe(status: Option<ExitStatus>) -> String {
    match status.and_then(|status| status.code()) {
        Some(code) if code > 128 => format!("signal {}", code - 128),
        Some(code) => format!("exit code {code}"),
        None => "killed together with its guard".to_owned(),
    }
}
