//! Arguments of `endpoints` and `listen`.

use clap::{Args, Subcommand};

use crate::output::OutputArguments;
use contract::SubscribedType;

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// List, enable and test the endpoints that receive messages about orders.
    Endpoints {
        #[command(subcommand)]
        command: EndpointsCommand,
    },
    /// Print verified messages about orders as they arrive, until Ctrl-C.
    #[command(after_help = "Examples:
  orderflow listen
  orderflow listen --events order.shipped,order.delivered
  orderflow listen --json
  orderflow listen --port 9000 --public-url https://tunnel.example/hooks")]
    Listen(Listen),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointsCommand {
    /// List all endpoints.
    #[command(after_help = "Examples:
  orderflow endpoints list
  orderflow endpoints list --json")]
    List(OutputArguments),
    /// List the messages to an endpoint, newest first.
    #[command(after_help = "Examples:
  orderflow endpoints deliveries ep_4f1c2a90b7d34e5f61728394
  orderflow endpoints deliveries ep_4f1c2a90b7d34e5f61728394 --status failed --json")]
    Deliveries(ListDeliveries),
    /// Enable a disabled endpoint; its pending messages are sent.
    #[command(after_help = "Examples:
  orderflow endpoints enable ep_4f1c2a90b7d34e5f61728394")]
    Enable(EndpointArguments),
    /// Send a test message to an endpoint.
    #[command(after_help = "Examples:
  orderflow endpoints test ep_4f1c2a90b7d34e5f61728394")]
    Test(EndpointArguments),
}

#[derive(Debug, Args)]
pub(crate) struct EndpointArguments {
    /// Id of the endpoint, as `endpoints list` shows it.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListDeliveries {
    /// Id of the endpoint, as `endpoints list` shows it.
    pub(crate) id: String,
    /// List only messages with this status.
    #[arg(long, value_parser = ["pending", "delivered", "failed"])]
    pub(crate) status: Option<String>,
    /// Maximum number of messages.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Types of messages, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "TYPES", default_value = "*", value_parser = parse_type)]
    pub(crate) events: Vec<SubscribedType>,
    /// Port of the receiver on this machine [default: a free one].
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// URL that leads to this port, if the workers run on another machine.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Print each message as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_type(text: &str) -> Result<SubscribedType, String> {
    text.parse()
}
