//! The commands about orders: each calls the HTTP API, as any other client would.
//!
//! Only `list`, `describe`, `history` and `check` look behind it. Start reading at [`OrderCommand`].

pub(crate) mod api;
pub(crate) mod arguments;
mod check;
mod list;
mod menu;
mod signals;
mod start;
mod state;
mod trail;
mod workflow;

use anyhow::Result;
pub(crate) use arguments::OrderCommand;
use std::process::ExitCode;

/// Does one command. What it prints for people is for people; `--json` is what machines may rely on.
pub(crate) async fn run(command: OrderCommand) -> Result<ExitCode> {
    match command {
        OrderCommand::StartOrder(arguments) => start::start(arguments).await,
        OrderCommand::Approve(arguments) => signals::approve(arguments).await,
        OrderCommand::Reject(arguments) => signals::reject(arguments).await,
        OrderCommand::Cancel(arguments) => signals::cancel(arguments).await,
        OrderCommand::UpdateAddress(arguments) => signals::update_address(arguments).await,
        OrderCommand::ConfirmPayment(arguments) => signals::confirm_payment(arguments).await,
        OrderCommand::ConfirmDelivery(arguments) => signals::confirm_delivery(arguments).await,
        OrderCommand::Status(arguments) => state::status(arguments).await,
        OrderCommand::Show(arguments) => state::show(arguments).await,
        OrderCommand::Events(arguments) => trail::events(arguments).await,
        OrderCommand::CancelPayment(arguments) => signals::cancel_payment(arguments).await,
        OrderCommand::Signals(arguments) => menu::signals(arguments).await,
        OrderCommand::Result(arguments) => state::result(arguments).await,
        OrderCommand::Describe(arguments) => workflow::describe(arguments).await,
        OrderCommand::History(arguments) => workflow::history(arguments).await,
        OrderCommand::List(arguments) => list::list(arguments).await,
        OrderCommand::Check(output) => return check::check(output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
