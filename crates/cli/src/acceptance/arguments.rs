//! What can be typed after the name of a command that takes orders through.

use clap::{Args, Subcommand};

use crate::output::OutputArguments;

#[derive(Debug, Subcommand)]
pub(crate) enum AcceptanceCommand {
    /// Show one order to delivered and one cancelled with its refund, on a stack that is gone afterwards.
    #[command(after_help = "Examples:
  orderflow demo
  orderflow demo --fast")]
    Demo(Demo),
    /// Take orders through every way there is, and look whether each ends as it should.
    #[command(after_help = "Examples:
  orderflow test-workflow
  orderflow test-workflow --url https://api.example.com")]
    TestWorkflow(TestWorkflow),
    /// Start many orders, measure, and look whether every one ended right.
    #[command(after_help = "Examples:
  orderflow load --orders 100 --concurrency 10
  orderflow load --orders 1000 --concurrency 50 --json")]
    Load(Load),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Without the waits that only serve to be watched.
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestWorkflow {
    /// The API to test [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// How many orders.
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) orders: u32,
    /// How many callers start them, each one order after the other.
    #[arg(long, short, default_value_t = 10, value_name = "C", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) concurrency: u16,
    /// How many seconds to wait for the last order after it was started.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub(crate) patience: u64,
    /// The API [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
