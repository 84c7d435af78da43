//! A measurement, from the start of the servers to the report.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client as HttpClient;
use tempfile::TempDir;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

use crate::{
    counts::{CountsPerOrder, count_orders},
    cpu::Snapshot,
    load::{Load, Timing, run_load},
    options::BenchOptions,
    programs::Programs,
    report::{Cpu, Phase, Report},
    servers::{Servers, create_databases},
    target::{Design, Target},
    wire::Proxy,
};
use devstack::{Postgres, PostgresOptions, Progress};

/// The orders that fill caches and open connections before a measurement.
const WARM_UP: (u32, u16) = (30, 8);

/// The wait between the last order and the end of a measurement, for work that follows an order.
const SETTLE: Duration = Duration::from_millis(250);

/// Runs all rounds on servers that it starts and stops. A signal ends the measurement.
///
/// # Errors
///
/// Returns an error if a program does not start, or on Ctrl-C. The logs are then kept.
pub async fn run(options: &BenchOptions, progress: &Progress) -> Result<Report> {
    if options.against_plain && !options.plain_worker.is_file() {
        bail!(
            "{}: the plain worker does not exist; build it with `cargo build --release -p orderflow-bench`, \
             or name it with --plain-worker",
            options.plain_worker.display()
        );
    }
    let logs = tempfile::Builder::new()
        .prefix("orderflow-bench-")
        .tempdir()
        .context("failed to create a temporary folder for logs")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for signals")?;
    let measured = tokio::select! {
        measured = measure(options, &logs, progress) => measured,
        _ = tokio::signal::ctrl_c() => bail!("the measurement was interrupted"),
        _ = terminate.recv() => bail!("the measurement was interrupted"),
    };
    measured.map_err(|error| {
        let kept = logs.keep();
        error.context(format!(
            "the measurement failed; see the logs in {}",
            kept.display()
        ))
    })
}

async fn measure(options: &BenchOptions, logs: &TempDir, progress: &Progress) -> Result<Report> {
    let servers = Servers::start(options, logs.path(), progress).await?;
    let mut phases = Vec::new();
    for round in 1..=options.rounds {
        for design in designs_of_round(round, options.against_plain) {
            progress.report(format!(
                "round {round} of {}: {}",
                options.rounds,
                design.as_str()
            ));
            phases.push(measure_phase(options, &servers, logs, design, round).await?);
        }
    }
    let mut counts = Vec::new();
    for design in designs_of_round(1, options.against_plain) {
        progress.report(format!(
            "counting one order after the other: {}",
            design.as_str()
        ));
        counts.push(count_design(options, &servers, logs, design, progress).await?);
    }
    servers.stop().await;
    Ok(Report::new(options, phases, counts))
}

/// Counts the requests of a design on a separate database server.
async fn count_design(
    options: &BenchOptions,
    servers: &Servers,
    logs: &TempDir,
    design: Design,
    progress: &Progress,
) -> Result<CountsPerOrder> {
    let postgres = Postgres::start(PostgresOptions {
        // It would write transactions by itself.
        settings: vec!["autovacuum=off".to_owned()],
        log: Some(logs.path().join("counting-postgres.log")),
        progress: progress.clone(),
        ..PostgresOptions::default()
    })
    .await?;
    let (orders_url, plain_url) = create_databases(&postgres).await?;
    let database_url = match design {
        Design::Orderflow => orders_url,
        Design::Plain => plain_url,
    };
    let proxy = Proxy::start(postgres.port).await?;
    let (direct, through) = (format!(":{}/", postgres.port), format!(":{}/", proxy.port));
    // The proxy reads the messages, so they must not be encrypted.
    let proxy_url = format!(
        "{}?sslmode=disable",
        database_url.replace(&direct, &through)
    );
    let programs = Programs::start(
        design,
        options,
        servers.temporal_address(),
        &proxy_url,
        logs.path(),
    )
    .await?;
    let phase = format!("{}-counted", design.as_str());
    let target = target_of(options, servers, &programs, phase)?;
    let counts = count_orders(design, &target, &proxy, &database_url).await?;
    programs.stop().await;
    postgres.stop().await;
    Ok(counts)
}

