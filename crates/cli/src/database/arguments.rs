//! Arguments of the database commands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::stock::StockCommand;
use crate::{output::OutputArguments, value_parsers};
use domain::Span;

#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Print counts and the newest orders, payments and audit events, or run a read-only query.
    #[command(after_help = "Examples:
  orderflow db
  orderflow db \"select * from orders where state = 'failed'\"
  orderflow db \"select * from events\" --limit 1000 --json
  orderflow db shell")]
    Db(Db),
    /// List and change the stock.
    #[command(after_help = "Examples:
  orderflow stock list
  orderflow stock set ABC123 500
  orderflow stock adjust ABC123 -2 --reason broken
  orderflow stock movements ABC123")]
    Stock {
        #[command(subcommand)]
        command: StockCommand,
    },
    /// Check that the data is consistent; exits 1 if not.
    #[command(after_help = "Examples:
  orderflow verify
  orderflow verify --json")]
    Verify(OutputArguments),
    /// End open orders whose workflow was terminated or deleted; the workers do this every hour.
    #[command(after_help = "Examples:
  orderflow recover
  orderflow recover --idle-for 1m --json
  orderflow recover --all")]
    Recover(Recover),
    /// Update the database schema and Temporal's search attributes; repeating it changes nothing.
    #[command(after_help = "Examples:
  orderflow migrate
  DATABASE_URL=postgres://app:secret@db:5432/app orderflow migrate")]
    Migrate(Migrate),
    /// Delete orders that ended long ago, with all their rows except payments.
    #[command(after_help = "Examples:
  orderflow purge --older-than 400d --dry-run
  orderflow purge --older-than 400d
  orderflow purge --older-than 730d --batch 50 --yes --json")]
    Purge(PurgeArguments),
    /// Export or erase the personal data of a customer.
    #[command(after_help = "Examples:
  orderflow customer export C-1
  orderflow customer erase john@example.com --dry-run
  orderflow customer erase C-1")]
    Customer {
        #[command(subcommand)]
        command: CustomerCommand,
    },
    /// Write the whole database to a file, or restore it from a file.
    #[command(after_help = "Examples:
  orderflow backup create orders.backup
  orderflow backup restore orders.backup")]
    Backup {
        #[command(subcommand)]
        command: BackupCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Time for which an order must have had neither a change nor a running workflow, such as 10m.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = value_parsers::span)]
    pub(crate) idle_for: Span,
    /// Recover more than 20 orders without a workflow, after a loss of Temporal's data.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArguments {
    /// Time since the end of an order after which it is deleted, such as 400d; at least 180d.
    #[arg(long, value_name = "DURATION", value_parser = value_parsers::span)]
    pub(crate) older_than: Span,
    /// Print what would be deleted, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Number of orders that one transaction deletes.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) batch: u32,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Accept a limit below 180d.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Print all data of the customer's orders as JSON.
    #[command(after_help = "Examples:
  orderflow customer export C-1
  orderflow customer export john@example.com > customer.json")]
    Export(ExportArguments),
    /// Replace the personal data of the customer's ended orders; amounts and the audit log stay.
    #[command(after_help = "Examples:
  orderflow customer erase john@example.com --dry-run
  orderflow customer erase C-1
  orderflow customer erase C-1 --yes --json")]
    Erase(EraseArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// Customer id, or e-mail address.
    pub(crate) customer: String,
}

#[derive(Debug, Args)]
pub(crate) struct EraseArguments {
    /// Customer id, or e-mail address.
    pub(crate) customer: String,
    /// Print what would be erased, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Create the IAM users orderflow_worker, orderflow_reader and orderflow_admin and grant their
    /// privileges (RDS
    /// only).
    #[arg(long)]
    pub(crate) iam_users: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Db {
    #[command(subcommand)]
    pub(crate) command: Option<DbCommand>,
    #[command(flatten)]
    pub(crate) query: QueryArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// One read-only query; it is cancelled after 15 s.
    #[arg(value_parser = value_parsers::sql)]
    pub(crate) sql: Option<String>,
    /// Maximum number of rows to print.
    #[arg(long, default_value_t = 200, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Open psql on the database.
    #[command(after_help = "Examples:
  orderflow db shell
  orderflow db shell -- -c '\\d orders'")]
    Shell {
        /// Arguments for psql.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write a consistent backup to a file; orders can run at the same time.
    #[command(after_help = "Examples:
  orderflow backup create orders.backup")]
    Create(CreateBackup),
    /// Replace the database's contents with a backup; changes nothing if an error occurs.
    #[command(after_help = "Examples:
  orderflow backup restore orders.backup
  orderflow backup restore orders.backup --yes")]
    Restore(RestoreBackup),
}

#[derive(Debug, Args)]
pub(crate) struct CreateBackup {
    /// File to write.
    pub(crate) file: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreBackup {
    /// Backup file to read.
    pub(crate) file: PathBuf,
    /// Also restore into a database that is not empty, or whose schema is newer than the backup's.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
