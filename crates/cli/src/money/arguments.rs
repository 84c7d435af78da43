//! Arguments of `money`.

use clap::{Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::{Concern, Span, WebhookProvider};

#[derive(Debug, Subcommand)]
pub(crate) enum MoneyCommand {
    /// List the amounts that an operator must act on, oldest first.
    #[command(after_help = "Examples:
  orderflow money list
  orderflow money list --concern refund_due
  orderflow money list --order order-123 --json")]
    List(ListEntries),
    /// Show an entry, or the payments of an order, with amounts and movements.
    #[command(after_help = "Examples:
  orderflow money show stripe:pi_123:refund_due
  orderflow money show pi_123
  orderflow money show order-123 --json")]
    Show(ShowMoney),
    /// Close an entry that no event will close; the note is stored in the audit log.
    #[command(after_help = "Examples:
  orderflow money resolve stripe:pi_123:refund_due --note 'refunded by bank transfer'")]
    Resolve(ResolveEntry),
    /// Compare the payments of a provider with the ledger and print the differences.
    #[command(after_help = "Examples:
  orderflow money reconcile --provider stripe
  orderflow money reconcile --provider stripe --since 7d --json")]
    Reconcile(Reconcile),
}

#[derive(Debug, Args)]
pub(crate) struct ListEntries {
    /// List only entries with this reason.
    #[arg(long, value_parser = value_parsers::concern())]
    pub(crate) concern: Option<Concern>,
    /// List only entries about this order.
    #[arg(long, value_name = "ORDER_ID", value_parser = value_parsers::order_id)]
    pub(crate) order: Option<String>,
    /// Maximum number of entries.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShowMoney {
    /// Id of an entry, as `money list` shows it, a payment id, a transaction id or an order id.
    #[arg(value_name = "ID", value_parser = value_parsers::money_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveEntry {
    /// Id of the entry, as `money list` shows it.
    #[arg(value_name = "ID", value_parser = value_parsers::money_id)]
    pub(crate) id: String,
    /// Explanation for the audit log.
    #[arg(long, value_name = "TEXT", value_parser = value_parsers::note)]
    pub(crate) note: String,
    /// Name of the operator, for the audit log.
    #[arg(long, value_name = "NAME", value_parser = value_parsers::key_name)]
    pub(crate) operator: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    /// Payment provider whose payments are compared; it needs an adapter.
    #[arg(long, value_parser = value_parsers::provider())]
    pub(crate) provider: WebhookProvider,
    /// Age of the oldest payment that is compared, such as 24h.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = value_parsers::span)]
    pub(crate) since: Span,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
