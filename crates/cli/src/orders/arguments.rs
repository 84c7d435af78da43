//! Arguments of the order commands.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use contract::{OrderAttention, OrderSort};
use domain::{CustomerId, OrderStatus, Profile};

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Start an order; an order id is generated if you give none.
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
    /// Approve an order in manual review.
    #[command(after_help = "Examples:
  orderflow approve order-123
  orderflow approve order-123 --reviewer ann --note 'called the customer'")]
    Approve(Approve),
    /// Reject an order in manual review; the order is cancelled.
    #[command(after_help = "Examples:
  orderflow reject order-123 --reason fraud")]
    Reject(Reject),
    /// Cancel an order that has not shipped.
    #[command(after_help = "Examples:
  orderflow cancel order-123 --reason 'changed my mind'")]
    Cancel(Cancel),
    /// Hold an order before its payment and its dispatch.
    #[command(after_help = "Examples:
  orderflow hold order-123 --reason 'the customer asked to wait'")]
    Hold(ReasonArguments),
    /// Let a held order go on.
    #[command(after_help = "Examples:
  orderflow release order-123")]
    Release(ReasonArguments),
    /// Change the reference, the note and the metadata of an order, also after its end.
    #[command(after_help = "Examples:
  orderflow update order-123 --reference ERP-4711
  orderflow update order-123 --set channel=web --set batch=12 --remove old
  orderflow update order-123 --note ''")]
    Update(Update),
    /// Change the quantities of an order that has not shipped; zero removes a SKU.
    #[command(after_help = "Examples:
  orderflow update-items order-123 MUG-1=1 PEN-1=0")]
    UpdateItems(UpdateItems),
    /// Change the shipping address of an order that has not shipped; omitted fields keep their
    /// value.
    #[command(after_help = "Examples:
  orderflow update-address order-123 --street '123 Main St' --city Anytown")]
    UpdateAddress(UpdateAddress),
    /// Refund the payment of an order that has not shipped; the order then waits for another
    /// payment.
    #[command(after_help = "Examples:
  orderflow cancel-payment order-123")]
    CancelPayment(ReasonArguments),
    /// Refund a part of the money of a paid order; it goes on as before.
    #[command(after_help = "Examples:
  orderflow refund order-123 --amount 20.00 --reason 'a scratch'
  orderflow refund order-123 --item ABC123=1 --restock
  orderflow refund order-123 --item ABC123=2 --shipping 4.90 --key return-4711")]
    Refund(RefundArguments),
    /// List, request and decide the returns of a delivered order.
    #[command(after_help = "Examples:
  orderflow return order-123 list
  orderflow return order-123 request --item ABC123=1 --reason 'too small'
  orderflow return order-123 approve RT-4QKJ2N7C5XW3MZT6D8RA
  orderflow return order-123 receive RT-4QKJ2N7C5XW3MZT6D8RA --item ABC123=1 --restock")]
    Return(ReturnArguments),
    /// Confirm that the customer has paid an order.
    #[command(after_help = "Examples:
  orderflow confirm-payment order-123 --transaction-id tx-123 --amount 99.99 --method card")]
    ConfirmPayment(ConfirmPayment),
    /// Confirm that the carrier has delivered an order.
    #[command(after_help = "Examples:
  orderflow confirm-delivery order-123 --signed-by 'J. Doe'")]
    ConfirmDelivery(ConfirmDelivery),
    /// Pick signals for an order from a menu; a refused signal is reported, and the command exits
    /// 0.
    #[command(after_help = "Examples:
  orderflow signals
  orderflow signals order-123
  printf '1\\nchanged my mind\\n0\\n' | orderflow signals order-123")]
    Signals(SignalsArguments),
    /// Print an order's status and step.
    #[command(after_help = "Examples:
  orderflow status order-123
  orderflow status order-123 --watch")]
    Status(StatusArguments),
    /// Print an order's full state.
    #[command(after_help = "Examples:
  orderflow show order-123
  orderflow show order-123 --json")]
    Show(OrderArguments),
    /// Print an order's audit log.
    #[command(after_help = "Examples:
  orderflow events order-123
  orderflow events order-123 --follow")]
    Events(EventsArguments),
    /// Print how an order ended; fails while the order is running.
    #[command(after_help = "Examples:
  orderflow result order-123
  orderflow result order-123 --wait")]
    Result(ResultArguments),
    /// List orders from Temporal: running ones first, then recently closed ones, newest first.
    #[command(after_help = "Examples:
  orderflow list --limit 10
  orderflow list --status failed
  orderflow list --customer CUST-001 --json")]
    List(ListArguments),
    /// Find orders in the database through the API.
    #[command(after_help = "Examples:
  orderflow find lovelace
  orderflow find --email ada@example.com --json
  orderflow find --reference ERP-4711
  orderflow find --status cancelled,failed --updated-after 2026-11-21 --sort updated_at
  orderflow find --attention hold")]
    Find(FindArguments),
    /// Print statistics of the orders of a range of time, and of the work that waits now.
    #[command(after_help = "Examples:
  orderflow stats
  orderflow stats --from 2026-11-21 --to 2026-11-22
  orderflow stats --json")]
    Stats(StatsArguments),
    /// Print Temporal's description of a workflow.
    #[command(after_help = "Examples:
  orderflow describe order-order-123
  orderflow describe order-123
  orderflow describe shipping-order-123-1 --json")]
    Describe(WorkflowArguments),
    /// Print the history of a workflow and of its shipments, payloads decoded.
    #[command(after_help = "Examples:
  orderflow history order-order-123
  orderflow history order-123 --json")]
    History(WorkflowArguments),
    /// Test every dependency and print a remedy for each failure.
    #[command(after_help = "Examples:
  orderflow check
  orderflow check --json")]
    Check(OutputArguments),
}

