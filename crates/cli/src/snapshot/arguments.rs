//! What can be typed after `snapshot`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot, and wait until it is there; again with the same name changes nothing.
    #[command(after_help = "Examples:
  orderflow snapshot create
  orderflow snapshot create before-release-42
  orderflow snapshot create --instance orderflow-prod --no-wait")]
    Create(CreateSnapshot),
    /// Show the snapshots, the newest first: of one instance, or of all where none is named.
    #[command(after_help = "Examples:
  orderflow snapshot list
  orderflow snapshot list --instance orderflow-prod --json")]
    List(ListSnapshots),
    /// Make a new instance of a snapshot or of a moment, beside the old one, which stays as it is.
    #[command(after_help = "Examples:
  orderflow snapshot restore before-release-42
  orderflow snapshot restore before-release-42 --to orderflow-rehearsal
  orderflow snapshot restore --at 2026-11-21T09:30:00Z
  orderflow snapshot restore --at latest --no-wait")]
    Restore(RestoreSnapshot),
}

#[derive(Debug, Args)]
pub(crate) struct Instance {
    /// Which one [default: ORDERFLOW_DB_INSTANCE, else the one in DATABASE_URL].
    #[arg(long, value_name = "INSTANCE", value_parser = value_parsers::instance)]
    pub(crate) instance: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateSnapshot {
    /// What to call it [default: the instance's name and the time].
    #[arg(value_parser = value_parsers::snapshot)]
    pub(crate) name: Option<String>,
    /// Return as soon as it has begun.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) instance: Instance,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListSnapshots {
    #[command(flatten)]
    pub(crate) instance: Instance,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreSnapshot {
    /// Which snapshot, unless --at says a moment.
    #[arg(required_unless_present = "at", conflicts_with = "at", value_parser = value_parsers::known_snapshot)]
    pub(crate) name: Option<String>,
    /// The instance as it was then, such as 2026-11-21T09:30:00Z, or `latest`.
    #[arg(long, value_name = "TIME", value_parser = value_parsers::moment)]
    pub(crate) at: Option<String>,
    /// The new instance [default: the old one's name and `-restored`].
    #[arg(long, value_name = "INSTANCE", value_parser = value_parsers::instance)]
    pub(crate) to: Option<String>,
    /// Return as soon as it has begun.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) instance: Instance,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
