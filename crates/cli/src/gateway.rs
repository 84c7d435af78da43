//! The local gateway: the handlers of all functions in one process.
//!
//! A request is converted to the event that API Gateway would send, and the response back to HTTP.
//! A laptop therefore runs the same code as Lambda. The gateway itself makes no decision.

mod event;
mod functions;
mod metrics;
mod rate_limit;

use std::{future::IntoFuture, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Body as HttpBody,
    extract::{ConnectInfo, Request as HttpRequest, State},
    http::Response as HttpResponse,
};
use functions::Functions;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use order_client::SdkMetrics;
use settings::{Environment, ORDERFLOW_HTTP_ADDRESS, Program};

/// Serves the HTTP API at `ORDERFLOW_HTTP_ADDRESS` until SIGTERM or Ctrl-C.
///
/// Requests in progress are finished before the function returns.
pub(crate) async fn serve_gateway() -> Result<()> {
    telemetry::init_with_traces("orderflow-api")?;
    let environment = Environment::from_process();
    environment.check(Program::Gateway)?;
    let sdk = SdkMetrics::start().context("the metrics of the Temporal SDK could not be set up")?;
    let functions = Arc::new(Functions::from_env(&sdk)?);
    rate_limit::apply_rate_limit()?;
    metrics::serve_metrics(sdk).await?;
    let address = environment.get_or_default(&ORDERFLOW_HTTP_ADDRESS);
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| {
        ORDERFLOW_HTTP_ADDRESS.reject(address, format!("failed to listen: {error}"))
    })?;
    let mut terminated = signal(SignalKind::terminate())?;
    tracing::info!(%address, "the HTTP API is ready");
    let service = Router::new().fallback(call).with_state(functions);
    axum::serve(
        listener,
        service.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            // If the handler for Ctrl-C cannot be installed, SIGTERM still stops the gateway.
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    })
    .into_future()
    .await?;
    telemetry::flush_traces().await;
    tracing::info!("the HTTP API has stopped");
    Ok(())
}

async fn call(
    State(functions): State<Arc<Functions>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: HttpRequest,
) -> HttpResponse<HttpBody> {
    let event = event::event_from_http(request, peer).await;
    event::response_to_http(functions.handle(event).await)
}