/// One order.
#[derive(Debug, Args)]
pub(crate) struct OrderArguments {
    /// Order id or workflow id.
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Default, Args)]
pub(crate) struct AddressArguments {
    /// Recipient at the shipping address, if it is not the customer.
    #[arg(long)]
    pub(crate) recipient: Option<String>,
    /// Company at the shipping address.
    #[arg(long)]
    pub(crate) company: Option<String>,
    /// Street and number of the shipping address.
    #[arg(long)]
    pub(crate) street: Option<String>,
    /// Second line of the shipping address, such as a building or a floor.
    #[arg(long)]
    pub(crate) street2: Option<String>,
    /// City of the shipping address.
    #[arg(long)]
    pub(crate) city: Option<String>,
    /// State or province of the shipping address.
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Postal code of the shipping address.
    #[arg(long, alias = "zip", alias = "zip-code")]
    pub(crate) postal_code: Option<String>,
    /// Country of the shipping address, such as US.
    #[arg(long)]
    pub(crate) country: Option<String>,
    /// Phone number for the carrier.
    #[arg(long)]
    pub(crate) phone: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// Order id [default: a generated one].
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: Option<String>,
    /// Same as --payment-id.
    #[arg(conflicts_with = "payment_id", value_name = "PAYMENT_ID", value_parser = value_parsers::payment_id)]
    pub(crate) payment: Option<String>,
    /// Payment to charge; used for one order only.
    #[arg(long, value_parser = value_parsers::payment_id)]
    pub(crate) payment_id: Option<String>,
    /// File with the whole order as JSON; `-` reads standard input.
    #[arg(long, value_name = "ORDER.JSON")]
    pub(crate) file: Option<PathBuf>,
    /// Profile for this order only [default: the deployment's].
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
    /// Name of the reviewer, for the audit log.
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    /// Note for the audit log.
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// Reason for the customer, who does not read the note.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Name of the reviewer, for the audit log.
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    /// Reason for the rejection, which becomes the cancellation reason.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Reason for the customer, who does not read the other one.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReasonArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Reason for the audit log.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Reason for the customer, who does not read the other one.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// The order's name in another system; a blank text removes it.
    #[arg(long)]
    pub(crate) reference: Option<String>,
    /// The shop's note; a blank text removes it.
    #[arg(long)]
    pub(crate) note: Option<String>,
    /// Set a value of the metadata; `true`, `false` and numbers keep their type. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = value_parsers::name_and_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Remove a value of the metadata. Can be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) remove: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateItems {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// A SKU and its new quantity. Can be repeated.
    #[arg(required = true, value_name = "SKU=QUANTITY", value_parser = value_parsers::new_quantity)]
    pub(crate) items: Vec<(String, u32)>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Reason for the cancellation.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Reason for the customer, who does not read the other one.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").args(["recipient", "company", "street", "street2", "city", "state", "postal_code", "country", "phone"]).required(true).multiple(true))]
pub(crate) struct UpdateAddress {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    #[command(flatten)]
    pub(crate) address: AddressArguments,
    /// Replace the whole address; fields that are not given become empty.
    #[arg(long, requires = "street")]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("money").args(["amount", "item", "shipping"]).required(true).multiple(true))]
pub(crate) struct RefundArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Amount in the order's currency, such as 20.00.
    #[arg(long, conflicts_with_all = ["item", "shipping"], allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) amount: Option<String>,
    /// Units whose value is refunded, such as ABC123=2; can be repeated.
    #[arg(long, value_name = "SKU=UNITS", value_parser = value_parsers::item)]
    pub(crate) item: Vec<(String, u32)>,
    /// Part of the shipping, such as 4.90.
    #[arg(long, allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) shipping: Option<String>,
    /// Make the units available again.
    #[arg(long, requires = "item")]
    pub(crate) restock: bool,
    /// Reason for the audit log.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Reason for the customer, who does not read the other one.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
    /// Idempotency key: a repeated command with the same key returns the same refund [default: a
    /// random one].
    #[arg(long)]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReturnArguments {
    /// Order id or workflow id.
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) order: String,
    #[command(subcommand)]
    pub(crate) command: ReturnCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReturnCommand {
    /// List the returns of the order, oldest first.
    #[command(after_help = "Examples:
  orderflow return order-123 list")]
    List(OutputArguments),
    /// Request a return for the customer.
    #[command(after_help = "Examples:
  orderflow return order-123 request --item ABC123=1 --reason \"too small\"")]
    Request(RequestReturn),
    /// Approve a requested return.
    #[command(after_help = "Examples:
  orderflow return order-123 approve RT-4QKJ2N7C5XW3MZT6D8RA")]
    Approve(DecideReturn),
    /// Reject a requested return.
    #[command(after_help = "Examples:
  orderflow return order-123 reject RT-4QKJ2N7C5XW3MZT6D8RA --reason worn")]
    Reject(DecideReturn),
    /// Report that the units of an approved return are back; their value is refunded.
    #[command(after_help = "Examples:
  orderflow return order-123 receive RT-4QKJ2N7C5XW3MZT6D8RA
  orderflow return order-123 receive RT-4QKJ2N7C5XW3MZT6D8RA --item ABC123=1 --restock")]
    Receive(ReceiveReturn),
    /// Cancel a return whose units are not received.
    #[command(after_help = "Examples:
  orderflow return order-123 cancel RT-4QKJ2N7C5XW3MZT6D8RA")]
    Cancel(DecideReturn),
}

