//! `chaos`: runs orders on a temporary stack while its processes are killed and frozen, and checks
//! how each order ends.

mod faults;
mod orders;

use std::{fs::Permissions, os::unix::fs::PermissionsExt, process::ExitCode, time::Duration};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tokio::time::Instant;

use self::{
    faults::{Fault, Plan},
    orders::Orders,
};
use super::arguments::Chaos;
use crate::output::{paint_failure, paint_ok, print, print_json};
use devstack::{Port, Progress, Project, Stack, StackOptions};

/// The longest time from the last fault to the end of the last order.
const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Debug, Serialize)]
struct Report {
    orders: u32,
    time: u16,
    seed: u64,
    delivered: usize,
    cancelled: usize,
    faults: Vec<Fault>,
    seconds: f64,
    /// Orders that ended wrong or not at all, and broken invariants of the database.
    wrong: Vec<String>,
}

pub(crate) async fn run_chaos(arguments: Chaos) -> Result<ExitCode> {
    // PostgreSQL runs as another user if this program runs as root.
    let folder = tempfile::Builder::new()
        .prefix("orderflow-chaos-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir();
    let folder = folder.context("failed to create a temporary folder")?;
    // A project keeps its data on disk, so a killed server has it after its restart.
    let project = Project::from_root(folder.path());
    let _lock = project.try_lock()?;
    let options = StackOptions {
        project: Some(project),
        http_port: Port::Free,
        temporal_port: Port::Free,
        ui_port: Port::Free,
        metrics_port: Port::Free,
        database_url: None,
        ..StackOptions::in_memory()?
    };
    let stack = Stack::start(options, &Progress::stderr()).await?;
    let report = tokio::select! {
        report = run_orders(&stack, &arguments) => report,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("the run was interrupted")),
    };
    eprintln!("stopping the stack");
    stack.stop().await;
    print_report(&report?, arguments.output.json)
}

async fn run_orders(stack: &Stack, arguments: &Chaos) -> Result<Report> {
    let time = Duration::from_secs(arguments.seconds.into());
    let plan = Plan::new(arguments.seed, time);
    let began = Instant::now();
    let orders = Orders::new(&stack.addresses.http_url, arguments)?;
    // The last orders start before the last faults.
    let (ended, faults) = tokio::join!(orders.run(began + time + PATIENCE), plan.run(stack, began));
    let mut wrong = ended.wrong;
    let pool = store::connect(&stack.addresses.database_url).await?;
    let violations = store::verify::find_violations(&pool).await?;
    let broken = violations.iter();
    wrong.extend(broken.map(|found| format!("{}: {}", found.subject, found.rule)));
    Ok(Report {
        orders: arguments.orders,
        time: arguments.seconds,
        seed: arguments.seed,
        delivered: ended.delivered,
        cancelled: ended.cancelled,
        faults,
        seconds: began.elapsed().as_secs_f64(),
        wrong,
    })
}

fn print_report(report: &Report, json: bool) -> Result<ExitCode> {
    if json {
        print_json(report)?;
    } else {
        let verdict = match report.wrong.is_empty() {
            true => paint_ok("ok"),
            false => paint_failure("FAILED"),
        };
        print(&format!(
            "{verdict}  {} orders under {} kills and freezes: {} delivered, {} cancelled, {} violations, after {:.0} s",
            report.orders,
            report.faults.len(),
            report.delivered,
            report.cancelled,
            report.wrong.len(),
            report.seconds,
        ))?;
    }
    for wrong in &report.wrong {
        eprintln!("error: {wrong}");
    }
    Ok(if report.wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "repeat the same faults with: orderflow chaos --orders {} --seconds {} --seed {}",
            report.orders, report.time, report.seed
        );
        ExitCode::FAILURE
    })
}
