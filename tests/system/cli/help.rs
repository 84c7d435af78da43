//! Help pages, usage errors, shell completions and output to a pipe.

use std::{fs, path::Path, process::Stdio};

use super::{assert_matches_snapshot, format_session_entry, program};
use crate::harness::Harness;

/// Returns the words of every visible command.
async fn list_commands() -> Vec<Vec<String>> {
    let manual = Harness::expect_stdout(program().arg("manual").output().await.unwrap());
    let lines = manual
        .lines()
        .filter_map(|line| line.strip_prefix("## orderflow "));
    lines
        .map(|path| path.split(' ').map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn every_command_has_help_with_an_example() {
    let mut pages = format_session_entry(
        &["--help"],
        &program().arg("--help").output().await.unwrap(),
    );
    for words in list_commands().await {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = program().args(&arguments).output().await.unwrap();
        let page = format_session_entry(&arguments, &help);
        assert!(page.contains("Examples:\n  "), "no example: {page}");
        pages += &page;
    }
    assert_matches_snapshot("help", &pages);
}

#[tokio::test]
async fn manual_equals_docs_cli_md() {
    let manual = Harness::expect_stdout(program().arg("manual").output().await.unwrap());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let written = fs::read_to_string(page).unwrap();
    assert!(
        manual == written,
        "docs/cli.md is out of date; run: cargo orderflow manual > docs/cli.md"
    );
}

#[tokio::test]
async fn usage_errors_print_one_line_and_exit_2() {
    let mut session = String::new();
    let invalid: &[&[&str]] = &[
        &["fly"],
        &["aprove", "x"],
        &["approve"],
        &["status"],
        &["confirm-payment", "x"],
        &["start-order", "x", "p", "--payment-id", "q"],
        &["load", "--orders", "0"],
        &["stock", "set", "ABC123", "many"],
        &["stock", "set", " padded", "1"],
        &["list", "--status", "nope"],
        &["list", "--customer", "no spaces"],
        &["logs", "--service", "nope"],
        &["restart", "nope"],
        &["up", "--profile", "nope"],
        &["start-order", "--profile", "nope"],
        &["start-order", "no spaces"],
        &["start-order", "x", "no spaces"],
        &["update-address", "x"],
        &["cancel", ""],
        &["describe", ""],
        &[
            "confirm-payment",
            "x",
            "--transaction-id",
            "t",
            "--amount",
            "abc",
        ],
        &[
            "confirm-payment",
            "x",
            "--transaction-id",
            "t",
            "--amount",
            "-5",
        ],
        &["confirm-delivery", "x", "--delivered-at", "nonsense"],
        &["db", ""],
        &["api-key", "create", "--name", "n", "--scopes", "nope"],
        &[
            "api-key",
            "create",
            "--name",
            "n",
            "--scopes",
            "orders:read",
            "--expires",
            "never",
        ],
        &[
            "api-key",
            "create",
            "--name",
            "a b",
            "--scopes",
            "orders:read",
        ],
        &["webhook", "send", "paypal", "x"],
        &["webhook", "send", "stripe", "x", "--event", "nope"],
        &["webhook", "send", "stripe", "x", "--amount", "-5"],
        &["webhook", "send", "stripe", "x", "--currency", "bitcoin"],
        &["webhook", "send", "stripe", "x", "--event-id", "a b"],
        &["webhooks", "list", "--outcome", "nope"],
        &["webhooks", "show"],
        &["completions", "tcsh"],
    ];
    let folder = tempfile::tempdir().unwrap();
    for arguments in invalid {
        let output = program()
            .args(*arguments)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), message.lines().count()),
            (Some(2), 1),
            "{arguments:?}: {message}"
        );
        session += &format_session_entry(arguments, &output);
    }
    assert_matches_snapshot("usage_errors", &session);
    assert_eq!(program().output().await.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Harness::expect_stdout(
            program()
                .args(["completions", shell])
                .output()
                .await
                .unwrap(),
        );
        assert!(
            script.contains("update-address") && script.contains("orderflow"),
            "{shell}: {script}"
        );
    }
}

/// A closed pipe, as of `| head -1`, is not an error; a full disk is an error of one line. Neither
/// panics.
#[tokio::test]
async fn full_disk_fails_but_closed_pipe_does_not() {
    for arguments in [
        &["completions", "bash"][..],
        &["manual"],
        &["ps"],
        &["--help"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = async |out: Stdio| {
            // Not `output`, which replaces standard output.
            let mut command = program();
            let command = command
                .args(arguments)
                .current_dir(folder.path())
                .stdout(out)
                .stderr(Stdio::piped());
            command.spawn().unwrap().wait_with_output().await.unwrap()
        };
        let closed = run(writer.into()).await;
        assert_eq!(
            (closed.status.code(), closed.stderr.len()),
            (Some(0), 0),
            "{arguments:?}: {closed:?}"
        );
        let full = run(fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into())
        .await;
        let message = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(
            (full.status.code(), message.lines().count()),
            (Some(1), 1),
            "{arguments:?}: {message}"
        );
        assert!(
            message.contains("No space left on device"),
            "{arguments:?}: {message}"
        );
    }
}

#[tokio::test]
async fn colour_is_used_on_request_only() {
    let harness = Harness::start().await;
    for service in ["worker", "api"] {
        assert!(
            harness.read_log(service).contains("INFO")
                && !harness.read_log(service).contains('\u{1b}'),
            "{}",
            harness.read_log(service)
        );
    }
    let check = Harness::expect_stdout(harness.run_orderflow(&["check"]).await);
    assert!(!check.contains('\u{1b}'), "{check:?}");
    let forced = harness
        .command()
        .arg("check")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .await
        .unwrap();
    assert!(Harness::expect_stdout(forced).contains('\u{1b}'));
    let disabled = harness
        .command()
        .arg("check")
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .await
        .unwrap();
    assert!(!Harness::expect_stdout(disabled).contains('\u{1b}'));
}
