//! The commands of `orderflow`; the arguments of each group are in its own folder.

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    acceptance::AcceptanceCommand,
    api_key::ApiKeyCommand,
    database::DatabaseCommand,
    endpoints::EndpointCommand,
    money::MoneyCommand,
    orders::OrderCommand,
    output::OutputArguments,
    providers::ProviderCommand,
    quotes::QuoteCommand,
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
    after_help = "Start with:
  orderflow demo          run two orders on a temporary stack
  orderflow up --detach   start a local stack in the background
  orderflow check         test every dependency and print remedies

Settings are environment variables; a .env file in the working folder is read too.
Exit codes: 0 success, 1 failure, 2 wrong usage."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the local stack: PostgreSQL, Temporal and its UI, a mail server, the worker, the HTTP
    /// API.
    #[command(
        visible_alias = "start",
        after_help = "Examples:
  orderflow up
  orderflow up --detach --profile approval
  orderflow up --http-port 8001 --temporal-port 7234 --ui-port 8234"
    )]
    Up(Up),
    /// Stop the local stack and keep its data.
    #[command(
        visible_alias = "stop",
        after_help = "Examples:
  orderflow down"
    )]
    Down,
    /// Restart one service, `app` (worker and API) or all services.
    #[command(after_help = "Examples:
  orderflow restart
  orderflow restart worker
  orderflow restart app")]
    Restart {
        /// Service to restart [default: all].
        #[arg(value_parser = value_parsers::service())]
        service: Option<String>,
    },
    /// List the services of the local stack.
    #[command(after_help = "Examples:
  orderflow ps
  orderflow ps --json")]
    Ps(OutputArguments),
    /// Print the logs of the local stack's services.
    #[command(after_help = "Examples:
  orderflow logs --service worker --follow
  orderflow logs --service app --lines 50")]
    Logs(Logs),
    /// Print the running stack's settings as shell exports.
    #[command(after_help = "Examples:
  eval \"$(orderflow env)\"
  orderflow env --json")]
    Env(OutputArguments),
    /// Stop the local stack and delete its data.
    #[command(after_help = "Examples:
  orderflow reset
  orderflow reset --yes")]
    Reset {
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
    },
    /// Run the `temporal` CLI that the stack uses, with the stack's address and namespace.
    #[command(after_help = "Examples:
  orderflow temporal workflow list
  orderflow temporal workflow query --workflow-id order-order-123 --type get_full_state
  orderflow temporal workflow signal --workflow-id order-order-123 --name cancel_order")]
    Temporal {
        /// Arguments for `temporal`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<OsString>,
    },
    #[command(flatten)]
    Order(OrderCommand),
    /// Create API keys for callers of the API (API_AUTH=api-key).
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Sign quotes for tests and scripts: prices of the shop for one order.
    #[command(subcommand)]
    Quote(QuoteCommand),
    #[command(flatten)]
    Provider(ProviderCommand),
    #[command(flatten)]
    Endpoint(EndpointCommand),
    /// List, show and resolve money that an operator must act on.
    Money {
        #[command(subcommand)]
        command: MoneyCommand,
    },
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
    /// Print a shell's completion script.
    #[command(after_help = "Examples:
  orderflow completions bash > ~/.local/share/bash-completion/completions/orderflow
  orderflow completions zsh > ~/.zfunc/_orderflow
  orderflow completions fish > ~/.config/fish/completions/orderflow.fish")]
    Completions {
        /// Shell to print the script for.
        shell: Shell,
    },
    /// Print docs/cli.md.
    #[command(hide = true)]
    Manual,
    /// Run one service in this process; the local stack starts its services with it.
    #[command(hide = true)]
    Serve {
        /// Service to run.
        service: Service,
    },
    /// Check the health of a service on this machine; the health check of the container images.
    #[command(hide = true)]
    Health {
        /// Service to check.
        service: Service,
    },
    /// Supervise the stack for `up --detach`.
    #[command(hide = true)]
    Supervise(StackArguments),
}
