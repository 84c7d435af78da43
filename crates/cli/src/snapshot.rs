//! Snapshots of the deployment's database: taken, listed, restored into a new instance beside the old one.
//!
//! It asks RDS and nobody else, with the credentials that AWS's own tools use. Nothing is ever replaced or removed. AWS's
//! SDK takes minutes to compile, so what asks is behind the feature `aws`; the commands are there in any case. Start
//! reading at [`SnapshotCommand`].

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
        "this program was built without AWS's SDK: `cargo orderflow-aws snapshot …` is built with it (the first time \
         takes minutes), and so is the program in the image `orderflow`"
    )
}
