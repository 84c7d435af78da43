//! The order commands. Each calls the HTTP API, as any other client does.
//!
//! Only `list`, `describe`, `history` and `check` connect to Temporal or the database. Start
//! reading at [`OrderCommand`].

pub(crate) mod api_client;
pub(crate) mod arguments;
mod audit_events;
mod check;
mod find;
mod list;
mod menu;
mod query_path;
mod refund;
mod returns;
mod show;
mod signals;
mod start;
mod state;
mod stats;
mod workflow;

use anyhow::Result;
pub(crate) use arguments::OrderCommand;
use std::process::ExitCode;

/// Runs one command. The text output may change; programs must use `--json`.
pub(crate) async fn run(command: OrderCommand) -> Result<ExitCode> {
    match command {
        OrderCommand::StartOrder(arguments) => start::start_order(arguments).await,
        OrderCommand::Approve(arguments) => signals::approve(arguments).await,
        OrderCommand::Reject(arguments) => signals::reject(arguments).await,
        OrderCommand::Cancel(arguments) => signals::cancel(arguments).await,
        OrderCommand::Refund(arguments) => refund::refund(arguments).await,
        OrderCommand::Return(arguments) => returns::run(arguments).await,
        OrderCommand::Hold(arguments) => signals::hold(arguments).await,
        OrderCommand::Release(arguments) => signals::release(arguments).await,
        OrderCommand::Update(arguments) => signals::update(arguments).await,
        OrderCommand::UpdateItems(arguments) => signals::update_items(arguments).await,
        OrderCommand::UpdateAddress(arguments) => signals::update_address(arguments).await,
        OrderCommand::ConfirmPayment(arguments) => signals::confirm_payment(arguments).await,
        OrderCommand::ConfirmDelivery(arguments) => signals::confirm_delivery(arguments).await,
        OrderCommand::Status(arguments) => state::show_status(arguments).await,
        OrderCommand::Show(arguments) => show::show_order(arguments).await,
        OrderCommand::Events(arguments) => audit_events::show_audit_events(arguments).await,
        OrderCommand::CancelPayment(arguments) => signals::cancel_payment(arguments).await,
        OrderCommand::Signals(arguments) => menu::run_menu(arguments).await,
        OrderCommand::Result(arguments) => state::show_result(arguments).await,
        OrderCommand::Describe(arguments) => workflow::describe_workflow(arguments).await,
        OrderCommand::History(arguments) => workflow::show_history(arguments).await,
        OrderCommand::List(arguments) => list::list_orders(arguments).await,
        OrderCommand::Find(arguments) => find::find_orders(arguments).await,
        OrderCommand::Stats(arguments) => stats::show_stats(arguments).await,
        OrderCommand::Check(output) => return check::check_dependencies(output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}
