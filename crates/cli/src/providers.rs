//! The commands for payment providers' webhook events: sending a test event, listing and replaying
//! events.
//!
//! `webhook send` acts as a payment provider and needs its secret. `webhooks list` and `webhooks
//! show` read the database; `webhooks replay` also calls Temporal. Start reading at
//! [`ProviderCommand`].

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
