//! What can be typed after the name of an order command.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use domain::{CustomerId, OrderStatus, Profile};

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Start an order; without an ID one is made up.
    #[command(
        visible_alias = "start-workflow",
        after_help = "Examples:
  orderflow start-order
  orderflow start-order order-123 pmt-123
  orderflow start-order order-124 --payment-id pmt-124 --street '123 Main St' --city Anytown
  orderflow start-order order-125 --file order.json
  orderflow start-order order-126 --profile checkout"
    )]
    StartOrder(StartArguments),
    /// The manual review is passed.
    #[command(after_help = "Examples:
  orderflow approve order-123
  orderflow approve order-123 --reviewer ann --note 'called the customer'")]
    Approve(Approve),
    /// The manual review is refused: the order is cancelled.
    #[command(after_help = "Examples:
  orderflow reject order-123 --reason fraud")]
    Reject(Reject),
    /// Cancel an order that has not left.
    #[command(after_help = "Examples:
  orderflow cancel order-123 --reason 'changed my mind'")]
    Cancel(Cancel),
    /// Send an order that has not left to another address; what is left out keeps its value.
    #[command(after_help = "Examples:
  orderflow update-address order-123 --street '123 Main St' --city Anytown")]
    UpdateAddress(UpdateAddress),
    /// Refund the payment of an order that has not left; it then waits for another one.
    #[command(after_help = "Examples:
  orderflow cancel-payment order-123")]
    CancelPayment(OrderArguments),
    /// A payment gateway's confirmation.
    #[command(after_help = "Examples:
  orderflow confirm-payment order-123 --transaction-id tx-123 --amount 99.99 --method card")]
    ConfirmPayment(ConfirmPayment),
    /// The carrier delivered.
    #[command(after_help = "Examples:
  orderflow confirm-delivery order-123 --signed-by 'J. Doe'")]
    ConfirmDelivery(ConfirmDelivery),
    /// Pick signals for an order from a menu; one that is refused is told, and is no failure of the command.
    #[command(after_help = "Examples:
  orderflow signals
  orderflow signals order-123
  printf '1\\nchanged my mind\\n0\\n' | orderflow signals order-123")]
    Signals(SignalsArguments),
    /// Where an order stands.
    #[command(after_help = "Examples:
  orderflow status order-123
  orderflow status order-123 --watch")]
    Status(StatusArguments),
    /// Everything about an order.
    #[command(after_help = "Examples:
  orderflow show order-123
  orderflow show order-123 --json")]
    Show(OrderArguments),
    /// The audit trail of an order.
    #[command(after_help = "Examples:
  orderflow events order-123
  orderflow events order-123 --follow")]
    Events(EventsArguments),
    /// How an order ended; fails while it runs.
    #[command(after_help = "Examples:
  orderflow result order-123
  orderflow result order-123 --wait")]
    Result(ResultArguments),
    /// Orders, from Temporal: those that run, then those that closed last; of these, the newest first.
    #[command(after_help = "Examples:
  orderflow list --limit 10
  orderflow list --status failed
  orderflow list --customer CUST-001 --json")]
    List(ListArguments),
    /// A workflow as Temporal describes it.
    #[command(after_help = "Examples:
  orderflow describe order-order-123
  orderflow describe order-123
  orderflow describe shipping-order-123-1 --json")]
    Describe(WorkflowArguments),
    /// A workflow's history, with those of its shipments; payloads as what they say.
    #[command(after_help = "Examples:
  orderflow history order-order-123
  orderflow history order-123 --json")]
    History(WorkflowArguments),
    /// Look at each dependency in turn and say what to do about a failure.
    #[command(after_help = "Examples:
  orderflow check
  orderflow check --json")]
    Check(OutputArguments),
}

/// One order.
#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    /// An order id, or a workflow id.
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Default, Args)]
pub(crate) struct AddressArguments {
    #[arg(long)]
    pub(crate) street: Option<String>,
    #[arg(long)]
    pub(crate) city: Option<String>,
    #[arg(long)]
    pub(crate) state: Option<String>,
    #[arg(long, alias = "zip", alias = "zip-code")]
    pub(crate) postal_code: Option<String>,
    #[arg(long)]
    pub(crate) country: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// The order's id.
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: Option<String>,
    /// The same as --payment-id.
    #[arg(conflicts_with = "payment_id", value_name = "PAYMENT_ID", value_parser = value_parsers::payment_id)]
    pub(crate) payment: Option<String>,
    /// What is charged, once.
    #[arg(long, value_parser = value_parsers::payment_id)]
    pub(crate) payment_id: Option<String>,
    /// A whole order as JSON; `-` reads it from standard input.
    #[arg(long, value_name = "ORDER.JSON")]
    pub(crate) file: Option<PathBuf>,
    /// Another profile for this order alone.
    #[arg(long, value_name = "NAME", value_parser = value_parsers::profile())]
    pub(crate) profile: Option<Profile>,
    #[command(flatten)]
    pub(crate) address: AddressArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").args(["street", "city", "state", "postal_code", "country"]).required(true).multiple(true))]
pub(crate) struct UpdateAddress {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    #[command(flatten)]
    pub(crate) address: AddressArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmPayment {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// The gateway's own name for it.
    #[arg(long, value_parser = value_parsers::transaction_id)]
    pub(crate) transaction_id: String,
    /// The order's whole total, such as 99.99.
    #[arg(long, allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) amount: String,
    #[arg(long)]
    pub(crate) currency: Option<String>,
    #[arg(long)]
    pub(crate) method: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmDelivery {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// When, such as 2026-11-21T12:00:00Z [default: now].
    #[arg(long, value_parser = value_parsers::time)]
    pub(crate) delivered_at: Option<String>,
    #[arg(long)]
    pub(crate) signed_by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Go on until the order has ended.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Go on until the order has ended.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// How many.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Only orders in this state.
    #[arg(long, value_parser = value_parsers::status())]
    pub(crate) status: Option<OrderStatus>,
    /// Only the orders of this customer.
    #[arg(long, value_name = "CUSTOMER_ID", value_parser = value_parsers::customer_id)]
    pub(crate) customer: Option<CustomerId>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SignalsArguments {
    /// An order id, or a workflow id; asked for when it is not given.
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResultArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Wait until it has ended.
    #[arg(long, short)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkflowArguments {
    /// A workflow id, or an order id.
    #[arg(value_name = "WORKFLOW_ID", value_parser = value_parsers::workflow_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
