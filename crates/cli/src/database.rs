//! The database commands.
//!
//! All SQL is in the crate `store`; this folder has the arguments and the output. Start reading at
//! [`DatabaseCommand`].

mod arguments;
mod backup;
mod customer;
mod migrate;
mod purge;
mod query;
mod recover;
mod search_attributes;
mod shell;
mod stock;
mod verify;

use anyhow::Result;
pub(crate) use arguments::DatabaseCommand;
use std::process::ExitCode;

use arguments::{BackupCommand, CustomerCommand, DbCommand};

pub(crate) async fn run(command: DatabaseCommand) -> Result<ExitCode> {
    match command {
        DatabaseCommand::Db(arguments) => match arguments.command {
            Some(DbCommand::Shell { arguments }) => return shell::open_shell(&arguments),
            None => query::run_query(arguments.query).await,
        },
        DatabaseCommand::Stock { command } => stock::run(command).await,
        DatabaseCommand::Verify(output) => return verify::verify_invariants(output).await,
        DatabaseCommand::Recover(arguments) => recover::recover_orders(arguments).await,
        DatabaseCommand::Purge(arguments) => purge::purge_orders(arguments).await,
        DatabaseCommand::Customer { command } => match command {
            CustomerCommand::Export(arguments) => customer::export(arguments).await,
            CustomerCommand::Erase(arguments) => customer::erase(arguments).await,
        },
        DatabaseCommand::Migrate(arguments) => return migrate::run_migrations(arguments).await,
        DatabaseCommand::Backup {
            command: BackupCommand::Create(arguments),
        } => backup::create_backup(arguments).await,
        DatabaseCommand::Backup {
            command: BackupCommand::Restore(arguments),
        } => backup::restore_backup(arguments).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
