//! Arguments of `demo`, `test-workflow`, `load` and `chaos`.

use clap::{Args, Subcommand};

use crate::output::OutputArguments;

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
