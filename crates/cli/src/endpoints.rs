//! The commands for endpoints, which receive messages about orders. All of them call the API.
//!
//! Start reading at [`EndpointCommand`].

mod arguments;
mod list;
mod listen;

use anyhow::Result;
pub(crate) use arguments::EndpointCommand;
use arguments::EndpointsCommand;

pub(crate) async fn run(command: EndpointCommand) -> Result<()> {
    match command {
        EndpointCommand::Endpoints { command } => match command {
            EndpointsCommand::List(output) => list::list_endpoints(output).await,
            EndpointsCommand::Deliveries(arguments) => list::list_deliveries(arguments).await,
            EndpointsCommand::Enable(arguments) => list::enable_endpoint(arguments).await,
            EndpointsCommand::Test(arguments) => list::test_endpoint(arguments).await,
        },
        EndpointCommand::Listen(arguments) => listen::listen(arguments).await,
    }
}