/// Returns the receiver of the orders of a phase.
fn target_of(
    options: &BenchOptions,
    servers: &Servers,
    programs: &Programs,
    phase: String,
) -> Result<Target> {
    Ok(Target {
        temporal: servers.client.clone(),
        http: http_client()?,
        api_url: programs.api_url.clone(),
        phase,
        skus: options.skus,
        delivery: options.delivery.duration(),
    })
}

/// Returns the designs in the order of a round. The order alternates, so neither is always first.
fn designs_of_round(round: u32, against_plain: bool) -> Vec<Design> {
    match (against_plain, round % 2) {
        (false, _) => vec![Design::Orderflow],
        (true, 1) => vec![Design::Orderflow, Design::Plain],
        (true, _) => vec![Design::Plain, Design::Orderflow],
    }
}

async fn measure_phase(
    options: &BenchOptions,
    servers: &Servers,
    logs: &TempDir,
    design: Design,
    round: u32,
) -> Result<Phase> {
    let database_url = match design {
        Design::Orderflow => &servers.orders_url,
        Design::Plain => &servers.plain_url,
    };
    let programs = Programs::start(
        design,
        options,
        servers.temporal_address(),
        database_url,
        logs.path(),
    )
    .await?;
    let phase = format!("{}-{round}", design.as_str());
    let target = target_of(options, servers, &programs, phase)?;
    let (orders, concurrency) = WARM_UP;
    let warm_up = Target {
        phase: format!("{}-warm-up", target.phase),
        ..target.clone()
    };
    let (_, failures) = run_orders(&warm_up, orders, Load::Closed { concurrency }).await;
    if let Some(failure) = failures.first() {
        bail!("an order of the warm-up failed: {failure}");
    }

    let pids = Pids {
        worker: programs.worker_pid().await?,
        api: programs.api_pid().await?,
        temporal: servers.temporal_pid().await?,
        postgres: servers.postgres_pid().await?,
    };
    let before = Snapshot::take(pids.postgres)?;
    let began = Instant::now();
    let (timings, failures) = run_orders(&target, options.orders, options.load).await;
    let seconds = began.elapsed().as_secs_f64();
    sleep(SETTLE).await;
    let after = Snapshot::take(pids.postgres)?;
    let phase = Phase::new(
        (design, round),
        options.orders,
        seconds,
        timings,
        failures,
        pids.cpu_since(&before, &after, design.database()),
        after.memory(pids.worker),
    );
    programs.stop().await;
    Ok(phase)
}

async fn run_orders(target: &Target, orders: u32, load: Load) -> (Vec<Timing>, Vec<String>) {
    let target = target.clone();
    let run_order = move |number, due| {
        let target = target.clone();
        async move {
            let ended = target.run_order(number, due).await;
            ended
                .map(|ended| ended.timing)
                .map_err(|error| format!("{error:#}"))
        }
    };
    let (mut timings, mut failures) = (Vec::new(), Vec::new());
    for done in run_load(orders, load, run_order).await {
        match done {
            Ok(timing) => timings.push(timing),
            Err(failure) => failures.push(failure),
        }
    }
    (timings, failures)
}

fn http_client() -> Result<HttpClient> {
    // reqwest needs a TLS provider even for plain HTTP; without certificates it is cheap.
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpClient::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .context("failed to set up HTTP")
}

/// The processes of a phase.
struct Pids {
    worker: u32,
    api: Option<u32>,
    temporal: u32,
    postgres: u32,
}

impl Pids {
    /// Returns the seconds that each part has used between two snapshots. `database` is the
    /// database of the design.
    fn cpu_since(&self, before: &Snapshot, after: &Snapshot, database: &str) -> Cpu {
        let used = |pid| after.seconds_since(before, pid);
        let worker = used(self.worker);
        let api = self.api.map(used);
        let (temporal, postgres) = (used(self.temporal), used(self.postgres));
        let measured = worker + api.unwrap_or_default() + temporal + postgres;
        let load_generator = after.own_seconds_since(before, std::process::id());
        Cpu {
            worker,
            api,
            temporal,
            postgres,
            postgres_own: after.database_seconds_since(before, database),
            load_generator,
            foreign_percent: after.foreign_percent_since(before, measured + load_generator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designs_alternate_between_rounds() {
        use Design::{Orderflow, Plain};
        assert_eq!(designs_of_round(1, true), [Orderflow, Plain]);
        assert_eq!(designs_of_round(2, true), [Plain, Orderflow]);
        assert_eq!(designs_of_round(2, false), [Orderflow]);
    }
}
