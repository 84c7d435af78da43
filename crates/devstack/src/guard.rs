//! Servers that cannot outlive the process that asked for them.
//!
//! Each server runs under a small shell ([`guard.sh`](../guard.sh)) that leads a process group of its own and holds
//! one end of a socket pair; the other end lives in this process alone (close-on-exec). Whatever ends this process
//! (return, panic, abort, Ctrl-C, `kill -9`) closes it, and the shell stops the server. The shell also ends when the
//! server does, with its status, so that a supervisor sees the death.
//!
//! `PR_SET_PDEATHSIG` would be shorter and is wrong: it follows the spawning *thread*, and the test harness ends one
//! per test.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{
            net::UnixStream,
            process::{CommandExt, ExitStatusExt},
        },
    },
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::{sync::watch, time::timeout};

const SCRIPT: &str = include_str!("guard.sh");

/// What to run under a guard, and how to end it.
#[derive(Clone, Debug)]
pub struct GuardOptions {
    /// Shown in errors.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Added to the environment of this process.
    pub environment: Vec<(String, String)>,
    /// Taken out of the environment of this process.
    pub removed_environment: Vec<String>,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    /// The user (and group) to run as, where it is not this one.
    pub user: Option<u32>,
    /// How the server is asked to end, for example `TERM`.
    pub stop_signal: &'static str,
    /// How long it may take to end before it is killed.
    pub grace_period: Duration,
    /// Removed when this process has ended or hung up: for data that nobody needs afterwards.
    pub remove_folder: Option<PathBuf>,
}

/// A running server. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct Guard {
    pid: u32,
    line: Arc<Line>,
    ended: watch::Receiver<Option<ExitStatus>>,
    stop_signal: &'static str,
    patience: Duration,
}

/// Our end of the socket pair: closed means "stop the server".
#[derive(Debug)]
struct Line {
    stream: Mutex<Option<UnixStream>>,
    remove_folder: Option<PathBuf>,
}

impl Line {
    fn send(&self, signal: &str) {
        if let Some(stream) = lock(&self.stream).as_mut() {
            // If the guard is gone already, so is the server.
            let _ = stream.write_all(format!("{signal}\n").as_bytes());
        }
    }

    fn hang_up(&self) {
        if let Some(stream) = lock(&self.stream).take() {
            // A shutdown also reaches a duplicate, should another thread be between `fork` and `exec` right now.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Guard {
    /// Starts the server; its guard is in place before the server is.
    pub fn spawn(options: &GuardOptions) -> Result<Self> {
        let name = &options.name;
        if let Some(folder) = options.log.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&options.log)
            .with_context(|| format!("failed to open the log {}", options.log.display()))?;
        let (ours, theirs) = UnixStream::pair().context("failed to create a socket pair")?;

        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "orderflow-guard", options.stop_signal])
            .arg(options.grace_period.as_millis().div_ceil(100).to_string())
            .arg(options.remove_folder.clone().unwrap_or_default())
            .args(&options.command)
            .envs(options.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(
                log.try_clone()
                    .context("failed to duplicate the log's handle")?,
            )
            .stderr(log)
            .process_group(0);
        for key in &options.removed_environment {
            command.env_remove(key);
        }
        if let Some(user) = options.user {
            // Our own working folder may be closed to that user.
            command.uid(user).gid(user).current_dir("/");
        }
        let mut shell = command
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        // The command holds a copy of the shell's end: without this, the shell's death would not be seen.
        drop(command);

        let (report, ended) = watch::channel(None);
        let waiter = thread::spawn(move || {
            let status = shell.wait().ok();
            if status.and_then(|status| status.signal()) == Some(libc::SIGKILL) {
                // The guard killed its whole group, itself included: nobody waited for the server yet.
                wait_for_group(shell.id());
            }
            report.send_replace(status);
        });
        let pid = read_pid(&ours).with_context(|| format!("failed to start {name}"));
        let line = Arc::new(Line {
            stream: Mutex::new(Some(ours)),
            remove_folder: options.remove_folder.clone(),
        });
        register(Arc::clone(&line), waiter);
        match pid {
            Ok(pid) => Ok(Self {
                pid,
                line,
                ended,
                stop_signal: options.stop_signal,
                patience: options.grace_period,
            }),
            Err(error) => {
                line.hang_up();
                Err(error)
            }
        }
    }

    /// The process id of the server itself.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server has ended.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// A future that waits for the end of the server, for whatever reason.
    pub fn wait_for_exit(&self) -> impl Future<Output = Option<ExitStatus>> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(status) => *status,
                Err(_) => None,
            }
        }
    }

    /// Asks the server to end, and waits until it has and its folder is removed.
    pub async fn stop(self) {
        self.line.hang_up();
        self.wait_for_exit().await;
    }

    /// Asks the server to end, waits until it has, and leaves its folder for the next start.
    pub async fn stop_and_keep_folder(self) {
        self.line.send(self.stop_signal);
        if timeout(self.patience, self.wait_for_exit()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills the server at once (`SIGKILL`), and waits until it is gone. Its folder stays for the next start.
    pub async fn kill(self) {
        self.line.send("KILL");
        self.wait_for_exit().await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.line.hang_up();
    }
}

/// The first thing a guard says. The socket is read byte by byte so that nothing is lost in a buffer.
fn read_pid(stream: &UnixStream) -> Result<u32> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line)?;
    line.trim()
        .parse()
        .context("its guard (/bin/sh) ended before the server was started")
}

/// Waits until a group that was killed has no members, or a moment where `init` does not collect the dead.
fn wait_for_group(group: u32) {
    let Ok(group) = libc::pid_t::try_from(group) else {
        return;
    };
    let exists = || {
        #[expect(unsafe_code, reason = "std cannot ask for a process group")]
        // SAFETY: signal 0 is only a question, and `killpg` touches no memory of ours.
        let answer = unsafe { libc::killpg(group, 0) };
        answer == 0
    };
    let end = Instant::now() + Duration::from_secs(2);
    while exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
}

type Registered = (Arc<Line>, JoinHandle<()>);
static GUARDS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

fn register(line: Arc<Line>, waiter: JoinHandle<()>) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "statics are never dropped; `atexit` is the one place that runs at the end of every test binary"
        )]
        // SAFETY: the handler is a plain function that unwinds nowhere.
        unsafe {
            libc::atexit(stop_all);
        }
    });
    let mut guards = lock(&GUARDS);
    guards.retain(|(line, waiter)| line.remove_folder.is_some() || !waiter.is_finished());
    guards.push((line, waiter));
}

/// On an ordinary end, waits until everything is gone, so that nothing is left when `cargo test` returns.
extern "C" fn stop_all() {
    let guards = std::mem::take(&mut *lock(&GUARDS));
    for (line, _) in &guards {
        line.hang_up();
    }
    for (line, waiter) in guards {
        let _ = waiter.join();
        // The guard did this, unless its server was dead already.
        if let Some(folder) = &line.remove_folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A panic while one of these is held leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
