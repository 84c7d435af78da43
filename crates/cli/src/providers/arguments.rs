//! What can be typed after `webhook` and `webhooks`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::{Currency, WebhookOutcome, WebhookProvider};
use payment_webhooks::SampleKind;

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Do as a payment provider does.
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// See what payment providers told, and what came of it.
    Webhooks {
        #[command(subcommand)]
        command: WebhookEventsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Send a correctly signed test notification about an order; needs the provider's secret, as the API has it.
    #[command(after_help = "Examples:
  orderflow webhook send stripe order-123
  orderflow webhook send adyen order-123 --event failed
  orderflow webhook send standard order-123 --event paid --amount 99.99 --currency USD --transaction-id tx-123")]
    Send(SendWebhook),
}

#[derive(Debug, Args)]
pub(crate) struct SendWebhook {
    /// As whom.
    #[arg(value_parser = value_parsers::provider())]
    pub(crate) provider: WebhookProvider,
    /// An order id, or a workflow id.
    #[arg(value_name = "ORDER_ID", value_parser = value_parsers::order_id)]
    pub(crate) id: String,
    /// What happened to its payment.
    #[arg(long, value_name = "EVENT", default_value = "paid", value_parser = value_parsers::sample())]
    pub(crate) event: SampleKind,
    /// How much [default: the order's total].
    #[arg(long, allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) amount: Option<String>,
    /// Of which currency [default: the order's].
    #[arg(long, value_parser = value_parsers::currency)]
    pub(crate) currency: Option<Currency>,
    /// The provider's name for the payment [default: that of the order's payment, else one is made up].
    #[arg(long, value_parser = value_parsers::transaction_id)]
    pub(crate) transaction_id: Option<String>,
    /// The provider's name for the event; the same again is the same event [default: one is made up].
    #[arg(long, value_parser = value_parsers::event_id)]
    pub(crate) event_id: Option<String>,
    /// The API to send it to [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookEventsCommand {
    /// Events of payment providers, the newest first.
    #[command(after_help = "Examples:
  orderflow webhooks list
  orderflow webhooks list --outcome refund_due
  orderflow webhooks list --order order-123 --json")]
    List(ListWebhookEvents),
    /// Everything about one event, and what to do about it.
    #[command(after_help = "Examples:
  orderflow webhooks show evt_123
  orderflow webhooks show evt_123 --provider stripe --json")]
    Show(WebhookEventArguments),
    /// Have an event looked at once more, and wait for what comes of it; what it did already it does not do again.
    #[command(after_help = "Examples:
  orderflow webhooks replay evt_123
  orderflow webhooks replay evt_123 --json")]
    Replay(WebhookEventArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListWebhookEvents {
    /// Only those that came to this.
    #[arg(long, value_parser = value_parsers::outcome())]
    pub(crate) outcome: Option<WebhookOutcome>,
    /// Only those about this order, or this transaction.
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookEventArguments {
    /// The provider's name for the event, as `webhooks list` shows it.
    #[arg(value_name = "EVENT_ID", value_parser = value_parsers::event_id)]
    pub(crate) id: String,
    /// Whose, where two providers have an event of this name.
    #[arg(long, value_parser = value_parsers::provider())]
    pub(crate) provider: Option<WebhookProvider>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
