//! Starts a supervisor that outlives the command that started it.
//!
//! The supervisor reports the progress of the start on its standard output. The launcher holds the
//! supervisor's standard input open until the stack is ready. If the launcher ends before that, by
//! Ctrl-C or `kill -9`, the supervisor reads the end of its input and stops all services.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    process::Stdio,
    thread,
};

use anyhow::{Context, Result, anyhow};
use chrono::{SecondsFormat, Utc};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    sync::oneshot,
};

use super::project::{Project, StackState};
use crate::progress::Progress;

const READY: &str = "ready";
const PROGRESS: &str = "progress ";
const FAILED: &str = "failed ";

/// Starts this program with `arguments` in a new session, and waits until it reports that it is ready.
pub async fn launch_supervisor(
    project: &Project,
    arguments: Vec<OsString>,
    progress: &Progress,
) -> Result<StackState> {
    let log = project.log("supervisor");
    std::fs::create_dir_all(project.logs())
        .with_context(|| format!("failed to create {}", project.logs().display()))?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("failed to open {}", log.display()))?;
    let program = std::env::current_exe().context("failed to find the file of this program")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(file);
    #[expect(
        unsafe_code,
        reason = "std cannot start a session; without one, closing the terminal would stop the stack"
    )]
    // SAFETY: `setsid` is async-signal-safe and does not allocate.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    let mut child = command.spawn().context("failed to start the supervisor")?;
    let output = child
        .stdout
        .take()
        .context("the supervisor has no output")?;
    // Held until the stack is ready: the supervisor stops when this pipe closes.
    let _input = child.stdin.take();
    let mut lines = BufReader::new(output).lines();
    let mut failure = anyhow!(
        "the supervisor exited during its start; see {}",
        log.display()
    );
    while let Some(line) = lines
        .next_line()
        .await
        .context("failed to read the supervisor's output")?
    {
        if line == READY {
            return project.read_state();
        } else if let Some(message) = line.strip_prefix(PROGRESS) {
            progress.report(message);
        } else if let Some(message) = line.strip_prefix(FAILED) {
            // The supervisor still stops its services; it has exited when its output ends.
            failure = anyhow!("{message}");
        }
    }
    let _ = child.wait().await;
    Err(failure)
}

/// The supervisor's connection to the launcher.
#[derive(Clone, Copy, Debug)]
pub struct Launcher;

impl Launcher {
    /// Returns a sink that sends progress to the launcher and to the log.
    #[must_use]
    pub fn progress(self) -> Progress {
        Progress::new(|line| {
            log(line);
            tell(&format!("{PROGRESS}{line}"));
        })
    }

    /// Reports that the stack is ready, so the launcher may exit.
    pub fn report_ready(self) {
        log("ready");
        tell(READY);
    }

    /// Reports that the stack did not start.
    pub fn report_failure(self, message: &str) {
        log(message);
        tell(&format!("{FAILED}{message}"));
    }

    /// Waits until the launcher has exited or was killed.
    pub async fn wait_for_exit(self) {
        let (report, gone) = oneshot::channel();
        // A separate thread, because tokio's standard input would delay the end of the runtime.
        thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            let _ = report.send(());
        });
        let _ = gone.await;
    }
}

/// Ignores errors: the launcher may have exited. `println!` would panic.
fn tell(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

fn log(line: &str) {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let _ = writeln!(io::stderr(), "{now} {line}");
}
