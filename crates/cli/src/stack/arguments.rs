//! Arguments of the commands for the local stack.

use clap::{Args, ValueEnum};

use crate::{output::OutputArguments, value_parsers};
use domain::Profile;

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Return when all services are ready; the stack runs in the background.
    #[arg(long, short)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) stack: StackArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StackArguments {
    /// Profile of all orders [default: production, with delivery after 2 s].
    #[arg(long, value_name = "NAME", value_parser = value_parsers::profile())]
    pub(crate) profile: Option<Profile>,
    /// Port of the HTTP API [default: 8000].
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// Port of Temporal's API [default: 7233].
    #[arg(long, value_name = "PORT")]
    pub(crate) temporal_port: Option<u16>,
    /// Port of Temporal's UI [default: 8233].
    #[arg(long, value_name = "PORT")]
    pub(crate) ui_port: Option<u16>,
    /// Port of the API's metrics [default: 9464, or a free port].
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// Port of PostgreSQL [default: a free port].
    #[arg(long, value_name = "PORT")]
    pub(crate) postgres_port: Option<u16>,
    /// Port of the web page that shows sent mail [default: 8025, or a free port].
    #[arg(long, value_name = "PORT")]
    pub(crate) mail_port: Option<u16>,
    /// Start no worker; run your own with the settings that `orderflow env` prints.
    #[arg(long)]
    pub(crate) no_worker: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Service whose log to print [default: all].
    #[arg(long, short, value_parser = value_parsers::log_source())]
    pub(crate) service: Option<String>,
    /// Number of lines to print of each log.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
    /// Print new lines until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// A service that this program can run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Service {
    Worker,
    Api,
}
