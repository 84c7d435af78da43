//! Arguments of the commands for the local stack.

use clap::{Args, ValueEnum};

use crate::{output::OutputArguments, value_parsers};
use domain::Profile;

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Return as soon as everything is ready.
    #[arg(long, short)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) stack: StackArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StackArguments {
    /// The settings that orders run with [default: production, delivered after 2 s].
    #[arg(long, value_name = "NAME", value_parser = value_parsers::profile())]
    pub(crate) profile: Option<Profile>,
    /// The HTTP API [default: 8000].
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// Temporal's API [default: 7233].
    #[arg(long, value_name = "PORT")]
    pub(crate) temporal_port: Option<u16>,
    /// Temporal's web pages [default: 8233].
    #[arg(long, value_name = "PORT")]
    pub(crate) ui_port: Option<u16>,
    /// The API's metrics [default: 9464, or a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// PostgreSQL [default: a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) postgres_port: Option<u16>,
    /// The web page with the mails that were sent [default: 8025, or a free one].
    #[arg(long, value_name = "PORT")]
    pub(crate) mail_port: Option<u16>,
    /// Start no worker: orders wait for one of yours, which finds all it needs in `orderflow env`.
    #[arg(long)]
    pub(crate) no_worker: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Which one [default: all].
    #[arg(long, short, value_parser = value_parsers::logging())]
    pub(crate) service: Option<String>,
    /// How many lines of each.
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Service {
    Worker,
    Api,
}
