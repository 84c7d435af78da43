//! The commands about payment providers' webhooks: a test notification, and what became of those that came.
//!
//! `webhook send` is a provider's side and needs its secret; `webhooks …` are an operator's and look into the database,
//! `replay` at Temporal as well. Start reading at [`PaymentEventCommand`].

mod arguments;
mod replay;
mod secrets;
mod send;
mod webhook_events;

use anyhow::Result;
pub(crate) use arguments::ProviderCommand;
use arguments::{WebhookCommand, WebhookEventsCommand};

pub(crate) async fn run(command: ProviderCommand) -> Result<()> {
    match command {
        ProviderCommand::Webhook {
            command: WebhookCommand::Send(arguments),
        } => send::send_webhook(arguments).await,
        ProviderCommand::Webhooks {
            command: WebhookEventsCommand::List(arguments),
        } => webhook_events::list_webhook_events(arguments).await,
        ProviderCommand::Webhooks {
            command: WebhookEventsCommand::Show(arguments),
        } => webhook_events::show_webhook_event(arguments).await,
        ProviderCommand::Webhooks {
            command: WebhookEventsCommand::Replay(arguments),
        } => replay::replay_webhook_event(arguments).await,
    }
}
