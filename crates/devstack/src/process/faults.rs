//! Faults of a running server: a crash, and a freeze as of a host that stalls.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Command, time::sleep};

use super::Process;

impl Process {
    /// Kills the server with `SIGKILL`. Unlike after [`Process::kill`], a supervisor restarts it.
    /// Returns whether it was running.
    pub async fn crash(&self) -> bool {
        let pid = self.server_pid().await;
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }

    /// Stops the server and its child processes with `SIGSTOP`, and continues them after this time.
    /// Returns whether it was running.
    pub async fn freeze(&self, time: Duration) -> bool {
        let Some(pid) = self.server_pid().await else {
            return false;
        };
        let mut frozen = vec![pid];
        frozen.extend(children(pid).await);
        for pid in &frozen {
            // A child can have ended meanwhile.
            let _ = kill_process(*pid, Signal::STOP);
        }
        let _thaw = Thaw(frozen);
        sleep(time).await;
        true
    }

    async fn server_pid(&self) -> Option<Pid> {
        to_pid(self.pid().await?.try_into().ok()?)
    }
}

/// Continues frozen processes when it is dropped, also if the caller gives up.
struct Thaw(Vec<Pid>);

impl Drop for Thaw {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

/// Returns the child processes, such as the backends of PostgreSQL. Without `pgrep` there are none.
async fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let listed = Command::new("pgrep").args(["-P", &parent]).output().await;
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| to_pid(line.trim().parse().ok()?))
        .collect()
}

fn to_pid(raw: i32) -> Option<Pid> {
    Pid::from_raw(raw)
}
