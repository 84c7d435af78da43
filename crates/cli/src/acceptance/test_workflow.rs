//! `test-workflow`: runs every scenario against a deployment and prints one line for each.

use std::{process::ExitCode, time::Instant};

use anyhow::Result;
use chrono::Utc;
use serde::Serialize;

use super::{
    arguments::TestWorkflow,
    scenarios,
    test_run::{Skip, TestRun},
};
use crate::{
    orders::api_client::ApiClient,
    output::{paint_failure, paint_ok, print, print_json},
};

#[derive(Debug, Serialize)]
struct Line {
    scenario: &'static str,
    /// `passed`, `failed` or `skipped`.
    outcome: &'static str,
    detail: String,
    seconds: f64,
}

/// Runs all scenarios. The exit code is 1 if one of them fails.
pub(crate) async fn run_scenarios(arguments: TestWorkflow) -> Result<ExitCode> {
    let run = TestRun {
        api: ApiClient::from_url_or_env(arguments.url.as_deref())?.with_retries(),
        id_prefix: format!("test-{:x}", Utc::now().timestamp_micros()),
    };
    run.api.check_health().await?;
    let mut lines = Vec::new();
    for (name, scenario) in scenarios::list_scenarios(&run) {
        let began = Instant::now();
        let (outcome, detail) = match scenario.await {
            Ok(detail) => ("passed", detail),
            Err(error) if error.is::<Skip>() => ("skipped", error.to_string()),
            Err(error) => ("failed", format!("{error:#}")),
        };
        let line = Line {
            scenario: name,
            outcome,
            detail,
            seconds: began.elapsed().as_secs_f64(),
        };
        if !arguments.output.json {
            let verdict = match outcome {
                "passed" => paint_ok("ok     "),
                "failed" => paint_failure("FAILED "),
                _ => "skipped".to_owned(),
            };
            print(&format!(
                "{verdict}  {:<38} {:>5.1} s  {}",
                line.scenario, line.seconds, line.detail
            ))?;
        }
        lines.push(line);
    }
    let failed = lines.iter().filter(|line| line.outcome == "failed").count();
    if arguments.output.json {
        print_json(&lines)?;
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: {failed} of {} scenarios failed; run `orderflow check`, and see the orders {}-*",
        lines.len(),
        run.id_prefix
    );
    Ok(ExitCode::FAILURE)
}
