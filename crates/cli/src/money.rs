//! The commands for the ledger: money that an operator must act on, and the movements of a payment.
//!
//! `money list` and `money show` read the database; `money resolve` and `money reconcile` also call
//! Temporal. Start reading at [`MoneyCommand`].

mod arguments;
mod list;
mod reconcile;
mod resolve;
mod show;

use anyhow::Result;
pub(crate) use arguments::MoneyCommand;
pub(crate) use show::open_entries;

pub(crate) async fn run(command: MoneyCommand) -> Result<()> {
    match command {
        MoneyCommand::List(arguments) => list::list_entries(arguments).await,
        MoneyCommand::Show(arguments) => show::show_money(arguments).await,
        MoneyCommand::Resolve(arguments) => resolve::resolve_entry(arguments).await,
        MoneyCommand::Reconcile(arguments) => reconcile::reconcile(arguments).await,
    }
}
