//! What can be typed.

use crate::{api_key::ApiKeyCommand, orders::OrderCommand};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Order fulfilment on AWS Lambda, Temporal and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "orderflow", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the local stack: PostgreSQL, Temporal with its UI, a mailbox, worker, HTTP API.
    #[command(alias = "start")]
    Up(Up),
    /// Show one order to delivered and one cancelled with its refund, on a stack that is gone afterwards.
    Demo,
    /// Stop the local stack; its data stays.
    #[command(alias = "stop")]
    Down,
    /// Restart one service, `app` (worker and API), or everything.
    Restart {
        /// postgres, temporal, mail, worker, api or app.
        service: Option<String>,
    },
    /// Show what runs.
    Ps {
        /// For machines.
        #[arg(long)]
        json: bool,
    },
    /// Show what the services wrote.
    Logs(Logs),
    /// Print the running stack's settings, for `eval "$(orderflow env)"`.
    Env,
    /// Stop the local stack and remove its data.
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
    /// Run one service in this process; what the stack starts.
    #[command(hide = true)]
    Serve {
        /// Which one.
        service: Service,
    },
    /// Watch over the stack for `up --detach`.
    #[command(hide = true)]
    Supervise(StackArguments),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Return as soon as everything is ready.
    #[arg(long, short)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) stack: StackArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StackArguments {
    /// The settings that orders run with [default: production, delivered after 2 s].
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The HTTP API.
    #[arg(long, default_value_t = 8000, value_name = "PORT")]
    pub(crate) http_port: u16,
    /// Temporal's API.
    #[arg(long, default_value_t = 7233, value_name = "PORT")]
    pub(crate) temporal_port: u16,
    /// Temporal's web pages.
    #[arg(long, default_value_t = 8233, value_name = "PORT")]
    pub(crate) ui_port: u16,
    /// The API's metrics [default: 9464, or a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// PostgreSQL [default: a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) postgres_port: Option<u16>,
    /// The web page with the mails that were sent [default: 8025, or a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) mail_port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// postgres, temporal, mail, worker, api, app or supervisor [default: all].
    #[arg(long, short)]
    pub(crate) service: Option<String>,
    /// How many lines of each.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Service {
    Worker,
    Api,
}
