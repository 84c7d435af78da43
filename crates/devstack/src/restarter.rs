//! Starts a service again that died without having been asked to.

use std::{
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{process::Process, progress::Progress};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who lives longer than this has not died of its start: the next pause is a short one again.
const HEALTHY: Duration = Duration::from_secs(30);

/// Watches one service until it is aborted.
pub(crate) async fn keep_running(service: Arc<Process>, progress: Progress) {
    let mut pause = FIRST_PAUSE;
    loop {
        let since = Instant::now();
        let status = service.wait_for_exit().await;
        if !service.is_dead().await {
            // Stopped or restarted on purpose.
            continue;
        }
        if since.elapsed() > HEALTHY {
            pause = FIRST_PAUSE;
        }
        let name = service.name();
        progress.report(format!(
            "{name} died ({}); starting it again",
            describe(status)
        ));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match service.restart_if_dead().await {
            Ok(()) => progress.report(format!("{name} is back")),
            Err(error) => progress.report(format!("{name} did not start: {error:#}")),
        }
    }
}

/// A shell reports the death by a signal as 128 and its number.
fn describe(status: Option<ExitStatus>) -> String {
    match status.and_then(|status| status.code()) {
        Some(code) if code > 128 => format!("signal {}", code - 128),
        Some(code) => format!("exit code {code}"),
        None => "killed with its guard".to_owned(),
    }
}
