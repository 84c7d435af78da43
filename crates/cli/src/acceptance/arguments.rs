//! Arguments of `demo`, `test-workflow`, `load`, `chaos` and `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::{output::OutputArguments, value_parsers};
use domain::Span;

#[derive(Debug, Subcommand)]
pub(crate) enum AcceptanceCommand {
    /// Deliver one order and cancel another with a refund, on a temporary stack.
    #[command(after_help = "Examples:
  orderflow demo
  orderflow demo --fast")]
    Demo(Demo),
    /// Run every acceptance scenario and check how each order ends.
    #[command(after_help = "Examples:
  orderflow test-workflow
  orderflow test-workflow --url https://api.example.com")]
    TestWorkflow(TestWorkflow),
    /// Start many orders, measure them and check how each order ends.
    #[command(after_help = "Examples:
  orderflow load --orders 100 --concurrency 10
  orderflow load --orders 1000 --concurrency 50 --json")]
    Load(Load),
    /// Run orders on a temporary stack while its processes are killed and frozen.
    #[command(after_help = "Examples:
  orderflow chaos
  orderflow chaos --orders 1000 --seconds 300 --seed 7")]
    Chaos(Chaos),
    /// Measure the cost of an order on a temporary stack, with worker and API as separate processes.
    #[command(after_help = "Examples:
  orderflow bench --orders 300 --concurrency 64
  orderflow bench --rate 10 --temporal postgres
  orderflow bench --temporal postgres --rounds 5 --against plain --json")]
    Bench(Bench),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Run both orders at the same time.
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestWorkflow {
    /// URL of the API to test [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Number of orders to start.
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) orders: u32,
    /// Number of concurrent callers; each starts one order after the other.
    #[arg(long, short, default_value_t = 10, value_name = "C", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: u16,
    /// Seconds to wait for the last order to end.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub(crate) patience: u64,
    /// URL of the API [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// Number of orders.
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) orders: u32,
    /// Seconds in which processes are killed and frozen. The orders may take longer.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) seconds: u16,
    /// Number that decides the faults and the orders; the same number repeats them.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Number of orders in each phase.
    #[arg(long, short = 'n', default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) orders: u32,
    /// Number of callers; each starts an order, waits for its delivery and starts the next one.
    #[arg(long, short, default_value_t = 64, value_name = "C", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: u16,
    /// Start orders at this rate per second, without waiting for earlier ones.
    #[arg(long, value_name = "R", conflicts_with = "concurrency", value_parser = value_parsers::rate)]
    pub(crate) rate: Option<f64>,
    /// Temporal server to start: the development server, or a server on PostgreSQL.
    #[arg(long, value_name = "SERVER", default_value = "dev")]
    pub(crate) temporal: TemporalServer,
    /// Number of rounds; each measures every design once.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Measure another design in each round: 13 regular activities, a child workflow and a timer.
    #[arg(long, value_name = "DESIGN")]
    pub(crate) against: Option<Opponent>,
    /// Wait between dispatch and delivery.
    #[arg(long, default_value = "20ms", value_name = "DURATION")]
    pub(crate) delivery: Span,
    /// Number of different SKUs; 1 makes all orders reserve the same one.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) skus: u32,
    /// Set a setting of worker and API; can be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = value_parsers::setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Program of the plain design's worker [default: beside this program].
    #[arg(long, value_name = "FILE")]
    pub(crate) plain_worker: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// A Temporal server that `bench` can start.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TemporalServer {
    Dev,
    Postgres,
}

/// A design that `bench` can compare with.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Opponent {
    Plain,
}
