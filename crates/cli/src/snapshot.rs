//! RDS snapshots of the deployment's database: take one, list them, restore one into a new
//! instance.
//!
//! The commands call RDS only, with the credentials that AWS's own tools use. They never replace or
//! delete an instance or a snapshot. The AWS SDK takes minutes to compile, so the code is behind
//! the feature `aws`; without it, the commands fail with an explanation. Start reading at
//! [`SnapshotCommand`].

mod arguments;
#[cfg(feature = "aws")]
mod create;
#[cfg(feature = "aws")]
mod errors;
#[cfg(feature = "aws")]
mod list;
#[cfg(feature = "aws")]
mod rds;
#[cfg(feature = "aws")]
mod restore;
#[cfg(feature = "aws")]
mod wait;

use anyhow::Result;
pub(crate) use arguments::SnapshotCommand;

#[cfg(feature = "aws")]
pub(crate) async fn run(command: SnapshotCommand) -> Result<()> {
    match command {
        SnapshotCommand::Create(arguments) => create::create_snapshot(arguments).await,
        SnapshotCommand::List(arguments) => list::list_snapshots(arguments).await,
        SnapshotCommand::Restore(arguments) => restore::restore_instance(arguments).await,
    }
}

#[cfg(not(feature = "aws"))]
pub(crate) async fn run(_: SnapshotCommand) -> Result<()> {
    anyhow::bail!(
        "snapshot: this program was built without the AWS SDK; use `cargo orderflow-aws snapshot …`, whose first \
         build takes minutes, or the program in the image `orderflow`"
    )
}
