//! `serve` and `health`: the worker and the HTTP API, which the stack runs as separate processes.

use anyhow::Result;

use crate::stack::arguments::Service;

/// Runs one service until SIGTERM.
pub(crate) async fn serve_service(service: Service) -> Result<()> {
    match service {
        Service::Worker => {
            telemetry::init_with_traces(worker::SERVICE)?;
            worker::run(worker::WorkerSettings::from_env()?).await
        }
        Service::Api => crate::gateway::serve_gateway().await,
    }
}

/// Fails unless the service on this machine is healthy.
pub(crate) async fn check_service_health(service: Service) -> Result<()> {
    let address = match service {
        Service::Worker => &settings::ORDERFLOW_HEALTH_ADDRESS,
        Service::Api => &settings::ORDERFLOW_HTTP_ADDRESS,
    };
    Ok(worker::health_check(address).await?)
}
