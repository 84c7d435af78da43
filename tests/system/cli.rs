//! The command line. Its output is compared with `cli/snapshots`, without times, ids and addresses.
//!
//! After an intended change, `INSTA_UPDATE=always cargo test -p orderflow-system-tests cli` updates
//! the snapshots.

mod acceptance;
mod customer;
mod database;
mod endpoints;
mod help;
mod menu;
mod newer_schema;
mod orders;
mod providers;
mod search_attributes;
mod show;
mod snapshot;
mod stack;
mod stats;
mod temporal_cloud;
mod workflows;

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::Value;
use tokio::process::Command;

use crate::harness::Harness;

const PROGRAM: &str = env!("CARGO_BIN_EXE_orderflow-under-test");

/// Returns a command of the program without the settings of the tests' environment.
fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for name in [
        "DATABASE_URL",
        "TEMPORAL_ADDRESS",
        "TEMPORAL_NAMESPACE",
        "ORDERFLOW_URL",
        "ORDER_PROFILE",
        "ORDERFLOW_LOCAL_DATABASE_URL",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

impl Harness {
    /// Runs the program with the addresses of this harness.
    pub(crate) async fn run_orderflow(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().await.unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = program();
        command
            .env("ORDERFLOW_URL", &self.url)
            .env("TEMPORAL_ADDRESS", &self.temporal_address)
            .env("ORDER_TASK_QUEUE", &self.orders_task_queue)
            .env("SHIPPING_TASK_QUEUE", &self.shipping_task_queue)
            .env("DATABASE_URL", &self.database_url);
        command
    }

    /// Returns the standard output of a command that must succeed.
    #[track_caller]
    fn expect_stdout(output: Output) -> String {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn run_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&Self::expect_stdout(self.run_orderflow(arguments).await)).unwrap()
    }

    /// Runs the commands one after the other, and returns them with their output as in a terminal.
    async fn record_session(&self, commands: &[&[&str]]) -> String {
        let mut session = String::new();
        for arguments in commands {
            session.push_str(&format_session_entry(
                arguments,
                &self.run_orderflow(arguments).await,
            ));
        }
        session
    }
}

/// Formats one command as in a terminal: the command line, its output and its exit code.
fn format_session_entry(arguments: &[&str], output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let quoted = |argument: &&str| {
        if argument.contains(' ') {
            format!("'{argument}'")
        } else {
            (*argument).to_owned()
        }
    };
    let words: Vec<_> = arguments.iter().map(quoted).collect();
    let mut shown = format!("$ orderflow {}\n", words.join(" "));
    for part in [text(&output.stdout), text(&output.stderr)]
        .iter()
        .filter(|part| !part.is_empty())
    {
        shown.push_str(part);
        shown.push('\n');
    }
    match output.status.code() {
        Some(0) => shown.push('\n'),
        code => shown.push_str(&format!("[exit code {}]\n\n", code.unwrap_or(-1))),
    }
    shown
}

/// Compares a text with the snapshot of this name. Values that differ between runs are replaced.
#[track_caller]
fn assert_matches_snapshot(name: &str, text: &str) {
    insta::with_settings!({
        prepend_module_to_snapshot => false,
        omit_expression => true,
        snapshot_path => Path::new("cli/snapshots"),
        filters => vec![
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00|\+00)", "[time]"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
            (r"ORD-\d{8}-\d{6}-[A-Z2-7]{4}", "[order]"),
            (r"txn_[0-9a-f]+", "[transaction]"),
            (r"ep_[0-9a-f]{24}", "[endpoint]"),
            (r"postgres://\S+:\d+/\w+", "[database]"),
            (r"127\.0\.0\.1:\d+", "[address]"),
            (r"(orders|shipping)_\d+_\d+", "[$1 queue]"),
            (r"[0-9a-f]{64}", "[hash]"),
            (r"\b[0-9a-f]{16,32}\b", "[id]"),
            (r#""pid":\s*\d+"#, r#""pid":[pid]"#),
            (r"\b\d+(\.\d+)? (ms|s)\b", "[duration]"),
            (r"all \d+ applied", "all [count] applied"),
            // A reader that waited too long for the worker takes the row.
            (r"from (workflow|database)", "from [source]"),
            (r#""source":"(workflow|database)""#, r#""source":"[source]""#),
            // The width of a column depends on the replaced values.
            (r" {2,}", "  "),
        ],
    }, { insta::assert_snapshot!(name, text) });
}
