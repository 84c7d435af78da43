//! Arguments of `endpoints` and `listen`.

use clap::{ArgGroup, Args, Subcommand};

use crate::{output::OutputArguments, value_parsers};
use contract::SubscribedType;

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// Create, change and test the endpoints that receive messages about orders.
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
    /// Create an endpoint; its secret is printed once.
    #[command(after_help = "Examples:
  orderflow endpoints create https://shop.example/hooks
  orderflow endpoints create https://shop.example/hooks --events order.shipped,order.delivered --description 'the shop'")]
    Create(CreateEndpoint),
    /// List all endpoints.
    #[command(after_help = "Examples:
  orderflow endpoints list
  orderflow endpoints list --json")]
    List(OutputArguments),
    /// Change the URL, the types of messages or the description of an endpoint.
    #[command(after_help = "Examples:
  orderflow endpoints change ep_4f1c2a90b7d34e5f61728394 --url https://shop.example/new
  orderflow endpoints change ep_4f1c2a90b7d34e5f61728394 --events order.paid,order.shipped
  orderflow endpoints change ep_4f1c2a90b7d34e5f61728394 --description ''")]
    Change(ChangeEndpoint),
    /// Replace the secret of an endpoint; the new one is printed once, and the previous one also
    /// signs for 24 hours.
    #[command(after_help = "Examples:
  orderflow endpoints rotate-secret ep_4f1c2a90b7d34e5f61728394")]
    RotateSecret(EndpointArguments),
    /// Delete an endpoint with its messages.
    #[command(after_help = "Examples:
  orderflow endpoints delete ep_4f1c2a90b7d34e5f61728394
  orderflow endpoints delete ep_4f1c2a90b7d34e5f61728394 --yes --json")]
    Delete(DeleteEndpoint),
    /// List the messages to an endpoint, newest first.
    #[command(after_help = "Examples:
  orderflow endpoints deliveries ep_4f1c2a90b7d34e5f61728394
  orderflow endpoints deliveries ep_4f1c2a90b7d34e5f61728394 --status failed --json")]
    Deliveries(ListDeliveries),
    /// Send a message to its endpoint again.
    #[command(after_help = "Examples:
  orderflow endpoints redeliver ep_4f1c2a90b7d34e5f61728394 4711")]
    Redeliver(Redeliver),
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
    #[arg(value_parser = value_parsers::endpoint_id)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CreateEndpoint {
    /// URL that receives the messages.
    pub(crate) url: String,
    /// Types of messages, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "TYPES", default_value = "*", value_parser = parse_type)]
    pub(crate) events: Vec<SubscribedType>,
    /// Description for operators.
    #[arg(long)]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").args(["url", "events", "description"]).required(true).multiple(true))]
pub(crate) struct ChangeEndpoint {
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
    /// New URL.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// New types of messages, separated by commas; `*` selects all types.
    #[arg(long, value_delimiter = ',', value_name = "TYPES", value_parser = parse_type)]
    pub(crate) events: Vec<SubscribedType>,
    /// New description; a blank text removes it.
    #[arg(long)]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteEndpoint {
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Redeliver {
    #[command(flatten)]
    pub(crate) endpoint: EndpointArguments,
    /// Id of the message, as `endpoints deliveries` shows it.
    #[arg(value_name = "DELIVERY_ID", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) delivery: i64,
}

#[derive(Debug, Args)]
pub(crate) struct ListDeliveries {
    /// Id of the endpoint, as `endpoints list` shows it.
    #[arg(value_parser = value_parsers::endpoint_id)]
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
