//! Arguments of `webhook` and `webhooks`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::{Currency, WebhookOutcome, WebhookProvider};
use payment_webhooks::SampleKind;

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Send test webhook events as a payment provider.
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// List, show and replay the webhook events that payment providers sent.
    Webhooks {
        #[command(subcommand)]
        command: WebhookEventsCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Send a signed test webhook event about an order; requires the provider's secret that the API
    /// uses.
    #[command(after_help = "Examples:
  orderflow webhook send stripe order-123
  orderflow webhook send adyen order-123 --event failed
  orderflow webhook send standard order-123 --event paid --amount 99.99 --currency USD --transaction-id tx-123")]
    Send(SendWebhook),
}

#[derive(Debug, Args)]
pub(crate) struct SendWebhook {
    /// Payment provider whose format and secret are used.
    #[arg(value_parser = value_parsers::provider())]
    pub(crate) provider: WebhookProvider,
    /// Order id or workflow id.
    #[arg(value_name = "ORDER_ID", value_parser = value_parsers::order_id)]
    pub(crate) id: String,
    /// Event to report about the payment.
    #[arg(long, value_name = "EVENT", default_value = "paid", value_parser = value_parsers::sample())]
    pub(crate) event: SampleKind,
    /// Amount, such as 99.99 [default: the order's total].
    #[arg(long, allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) amount: Option<String>,
    /// Currency of the amount, such as USD [default: the order's].
    #[arg(long, value_parser = value_parsers::currency)]
    pub(crate) currency: Option<Currency>,
    /// Provider's transaction id [default: that of the order's payment, else a generated one].
    #[arg(long, value_parser = value_parsers::transaction_id)]
    pub(crate) transaction_id: Option<String>,
    /// Provider's event id; a repeated id is a repeated event [default: a generated one].
    #[arg(long, value_parser = value_parsers::event_id)]
    pub(crate) event_id: Option<String>,
    /// URL of the API [default: ORDERFLOW_URL, else the running stack's].
    #[arg(long)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookEventsCommand {
    /// List webhook events, newest first.
    #[command(after_help = "Examples:
  orderflow webhooks list
  orderflow webhooks list --outcome refund_due
  orderflow webhooks list --order order-123 --json")]
    List(ListWebhookEvents),
    /// Show one webhook event and the operator's next step.
    #[command(after_help = "Examples:
  orderflow webhooks show evt_123
  orderflow webhooks show evt_123 --provider stripe --json")]
    Show(WebhookEventArguments),
    /// Process a webhook event again and wait for its outcome; effects are not repeated.
    #[command(after_help = "Examples:
  orderflow webhooks replay evt_123
  orderflow webhooks replay evt_123 --json")]
    Replay(WebhookEventArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListWebhookEvents {
    /// List only events with this outcome.
    #[arg(long, value_parser = value_parsers::outcome())]
    pub(crate) outcome: Option<WebhookOutcome>,
    /// List only events about this order or transaction.
    #[arg(long, value_name = "ID")]
    pub(crate) order: Option<String>,
    /// Maximum number of events.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookEventArguments {
    /// Provider's event id, as `webhooks list` shows it.
    #[arg(value_name = "EVENT_ID", value_parser = value_parsers::event_id)]
    pub(crate) id: String,
    /// Provider of the event; required if two providers sent an event with this id.
    #[arg(long, value_parser = value_parsers::provider())]
    pub(crate) provider: Option<WebhookProvider>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