#[derive(Debug, Args)]
pub(crate) struct RequestReturn {
    /// Units that come back, such as ABC123=2; can be repeated.
    #[arg(long, value_name = "SKU=UNITS", value_parser = value_parsers::item, required = true)]
    pub(crate) item: Vec<(String, u32)>,
    /// Customer's reason.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Idempotency key: a repeated command with the same key returns the same return [default: a
    /// random one].
    #[arg(long)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DecideReturn {
    /// Id of the return.
    pub(crate) id: String,
    /// Reason for the audit log.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Reason for the customer, who does not read the other one.
    #[arg(long)]
    pub(crate) public_reason: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveReturn {
    /// Id of the return.
    pub(crate) id: String,
    /// Units that are back, such as ABC123=2; can be repeated [default: all units].
    #[arg(long, value_name = "SKU=UNITS", value_parser = value_parsers::item)]
    pub(crate) item: Vec<(String, u32)>,
    /// Make the units available again.
    #[arg(long)]
    pub(crate) restock: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmPayment {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Payment provider's transaction id.
    #[arg(long, value_parser = value_parsers::transaction_id)]
    pub(crate) transaction_id: String,
    /// Amount paid, such as 99.99; must equal the order's total.
    #[arg(long, allow_negative_numbers = true, value_parser = value_parsers::amount)]
    pub(crate) amount: String,
    /// Currency of the amount, such as USD [default: the order's].
    #[arg(long)]
    pub(crate) currency: Option<String>,
    /// Payment method, such as card.
    #[arg(long)]
    pub(crate) method: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmDelivery {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Time of the delivery, such as 2026-11-21T12:00:00Z [default: now].
    #[arg(long, value_parser = value_parsers::time)]
    pub(crate) delivered_at: Option<String>,
    /// Name of the person who signed for the parcel.
    #[arg(long)]
    pub(crate) signed_by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Print each change until the order has ended.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Print new audit events until the order has ended.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Maximum number of orders.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// List only orders with this status.
    #[arg(long, value_parser = value_parsers::status())]
    pub(crate) status: Option<OrderStatus>,
    /// List only this customer's orders.
    #[arg(long, value_name = "CUSTOMER_ID", value_parser = value_parsers::customer_id)]
    pub(crate) customer: Option<CustomerId>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// Beginning of an id, an e-mail address, a name, a transaction id, a tracking number or an
    /// external reference.
    pub(crate) text: Option<String>,
    /// Find only orders with one of these statuses, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = value_parsers::status())]
    pub(crate) status: Vec<OrderStatus>,
    /// Find only this customer's orders.
    #[arg(long, value_name = "CUSTOMER_ID", value_parser = value_parsers::customer_id)]
    pub(crate) customer: Option<CustomerId>,
    /// Find only orders of this e-mail address.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Find only orders with this external reference, the order's name in another system.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: Option<String>,
    /// Find only orders that need a person for this reason.
    #[arg(long, value_parser = value_parsers::attention())]
    pub(crate) attention: Option<OrderAttention>,
    /// Find only orders created after this time or date (UTC).
    #[arg(long, value_name = "TIME")]
    pub(crate) created_after: Option<String>,
    /// Find only orders created before this time or date (UTC).
    #[arg(long, value_name = "TIME")]
    pub(crate) created_before: Option<String>,
    /// Find only orders changed after this time or date (UTC).
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_after: Option<String>,
    /// Find only orders whose last change was before this time or date (UTC).
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_before: Option<String>,
    /// Sequence of the orders; `-` sorts in descending order [default: -created_at].
    #[arg(long, allow_hyphen_values = true, value_parser = value_parsers::sort())]
    pub(crate) sort: Option<OrderSort>,
    /// Maximum number of orders.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    /// Count orders created from this time or date (UTC) on [default: 24 hours before the end].
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Count orders created before this time or date (UTC) [default: now].
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SignalsArguments {
    /// Order id or workflow id [default: ask for it].
    #[arg(value_parser = value_parsers::order_id)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResultArguments {
    #[command(flatten)]
    pub(crate) order: OrderArguments,
    /// Wait until the order has ended.
    #[arg(long, short)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkflowArguments {
    /// Workflow id or order id.
    #[arg(value_name = "WORKFLOW_ID", value_parser = value_parsers::workflow_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}
