//! What the stack runs as processes of their own: the worker and the HTTP API.

use anyhow::Result;

use crate::args::Service;

/// Runs one service until SIGTERM.
pub(crate) async fn serve(service: Service) -> Result<()> {
    match service {
        Service::Worker => {
            telemetry::init()?;
            worker::run(worker::WorkerSettings::from_env()?).await
        }
        Service::Api => crate::api::serve().await,
    }
}
