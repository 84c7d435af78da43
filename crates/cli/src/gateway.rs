//! The local gateway: the very handlers of `functions/*`, mounted in one process.
//!
//! A call becomes the event that API Gateway would send and the answer becomes HTTP again, so that
//! what runs here is what runs in Lambda. Routes are those of the one table; nothing is decided here.

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
use settings::{Environment, ORDERFLOW_HTTP_ADDRESS};

/// Serves the HTTP API at `ORDERFLOW_HTTP_ADDRESS` until SIGTERM or Ctrl-C; calls under way are answered.
pub(crate) async fn serve_gateway() -> Result<()> {
    telemetry::init()?;
    let sdk = SdkMetrics::start().context("the SDK's metrics could not be set up")?;
    let functions = Arc::new(Functions::from_env(&sdk)?);
    rate_limit::apply_rate_limit()?;
    metrics::serve_metrics(sdk).await?;
    let environment = Environment::from_process();
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
            // Without a handler for Ctrl-C there is still SIGTERM.
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    })
    .into_future()
    .await?;
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
