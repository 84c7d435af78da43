//! The commands of `docs/signals-and-queries.md`, of `docs/order-examples.md` and of the session in
//! `README.md` print the output that the pages show.

use std::{fmt::Write as _, process::Command};

use super::read_file;
use crate::{harness::Harness, webhooks};

const SKIPPED: &str = "SKIPPED: the commands of the pages need bash, curl and jq";
/// Printed after each step, to tell their outputs apart.
const END_OF_STEP: &str = "--end-of-step--";

/// Commands of a page, and the output that the page shows below them.
struct Step {
    commands: String,
    output: Option<String>,
}

/// Returns the steps in the `sh` blocks of `page`. Comment lines show the output of the commands
/// above them.
fn parse_steps(page: &str) -> Vec<Step> {
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(parse_block).collect()
}

fn parse_block(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines().filter(|line| !line.is_empty()) {
        let Some(shown) = line.strip_prefix("# ") else {
            match steps.last_mut().filter(|step| step.output.is_none()) {
                Some(step) => write!(step.commands, "\n{line}").unwrap(),
                None => steps.push(Step {
                    commands: line.to_owned(),
                    output: None,
                }),
            }
            continue;
        };
        let step = steps.last_mut().expect("an output needs a command above");
        match &mut step.output {
            Some(output) => write!(output, "\n{shown}").unwrap(),
            None => step.output = Some(shown.to_owned()),
        }
    }
    steps
}

/// `curl` that waits again for the end of an order, which takes longer on a slow machine.
const WAITING_CURL: &str = r#"
curl() {
    local response
    while response=$(command curl "$@"); do
        case "$*$response" in
            *"Prefer: wait"*order_running*) ;;
            *) break ;;
        esac
    done
    printf '%s\n' "$response"
}
"#;

/// Runs all steps in one shell, as a reader who pastes the page, and compares each output.
async fn run_page(harness: &Harness, steps: &[Step]) {
    let mut script = WAITING_CURL.to_owned();
    for step in steps {
        let commands = step
            .commands
            .replace("localhost:8000", harness.url.trim_start_matches("http://"))
            .replace(
                "cargo orderflow",
                env!("CARGO_BIN_EXE_orderflow-under-test"),
            );
        writeln!(script, "{commands}\necho {END_OF_STEP}").unwrap();
    }
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &script])
        .envs(harness.environment.iter().cloned())
        .env("ORDERFLOW_URL", &harness.url);
    let shell = tokio::task::spawn_blocking(move || shell.output().unwrap())
        .await
        .unwrap();
    let errors = String::from_utf8_lossy(&shell.stderr);
    let printed = String::from_utf8_lossy(&shell.stdout);
    let outputs: Vec<_> = printed.split(&format!("{END_OF_STEP}\n")).collect();
    assert_eq!(outputs.len(), steps.len() + 1, "{printed}{errors}");
    for (step, output) in steps.iter().zip(outputs) {
        if let Some(shown) = &step.output {
            // The page shows only the output of the last command of a step.
            let lines: Vec<_> = output.lines().collect();
            let last = lines.len().saturating_sub(shown.lines().count());
            assert_eq!(
                lines[last..].join("\n"),
                *shown,
                "{}\n{errors}",
                step.commands
            );
        }
    }
}

fn has_programs() -> bool {
    ["bash", "curl", "jq"]
        .iter()
        .all(|program| Command::new(program).arg("--version").output().is_ok())
}

#[tokio::test]
async fn commands_of_the_guide_print_what_it_shows() {
    if !has_programs() {
        println!("{SKIPPED}");
        return;
    }
    // A slow machine needs more than the profile's two seconds between payment and dispatch.
    let harness = Harness::start_with(&[
        ("ORDER_PROFILE", "lifecycle"),
        ("MANUAL_REVIEW_TIMEOUT", "1s"),
        ("PAYMENT_PROCESSING_DELAY", "0s"),
        ("SHIPPING_DELAY", "6s"),
    ])
    .await;
    let steps = parse_steps(&read_file("docs/signals-and-queries.md"));
    assert!(steps.len() > 15, "{}", steps.len());
    run_page(&harness, &steps).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn examples_of_orders_print_what_the_page_shows() {
    if !has_programs() {
        println!("{SKIPPED}");
        return;
    }
    let steps = parse_steps(&read_file("docs/order-examples.md"));
    assert!(steps.len() > 8, "{}", steps.len());
    let harness = Harness::start().await;
    run_page(&harness, &steps).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn session_of_the_readme_prints_what_it_shows() {
    if !has_programs() {
        println!("{SKIPPED}");
        return;
    }
    let page = read_file("README.md");
    let (_, session) = page.split_once("You can paste").unwrap();
    let (session, _) = session.split_once("Stop the stack").unwrap();
    let steps = parse_steps(session);
    assert!(steps.len() > 15, "{}", steps.len());
    let settings = webhooks::webhook_settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let harness = Harness::start_with(&settings).await;
    run_page(&harness, &steps).await;
    harness.assert_invariants().await;
}
