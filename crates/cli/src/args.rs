//! What can be typed.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    acceptance::AcceptanceCommand,
    api_key::ApiKeyCommand,
    database::DatabaseCommand,
    orders::OrderCommand,
    output::OutputArguments,
    providers::ProviderCommand,
    snapshot::SnapshotCommand,
    stack::arguments::{Logs, Service, StackArguments, Up},
    value_parsers,
};

/// Order fulfilment on AWS Lambda, Temporal and PostgreSQL.
#[derive(Debug, Parser)]
#[command(
    name = "orderflow",
    bin_name = "orderflow",
    version,
    propagate_version = true,
    after_help = "Begin with:
  orderflow demo          two orders before your eyes
  orderflow up --detach   a stack to try things on
  orderflow check         what is wrong, and what to do about it

Settings are environment variables, also from .env in the working folder. Exit codes: 0 done, 1 failed, 2 usage."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the local stack: PostgreSQL, Temporal with its UI, a mailbox, worker, HTTP API.
    #[command(
        visible_alias = "start",
        after_help = "Examples:
  orderflow up
  orderflow up --detach --profile approval
  orderflow up --http-port 8001 --temporal-port 7234 --ui-port 8234"
    )]
    Up(Up),
    /// Stop the local stack; its data stays.
    #[command(
        visible_alias = "stop",
        after_help = "Examples:
  orderflow down"
    )]
    Down,
    /// Restart one service, `app` (worker and API), or everything.
    #[command(after_help = "Examples:
  orderflow restart
  orderflow restart worker
  orderflow restart app")]
    Restart {
        /// Which one [default: everything].
        #[arg(value_parser = value_parsers::service())]
        service: Option<String>,
    },
    /// Show what runs.
    #[command(after_help = "Examples:
  orderflow ps
  orderflow ps --json")]
    Ps(OutputArguments),
    /// Show what the services wrote.
    #[command(after_help = "Examples:
  orderflow logs --service worker --follow
  orderflow logs --service app --lines 50")]
    Logs(Logs),
    /// Print the running stack's settings as shell exports.
    #[command(after_help = "Examples:
  eval \"$(orderflow env)\"
  orderflow env --json")]
    Env(OutputArguments),
    /// Stop the local stack and remove its data.
    #[command(after_help = "Examples:
  orderflow reset
  orderflow reset --yes")]
    Reset {
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    #[command(flatten)]
    Order(OrderCommand),
    /// Make keys for callers of the API (API_AUTH=api-key).
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    #[command(flatten)]
    PaymentEvent(ProviderCommand),
    #[command(flatten)]
    Database(DatabaseCommand),
    /// Take, list and restore RDS snapshots of the deployment's database.
    #[command(after_help = "Examples:
  orderflow snapshot create before-release-42
  orderflow snapshot list
  orderflow snapshot restore before-release-42")]
    Snapshot {
        #[command(subcommand)]
        command: SnapshotCommand,
    },
    #[command(flatten)]
    Acceptance(AcceptanceCommand),
    /// Print what a shell needs to complete these commands.
    #[command(after_help = "Examples:
  orderflow completions bash > ~/.local/share/bash-completion/completions/orderflow
  orderflow completions zsh > ~/.zfunc/_orderflow
  orderflow completions fish > ~/.config/fish/completions/orderflow.fish")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print docs/cli.md.
    #[command(hide = true)]
    Manual,
    /// Run one service in this process; what the stack starts.
    #[command(hide = true)]
    Serve {
        /// Which one.
        service: Service,
    },
    /// Ask a service that runs beside this process how it is; what an image's health check calls.
    #[command(hide = true)]
    Health {
        /// Which one.
        service: Service,
    },
    /// Watch over the stack for `up --detach`.
    #[command(hide = true)]
    Supervise(StackArguments),
}
