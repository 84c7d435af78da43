//! `bench`: measures orders on servers that it starts. The crate `bench` has the measurement.

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::arguments::{Bench, Opponent, TemporalServer};
use crate::output::{print, print_json};
use bench::{BenchOptions, Load, TemporalKind};
use devstack::Progress;

pub(crate) async fn run_bench(arguments: Bench) -> Result<ExitCode> {
    let json = arguments.output.json;
    let report = bench::run(&options(arguments)?, &Progress::stderr()).await?;
    if json {
        print_json(&report)?;
    } else {
        print(&report.to_text())?;
    }
    for failure in report.failures() {
        eprintln!("error: {failure}");
    }
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn options(arguments: Bench) -> Result<BenchOptions> {
    let program = std::env::current_exe().context("failed to find the file of this program")?;
    let plain_worker = arguments
        .plain_worker
        .unwrap_or_else(|| program.with_file_name("orderflow-plain-worker"));
    Ok(BenchOptions {
        orders: arguments.orders,
        load: match arguments.rate {
            Some(rate) => Load::Open { rate },
            None => Load::Closed {
                concurrency: arguments.concurrency,
            },
        },
        temporal: match arguments.temporal {
            TemporalServer::Dev => TemporalKind::Dev,
            TemporalServer::Postgres => TemporalKind::Postgres,
        },
        rounds: arguments.rounds,
        against_plain: matches!(arguments.against, Some(Opponent::Plain)),
        delivery: arguments.delivery,
        skus: arguments.skus,
        settings: arguments.settings,
        program,
        plain_worker,
    })
}
