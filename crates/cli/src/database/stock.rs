//! `stock`: the stock of each SKU, its changes, and the movements that record them.
//!
//! Start reading at [`StockCommand`].

mod arguments;
mod change;
mod list;
mod movements;

use anyhow::Result;
pub(super) use arguments::StockCommand;

pub(super) async fn run(command: StockCommand) -> Result<()> {
    match command {
        StockCommand::List(output) => list::list_stock(output).await,
        StockCommand::Set(arguments) => change::set_stock(arguments).await,
        StockCommand::Adjust(arguments) => change::adjust_stock(arguments).await,
        StockCommand::Movements(arguments) => movements::list_movements(arguments).await,
    }
}
