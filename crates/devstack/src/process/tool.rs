//! A program that runs to its end, such as a build. It stops when this process is killed.

use std::{ffi::OsString, fs, path::Path, time::Duration};

use anyhow::{Result, bail};

use super::guard::{Guard, GuardOptions};

impl GuardOptions {
    /// Returns the options of a program that runs to its end.
    pub(crate) fn tool(name: &str, command: Vec<OsString>, log: &Path) -> Self {
        Self {
            name: name.to_owned(),
            command,
            environment: Vec::new(),
            removed_environment: Vec::new(),
            log: log.to_owned(),
            user: None,
            stop_signal: "TERM",
            grace_period: Duration::from_secs(2),
            remove_folder: None,
        }
    }
}

impl Guard {
    /// Waits until the program has succeeded. The error has the last line of its log. `title` is the
    /// name of the program in the error.
    pub(crate) async fn wait_for_success(&self, title: &str, log: &Path) -> Result<()> {
        let status = self.wait_for_exit().await;
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        let text = fs::read_to_string(log).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        bail!(
            "{title} failed: {} (see {})",
            last.unwrap_or("no output"),
            log.display()
        );
    }
}
