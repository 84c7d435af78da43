//! The commands that look at the database, or look after it.
//!
//! All that is SQL is in the crate `store`; here is what is typed and what is printed. Start reading at
//! [`DatabaseCommand`].

mod arguments;
mod ask;
mod backup;
mod migrate;
mod shell;
mod stock;
mod verify;

use anyhow::Result;
pub(crate) use arguments::DatabaseCommand;
use std::process::ExitCode;

use arguments::{BackupCommand, DbCommand, StockCommand};

pub(crate) async fn run(command: DatabaseCommand) -> Result<ExitCode> {
    match command {
        DatabaseCommand::Db(arguments) => match arguments.command {
            Some(DbCommand::Shell { arguments }) => return shell::shell(&arguments),
            None => ask::ask(arguments.question).await,
        },
        DatabaseCommand::Stock {
            command: StockCommand::List(output),
        } => stock::list(output).await,
        DatabaseCommand::Stock {
            command: StockCommand::Set(arguments),
        } => stock::set(arguments).await,
        DatabaseCommand::Verify(output) => return verify::verify(output).await,
        DatabaseCommand::Migrate(asked) => return migrate::migrate(asked).await,
        DatabaseCommand::Backup {
            command: BackupCommand::Create(arguments),
        } => backup::create(arguments).await,
        DatabaseCommand::Backup {
            command: BackupCommand::Restore(arguments),
        } => backup::restore(arguments).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
