//! `test-workflow`: every way an order can go, on any deployment, one line each.

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

/// Fails when one scenario does.
pub(crate) async fn run_scenarios(arguments: TestWorkflow) -> Result<ExitCode> {
    let bench = TestRun {
        api: ApiClient::from_url_or_env(arguments.url.as_deref())?.with_retries(),
        run: format!("test-{:x}", Utc::now().timestamp_micros()),
    };
    bench.api.check_health().await?;
    let mut lines = Vec::new();
    for (name, scenario) in scenarios::list_scenarios(&bench) {
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
        "error: {failed} of {} scenarios failed; look at `orderflow check` and the orders {}-*",
        lines.len(),
        bench.run
    );
    Ok(ExitCode::FAILURE)
}
