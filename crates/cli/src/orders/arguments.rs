//! What can be typed after the name of an order command.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Start an order; without an ID one is made up.
    #[command(alias = "start-workflow")]
    StartOrder(Start),
    /// The manual review is passed.
    Approve(Approve),
    /// The manual review is refused: the order is cancelled.
    Reject(Reject),
    /// Cancel an order that has not left.
    Cancel(Cancel),
    /// Send an order that has not left to another address; what is left out keeps its value.
    UpdateAddress(UpdateAddress),
    /// A payment gateway's confirmation.
    ConfirmPayment(ConfirmPayment),
    /// The carrier delivered.
    ConfirmDelivery(ConfirmDelivery),
    /// Where an order stands.
    Status(Status),
    /// Everything about an order.
    Show(Order),
    /// The audit trail of an order.
    Events(Events),
    /// The newest orders, from Temporal.
    List(List),
    /// Look at each dependency in turn and say what to do about a failure.
    Check(Output),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// For machines.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One order.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// An order id, or a workflow id.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Address {
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
pub(crate) struct Start {
    /// The order's id.
    pub(crate) id: Option<String>,
    /// The same as --payment-id.
    #[arg(conflicts_with = "payment_id", value_name = "PAYMENT_ID")]
    pub(crate) payment: Option<String>,
    /// What is charged, once.
    #[arg(long)]
    pub(crate) payment_id: Option<String>,
    /// A whole order as JSON; `-` reads it from standard input.
    #[arg(long, value_name = "ORDER.JSON")]
    pub(crate) file: Option<PathBuf>,
    /// Another profile for this order alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) address: Address,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) order: Order,
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    #[arg(long)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) order: Order,
    #[arg(long)]
    pub(crate) reviewer: Option<String>,
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) order: Order,
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateAddress {
    #[command(flatten)]
    pub(crate) order: Order,
    #[command(flatten)]
    pub(crate) address: Address,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmPayment {
    #[command(flatten)]
    pub(crate) order: Order,
    /// The gateway's own name for it.
    #[arg(long)]
    pub(crate) transaction_id: String,
    /// The order's whole total, such as 99.99.
    #[arg(long)]
    pub(crate) amount: String,
    #[arg(long)]
    pub(crate) currency: Option<String>,
    #[arg(long)]
    pub(crate) method: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmDelivery {
    #[command(flatten)]
    pub(crate) order: Order,
    /// When, such as 2026-11-21T12:00:00Z.
    #[arg(long)]
    pub(crate) delivered_at: Option<String>,
    #[arg(long)]
    pub(crate) signed_by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) order: Order,
    /// Go on until the order has ended.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) order: Order,
    /// Go on until the order has ended.
    #[arg(long, short)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// Such as pending, shipped or delivered.
    #[arg(long)]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}
