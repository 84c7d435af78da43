//! Runs servers that cannot outlive this process.
//!
//! Each server runs under a small shell script (`guard.sh`) that leads a separate
//! process group and holds one end of a socket pair. Only this process has the other end
//! (close-on-exec). The kernel closes it when this process ends for any reason (return, panic,
//! abort, Ctrl-C, `kill -9`), and the script then stops the server. The script exits with the
//! server's status when the server exits, so that a supervisor detects it.
//!
//! `PR_SET_PDEATHSIG` would be shorter but does not work here: it follows the *thread* that spawned
//! the process, and the test harness ends one thread per test.

use std::{
    ffi::{OsString, c_int},
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
use rustix::process::{Pid, Signal, test_kill_process_group};
use tokio::{sync::watch, time::timeout};

const SCRIPT: &str = include_str!("guard.sh");

/// A server's command, and the way to stop it.
#[derive(Clone, Debug)]
pub struct GuardOptions {
    /// The name in error messages.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Variables that are added to the environment of this process.
    pub environment: Vec<(String, String)>,
    /// Variables that are removed from the environment of this process.
    pub removed_environment: Vec<String>,
    /// The file to which standard output and standard error are appended.
    pub log: PathBuf,
    /// The user id and group id, if they differ from those of this process.
    pub user: Option<u32>,
    /// The signal that stops the server, for example `TERM`.
    pub stop_signal: &'static str,
    /// The time that the server may take to exit before it is killed.
    pub grace_period: Duration,
    /// A folder with temporary data, removed after the stop of the server or the end of this process.
    pub remove_folder: Option<PathBuf>,
}

/// A running server. Dropping the value stops the server without waiting for its exit.
#[derive(Debug)]
pub struct Guard {
    pid: u32,
    line: Arc<Line>,
    ended: watch::Receiver<Option<ExitStatus>>,
    stop_signal: &'static str,
    patience: Duration,
}

/// Our end of the socket pair. Closing it stops the server.
#[derive(Debug)]
struct Line {
    stream: Mutex<Option<UnixStream>>,
    remove_folder: Option<PathBuf>,
}

impl Line {
    fn send(&self, signal: &str) {
        if let Some(stream) = lock(&self.stream).as_mut() {
            // If the guard has exited, so has the server.
            let _ = stream.write_all(format!("{signal}\n").as_bytes());
        }
    }

    fn hang_up(&self) {
        if let Some(stream) = lock(&self.stream).take() {
            // A shutdown also affects a duplicate, which exists while another thread is between `fork`
            // and `exec`.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Guard {
    /// Starts the guard, which then starts the server.
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
            // That user may not be able to enter our working folder.
            command.uid(user).gid(user).current_dir("/");
        }
        let mut shell = command
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        // The command holds a copy of the shell's end. While it is open, the exit of the shell does not
        // close the socket.
        drop(command);

        let (report, ended) = watch::channel(None);
        let waiter = thread::spawn(move || {
            let status = shell.wait().ok();
            if status.and_then(|status| status.signal()) == Some(Signal::KILL.as_raw()) {
                // The guard killed its whole process group, itself included, without waiting for the
                // server's exit.
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

    /// Returns the process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the server has exited.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Waits until the server has exited for any reason.
    pub fn wait_for_exit(&self) -> impl Future<Output = Option<ExitStatus>> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(status) => *status,
                Err(_) => None,
            }
        }
    }

    /// Stops the server, and waits until it has exited and its folder is removed.
    pub async fn stop(self) {
        self.line.hang_up();
        self.wait_for_exit().await;
    }

    /// Stops the server, waits until it has exited, and keeps its folder for the next start.
    pub async fn stop_and_keep_folder(self) {
        self.line.send(self.stop_signal);
        if timeout(self.patience, self.wait_for_exit()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills the server with `SIGKILL`, waits until it has exited, and keeps its folder for the next start.
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

/// Reads the first line of a guard. Reading one byte at a time leaves later lines in the socket.
fn read_pid(stream: &UnixStream) -> Result<u32> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line)?;
    line.trim()
        .parse()
        .context("its guard (/bin/sh) exited before it started the server")
}

/// Waits until a killed process group is empty, at most two seconds: some containers have an `init`
/// that does not reap processes.
fn wait_for_group(group: u32) {
    let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) else {
        return;
    };
    let exists = || test_kill_process_group(group).is_ok();
    let end = Instant::now() + Duration::from_secs(2);
    while exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
}

#[expect(
    unsafe_code,
    reason = "std has no call to run code at the end of a process"
)]
unsafe extern "C" {
    fn atexit(handler: extern "C" fn()) -> c_int;
}

type Registered = (Arc<Line>, JoinHandle<()>);
static GUARDS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

fn register(line: Arc<Line>, waiter: JoinHandle<()>) {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "statics are never dropped; only `atexit` runs at the end of every test binary"
        )]
        // SAFETY: the handler is a plain function that does not panic.
        unsafe {
            atexit(stop_all);
        }
    });
    let mut guards = lock(&GUARDS);
    guards.retain(|(line, waiter)| line.remove_folder.is_some() || !waiter.is_finished());
    guards.push((line, waiter));
}

/// Waits at a regular exit until all servers have exited, so that none is left when `cargo test` returns.
extern "C" fn stop_all() {
    let guards = std::mem::take(&mut *lock(&GUARDS));
    for (line, _) in &guards {
        line.hang_up();
    }
    for (line, waiter) in guards {
        let _ = waiter.join();
        // The guard has removed the folder, unless its server had exited before.
        if let Some(folder) = &line.remove_folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Locks a mutex. A panic while it is locked leaves no incomplete data, so poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
