//! The commands about payment providers' webhooks: a test notification, and what became of those that came.
//!
//! `webhook send` is a provider's side and needs its secret; `webhooks …` are an operator's and look into the database,
//! `replay` at Temporal as well. Start reading at [`PaymentEventCommand`].

mod arguments;
mod deliveries;
mod replay;
mod secrets;
mod send;

use anyhow::Result;
pub(crate) use arguments::PaymentEventCommand;
use arguments::{DeliveriesCommand, WebhookCommand};

pub(crate) async fn run(command: PaymentEventCommand) -> Result<()> {
    match command {
        PaymentEventCommand::Webhook {
            command: WebhookCommand::Send(arguments),
        } => send::send(arguments).await,
        PaymentEventCommand::Webhooks {
            command: DeliveriesCommand::List(arguments),
        } => deliveries::list(arguments).await,
        PaymentEventCommand::Webhooks {
            command: DeliveriesCommand::Show(arguments),
        } => deliveries::show(arguments).await,
        PaymentEventCommand::Webhooks {
            command: DeliveriesCommand::Replay(arguments),
        } => replay::replay(arguments).await,
    }
}
