//! `logs`.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    time::Duration,
};

use anstream::adapter::strip_str;
use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::time::sleep;

use crate::stack::arguments::Logs;
use devstack::{Project, Stack};

/// Number of bytes at the end of a log in which the last lines are searched.
const WINDOW: u64 = 1 << 20;

/// Prints the last lines of the selected logs, and new lines with `--follow`.
pub(crate) async fn show_logs(arguments: Logs) -> Result<()> {
    let project = Project::from_current_folder()?;
    let names = log_names(arguments.service.as_deref());
    let mut logs: Vec<Log> = names
        .iter()
        .map(|name| Log {
            label: Label::new(name, names.len() > 1, arguments.output.json),
            path: project.log(name),
            position: 0,
            unfinished: Vec::new(),
        })
        .collect();
    if logs.iter().all(|log| !log.path.exists()) {
        bail!("logs: none exist in this folder; start the stack with `orderflow up`");
    }
    for log in &mut logs {
        let lines = log.read_last()?;
        let skipped = lines.len().saturating_sub(arguments.lines);
        if !print(&log.label, &lines[skipped..])? {
            return Ok(());
        }
    }
    if arguments.follow {
        follow(&mut logs).await
    } else {
        Ok(())
    }
}

async fn follow(logs: &mut [Log]) -> Result<()> {
    loop {
        sleep(Duration::from_millis(200)).await;
        for log in &mut *logs {
            let lines = log.read_next()?;
            if !print(&log.label, &lines)? {
                return Ok(());
            }
        }
    }
}

fn log_names(service: Option<&str>) -> Vec<&str> {
    match service {
        None => Stack::SERVICES.into_iter().chain(["supervisor"]).collect(),
        Some("app") => vec!["worker", "api"],
        Some(name) => vec![name],
    }
}

/// The mark of a line with the name of its service.
enum Label {
    None,
    Name(String),
    Json(String),
}

impl Label {
    fn new(name: &str, is_one_of_many: bool, json: bool) -> Self {
        match (json, is_one_of_many) {
            (true, _) => Self::Json(name.to_owned()),
            (false, true) => Self::Name(format!("{name:<10} | ")),
            (false, false) => Self::None,
        }
    }

    fn apply(&self, line: &str) -> String {
        match self {
            Self::None => line.to_owned(),
            Self::Name(name) => format!("{name}{line}"),
            Self::Json(name) => {
                json!({"service": name, "line": strip_str(line).to_string()}).to_string()
            }
        }
    }
}

struct Log {
    label: Label,
    path: PathBuf,
    position: u64,
    /// The start of a line that is not complete yet.
    unfinished: Vec<u8>,
}

impl Log {
    /// Reads the last lines within [`WINDOW`].
    fn read_last(&mut self) -> Result<Vec<String>> {
        let length = self.path.metadata().map_or(0, |about| about.len());
        self.position = length.saturating_sub(WINDOW);
        let cut = self.position > 0;
        let mut lines = self.read_next()?;
        if cut && !lines.is_empty() {
            lines.remove(0);
        }
        Ok(lines)
    }

    /// Reads the lines that were written since the last call. A missing file has no lines.
    fn read_next(&mut self) -> Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.with_context(|| format!("failed to open {}", self.path.display()))?,
        };
        if file.metadata()?.len() < self.position {
            // The file was removed and created again.
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.read_to_end(&mut self.unfinished)?;
        self.position += read as u64;
        let Some(end) = self.unfinished.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.unfinished.split_off(end + 1);
        let text = String::from_utf8_lossy(&self.unfinished).into_owned();
        self.unfinished = rest;
        Ok(text.lines().map(ToOwned::to_owned).collect())
    }
}

/// Prints lines and returns whether the output is still open, since `orderflow logs | head` is not
/// an error. Other servers may write colours; `anstream` removes them unless the output is a
/// terminal.
fn print(label: &Label, lines: &[String]) -> Result<bool> {
    let mut out = anstream::stdout().lock();
    for line in lines {
        match writeln!(out, "{}", label.apply(line)) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    Ok(true)
}
