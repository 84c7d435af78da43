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

/// How far back to look for the last lines.
const WINDOW: u64 = 1 << 20;

/// Shows the last lines of the wanted services, and with `--follow` what comes.
pub(crate) async fn show_logs(arguments: Logs) -> Result<()> {
    let project = Project::from_current_folder()?;
    let names = names(arguments.service.as_deref());
    let mut logs: Vec<Log> = names
        .iter()
        .map(|name| Log {
            label: Label::of(name, names.len() > 1, arguments.output.json),
            path: project.log(name),
            position: 0,
            unfinished: Vec::new(),
        })
        .collect();
    if logs.iter().all(|log| !log.path.exists()) {
        bail!("there are no logs yet; start the stack with `orderflow up`");
    }
    for log in &mut logs {
        let lines = log.last()?;
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
            let lines = log.next()?;
            if !print(&log.label, &lines)? {
                return Ok(());
            }
        }
    }
}

fn names(service: Option<&str>) -> Vec<&str> {
    match service {
        None => Stack::SERVICES.into_iter().chain(["supervisor"]).collect(),
        Some("app") => vec!["worker", "api"],
        Some(name) => vec![name],
    }
}

/// What stands before a line, or around it.
enum Label {
    None,
    Name(String),
    Json(String),
}

impl Label {
    fn of(name: &str, is_one_of_many: bool, json: bool) -> Self {
        match (json, is_one_of_many) {
            (true, _) => Self::Json(name.to_owned()),
            (false, true) => Self::Name(format!("{name:<10} | ")),
            (false, false) => Self::None,
        }
    }

    fn on(&self, line: &str) -> String {
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
    /// A line whose end is not written yet.
    unfinished: Vec<u8>,
}

impl Log {
    /// The last lines, as far as the window reaches.
    fn last(&mut self) -> Result<Vec<String>> {
        let length = self.path.metadata().map_or(0, |about| about.len());
        self.position = length.saturating_sub(WINDOW);
        let cut = self.position > 0;
        let mut lines = self.next()?;
        if cut && !lines.is_empty() {
            lines.remove(0);
        }
        Ok(lines)
    }

    /// What was written since the last look; nothing if there is no such file yet.
    fn next(&mut self) -> Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.with_context(|| format!("failed to open {}", self.path.display()))?,
        };
        if file.metadata()?.len() < self.position {
            // Removed and begun again.
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

/// Whether somebody still reads: `orderflow logs | head` is no failure. Servers that are not ours may colour what they
/// write; that reaches a terminal only.
fn print(label: &Label, lines: &[String]) -> Result<bool> {
    let mut out = anstream::stdout().lock();
    for line in lines {
        match writeln!(out, "{}", label.on(line)) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(false),
            written => written?,
        }
    }
    Ok(true)
}
