//! The commands for endpoints, which receive messages about orders. All of them call the API.
//!
//! Start reading at [`EndpointCommand`].

mod arguments;
mod cells;
mod change;
mod deliveries;
mod list;
mod listen;
mod secret;

use anyhow::Result;
pub(crate) use arguments::EndpointCommand;
use arguments::EndpointsCommand;
use reqwest::Method;

use crate::orders::api_client::{ApiClient, ApiResponse};

pub(crate) async fn run(command: EndpointCommand) -> Result<()> {
    match command {
        EndpointCommand::Endpoints { command } => match command {
            EndpointsCommand::Create(arguments) => secret::create_endpoint(arguments).await,
            EndpointsCommand::List(output) => list::list_endpoints(output).await,
            EndpointsCommand::Change(arguments) => change::change_endpoint(arguments).await,
            EndpointsCommand::RotateSecret(arguments) => secret::rotate_secret(arguments).await,
            EndpointsCommand::Enable(arguments) => change::enable_endpoint(arguments).await,
            EndpointsCommand::Delete(arguments) => change::delete_endpoint(arguments).await,
            EndpointsCommand::Deliveries(arguments) => deliveries::list_deliveries(arguments).await,
            EndpointsCommand::Redeliver(arguments) => deliveries::redeliver(arguments).await,
            EndpointsCommand::Test(arguments) => deliveries::test_endpoint(arguments).await,
        },
        EndpointCommand::Listen(arguments) => listen::listen(arguments).await,
    }
}

/// Sends a request without a body to a path below that of an endpoint.
async fn post(id: &str, action: &str) -> Result<ApiResponse> {
    let path = format!("webhook-endpoints/{id}/{action}");
    let response = ApiClient::from_env()?
        .try_call(Method::POST, &path, None, None)
        .await??;
    Ok(response)
}
