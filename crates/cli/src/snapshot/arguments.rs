//! Arguments of `snapshot`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Take a snapshot and wait until it is available; repeating it with the same name changes
    /// nothing.
    #[command(after_help = "Examples:
  orderflow snapshot create
  orderflow snapshot create before-release-42
  orderflow snapshot create --instance orderflow-prod --no-wait")]
    Create(CreateSnapshot),
    /// List the snapshots of one instance, or of all instances, newest first.
    #[command(after_help = "Examples:
  orderflow snapshot list
  orderflow snapshot list --instance orderflow-prod --json")]
    List(ListSnapshots),
    /// Restore a snapshot, or a point in time, into a new instance; the old one is untouched.
    #[command(after_help = "Examples:
  orderflow snapshot restore before-release-42
  orderflow snapshot restore before-release-42 --to orderflow-rehearsal
  orderflow snapshot restore --at 2026-11-21T09:30:00Z
  orderflow snapshot restore --at latest --no-wait")]
    Restore(RestoreSnapshot),
}

#[derive(Debug, Args)]
pub(crate) struct Instance {
    /// RDS instance [default: ORDERFLOW_DB_INSTANCE, else the one in DATABASE_URL].
    #[arg(long, value_name = "INSTANCE", value_parser = value_parsers::instance)]
    pub(crate) instance: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CreateSnapshot {
    /// Name of the snapshot [default: the instance's name and the time].
    #[arg(value_parser = value_parsers::snapshot)]
    pub(crate) name: Option<String>,
    /// Return when the snapshot has begun.
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
    /// Snapshot to restore; not together with --at.
    #[arg(required_unless_present = "at", conflicts_with = "at", value_parser = value_parsers::existing_snapshot)]
    pub(crate) name: Option<String>,
    /// Point in time to restore, such as 2026-11-21T09:30:00Z, or `latest`.
    #[arg(long, value_name = "TIME", value_parser = value_parsers::point_in_time)]
    pub(crate) at: Option<String>,
    /// Name of the new instance [default: the old name with `-restored`].
    #[arg(long, value_name = "INSTANCE", value_parser = value_parsers::instance)]
    pub(crate) to: Option<String>,
    /// Return when the restore has begun.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) instance: Instance,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
