//! `GET /metrics` of the API, on a separate port that the API's callers cannot reach.

use anyhow::Result;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use tokio::net::TcpListener;

use order_client::SdkMetrics;
use settings::ORDERFLOW_METRICS_ADDRESS;

/// Serves metrics at `ORDERFLOW_METRICS_ADDRESS` until the program ends.
///
/// Without this setting there is no metrics endpoint.
pub(crate) async fn serve_metrics(sdk: SdkMetrics) -> Result<()> {
    let Some(address) = settings::read(&ORDERFLOW_METRICS_ADDRESS) else {
        return Ok(());
    };
    let bound = TcpListener::bind(&address).await;
    let listener = bound.map_err(|error| {
        ORDERFLOW_METRICS_ADDRESS.reject(&address, format!("failed to listen: {error}"))
    })?;
    let measured =
        async move || telemetry::metrics::encode_metrics() + &sdk.prometheus_text().await;
    let metrics = get(async move || ([(CONTENT_TYPE, SdkMetrics::CONTENT_TYPE)], measured().await));
    let served = axum::serve(listener, Router::new().route("/metrics", metrics));
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!("metrics are no longer served: {error}");
        }
    });
    Ok(())
}
