//! What can be typed after the name of a command about the database.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::Sku;

#[derive(Debug, Subcommand)]
pub(crate) enum DatabaseCommand {
    /// Show counts and the newest orders, payments and events, or run a read-only query.
    #[command(after_help = "Examples:
  orderflow db
  orderflow db \"select * from orders where state = 'failed'\"
  orderflow db \"select * from events\" --limit 1000 --json
  orderflow db shell")]
    Db(Db),
    /// See and set what is in stock.
    #[command(after_help = "Examples:
  orderflow stock list
  orderflow stock set ABC123 500")]
    Stock {
        #[command(subcommand)]
        command: StockCommand,
    },
    /// Look at every invariant of the database and of the simulators' books; fails when one is broken.
    #[command(after_help = "Examples:
  orderflow verify
  orderflow verify --json")]
    Verify(OutputArguments),
    /// Bring the database's schema and Temporal's search attributes up to date; again changes nothing.
    #[command(after_help = "Examples:
  orderflow migrate
  DATABASE_URL=postgres://app:secret@db:5432/app orderflow migrate")]
    Migrate(Migrate),
    /// Write the whole database to a file, or read it back.
    #[command(after_help = "Examples:
  orderflow backup create orders.backup
  orderflow backup restore orders.backup")]
    Backup {
        #[command(subcommand)]
        command: BackupCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// On RDS, also make the users orderflow_worker and orderflow_reader, who log in by IAM, with what each may do.
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
    pub(crate) question: QueryArguments,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// One query; it can change nothing, and has 15 s.
    #[arg(value_parser = value_parsers::sql)]
    pub(crate) sql: Option<String>,
    /// How many rows to show at most.
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
        /// Handed to psql.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// Show the stock of every sku that was ever seen.
    #[command(after_help = "Examples:
  orderflow stock list
  orderflow stock list --json")]
    List(OutputArguments),
    /// Set what is available of a sku; what orders hold, and what was shipped, stays.
    #[command(after_help = "Examples:
  orderflow stock set ABC123 500
  orderflow stock set ABC123 0")]
    Set(SetStock),
}

#[derive(Debug, Args)]
pub(crate) struct SetStock {
    /// Which.
    #[arg(value_parser = value_parsers::sku)]
    pub(crate) sku: Sku,
    /// How many can be sold from now on.
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000))]
    pub(crate) available: i64,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Write everything as it is at one moment; orders may go on meanwhile.
    #[command(after_help = "Examples:
  orderflow backup create orders.backup")]
    Create(CreateBackup),
    /// Replace everything by what is in the file, or change nothing.
    #[command(after_help = "Examples:
  orderflow backup restore orders.backup
  orderflow backup restore orders.backup --yes")]
    Restore(RestoreBackup),
}

#[derive(Debug, Args)]
pub(crate) struct CreateBackup {
    /// Where to.
    pub(crate) file: PathBuf,
    /// Replace the file if there is one.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreBackup {
    /// Where from.
    pub(crate) file: PathBuf,
    /// Also into a database that is not empty, or whose schema is newer than the backup's.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
