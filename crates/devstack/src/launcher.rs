//! A supervisor that outlives the command that started it, and tells it how the start goes.
//!
//! The launcher holds the supervisor's standard input and reads its standard output until the stack is ready. If the
//! launcher goes before that, by Ctrl-C or `kill -9`, the supervisor sees the end of its input and stops everything.

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

use crate::{
    progress::Progress,
    project::{Project, StackState},
};

const READY: &str = "ready";
const PROGRESS: &str = "progress ";
const FAILED: &str = "failed ";

/// Starts this program again in a session of its own with `arguments`, and waits until it says that it is ready.
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
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(file);
    #[expect(
        unsafe_code,
        reason = "std cannot start a session; without one, the terminal's end would end the stack"
    )]
    // SAFETY: `setsid` is async-signal-safe and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    let mut child = command.spawn().context("failed to start the supervisor")?;
    let output = child
        .stdout
        .take()
        .context("the supervisor has no output")?;
    // Held until the stack is ready: its end is how the supervisor learns of ours.
    let _input = child.stdin.take();
    let mut lines = BufReader::new(output).lines();
    let mut failure = anyhow!(
        "the supervisor ended while it started; see {}",
        log.display()
    );
    while let Some(line) = lines.next_line().await.context("the supervisor's output")? {
        if line == READY {
            return project.read_state();
        } else if let Some(message) = line.strip_prefix(PROGRESS) {
            progress.report(message);
        } else if let Some(message) = line.strip_prefix(FAILED) {
            // It still stops what it had started; the end of its output is its end.
            failure = anyhow!("{message}");
        }
    }
    let _ = child.wait().await;
    Err(failure)
}

/// The supervisor's side: how it speaks to whoever launched it.
#[derive(Clone, Copy, Debug)]
pub struct Launcher;

impl Launcher {
    /// Tells the launcher, as long as it listens, and the log for good.
    #[must_use]
    pub fn progress(self) -> Progress {
        Progress::new(|line| {
            log(line);
            tell(&format!("{PROGRESS}{line}"));
        })
    }

    /// The stack is ready: the launcher may go.
    pub fn report_ready(self) {
        log("ready");
        tell(READY);
    }

    /// The stack did not start.
    pub fn report_failure(self, message: &str) {
        log(message);
        tell(&format!("{FAILED}{message}"));
    }

    /// Waits for the end of the launcher, in whatever way.
    pub async fn wait_for_exit(self) {
        let (report, gone) = oneshot::channel();
        // A thread of its own: tokio's standard input would hold up the end of the runtime.
        thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            let _ = report.send(());
        });
        let _ = gone.await;
    }
}

/// The launcher may have gone, which is no reason to fail, as `println!` would.
fn tell(line: &str) {
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}");
    let _ = output.flush();
}

fn log(line: &str) {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let _ = writeln!(io::stderr(), "{now} {line}");
}
