//! What can be typed, and what is said when it is not that.

use std::{fs, path::Path, process::Stdio};

use super::{assert_matches_snapshot, format_session_entry, program};
use crate::harness::Harness;

/// Every command that is not hidden, by its words.
async fn commands() -> Vec<Vec<String>> {
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
    for words in commands().await {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = program().args(&arguments).output().await.unwrap();
        let page = format_session_entry(&arguments, &help);
        assert!(page.contains("Examples:\n  "), "no example: {page}");
        pages += &page;
    }
    assert_matches_snapshot("help", &pages);
}

#[tokio::test]
async fn docs_cli_md_is_what_the_program_says() {
    let manual = Harness::expect_stdout(program().arg("manual").output().await.unwrap());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let written = fs::read_to_string(page).unwrap();
    assert!(
        manual == written,
        "renew it: cargo orderflow manual > docs/cli.md"
    );
}

#[tokio::test]
async fn a_slip_is_told_in_one_line_with_exit_code_2() {
    let mut session = String::new();
    let slips: &[&[&str]] = &[
        &["fly"],
        &["aprove", "x"],
        &["approve"],
        &["status"],
        &["confirm-payment", "x"],
        &["start-order", "x", "p", "--payment-id", "q"],
        &["load", "--orders", "0"],
        &["stock", "set", "ABC123", "many"],
        &["stock", "set", "no spaces", "1"],
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
    for slip in slips {
        let output = program()
            .args(*slip)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), said.lines().count()),
            (Some(2), 1),
            "{slip:?}: {said}"
        );
        session += &format_session_entry(slip, &output);
    }
    assert_matches_snapshot("slips", &session);
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

/// `| head -1` is no failure; a disk that is full is one, told in one line. Neither is a panic.
#[tokio::test]
async fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
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
            // Not `output`, which takes standard output for itself.
            let mut command = program();
            let command = command
                .args(arguments)
                .current_dir(folder.path())
                .stdout(out)
                .stderr(Stdio::piped());
            command.spawn().unwrap().wait_with_output().await.unwrap()
        };
        let unread = run(writer.into()).await;
        assert_eq!(
            (unread.status.code(), unread.stderr.len()),
            (Some(0), 0),
            "{arguments:?}: {unread:?}"
        );
        let full = run(fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into())
        .await;
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        assert_eq!(
            (full.status.code(), said.lines().count()),
            (Some(1), 1),
            "{arguments:?}: {said}"
        );
        assert!(
            said.contains("No space left on device"),
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test]
async fn nothing_is_coloured_where_nobody_sees_it() {
    let world = Harness::start().await;
    for service in ["worker", "api"] {
        assert!(
            world.read_log(service).contains("INFO") && !world.read_log(service).contains('\u{1b}'),
            "{}",
            world.read_log(service)
        );
    }
    let check = Harness::expect_stdout(world.run_orderflow(&["check"]).await);
    assert!(!check.contains('\u{1b}'), "{check:?}");
    let wanted = world
        .command()
        .arg("check")
        .env("CLICOLOR_FORCE", "1")
        .output()
        .await
        .unwrap();
    assert!(Harness::expect_stdout(wanted).contains('\u{1b}'));
    let unwanted = world
        .command()
        .arg("check")
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .await
        .unwrap();
    assert!(!Harness::expect_stdout(unwanted).contains('\u{1b}'));
}
