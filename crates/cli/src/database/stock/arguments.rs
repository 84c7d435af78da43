//! Arguments of `stock`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::Sku;

#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// List the stock of every SKU.
    #[command(after_help = "Examples:
  orderflow stock list
  orderflow stock list --json")]
    List(OutputArguments),
    /// Set the available quantity of a SKU; held and shipped quantities do not change.
    #[command(after_help = "Examples:
  orderflow stock set ABC123 500
  orderflow stock set ABC123 0 --reason 'water damage'")]
    Set(SetStock),
    /// Add units to the available quantity of a SKU, or remove units from it.
    #[command(after_help = "Examples:
  orderflow stock adjust ABC123 +30 --reason 'delivery 4711' --key delivery-4711
  orderflow stock adjust ABC123 -2 --reason broken")]
    Adjust(AdjustStock),
    /// List the changes of the stock of a SKU, newest first.
    #[command(after_help = "Examples:
  orderflow stock movements ABC123
  orderflow stock movements ABC123 --limit 1000 --json")]
    Movements(ListMovements),
}

#[derive(Debug, Args)]
pub(crate) struct SetStock {
    /// SKU to set.
    #[arg(value_parser = value_parsers::sku)]
    pub(crate) sku: Sku,
    /// New available quantity.
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000))]
    pub(crate) available: i64,
    /// Reason, which is kept with the change.
    #[arg(long, value_name = "TEXT", value_parser = value_parsers::note)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct AdjustStock {
    /// SKU to adjust; it must have stock.
    #[arg(value_parser = value_parsers::sku)]
    pub(crate) sku: Sku,
    /// Units to add, such as +5, or to remove, such as -3.
    #[arg(value_name = "UNITS", allow_negative_numbers = true, value_parser = value_parsers::adjustment)]
    pub(crate) units: i64,
    /// Reason, which is kept with the change.
    #[arg(long, value_name = "TEXT", value_parser = value_parsers::note)]
    pub(crate) reason: String,
    /// Idempotency key: a repeated command with the same key changes nothing [default: none].
    #[arg(long, value_parser = value_parsers::idempotency_key)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListMovements {
    /// SKU whose changes are listed.
    #[arg(value_parser = value_parsers::sku)]
    pub(crate) sku: Sku,
    /// Maximum number of changes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
