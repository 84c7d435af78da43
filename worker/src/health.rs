//! `GET /health` reports whether the worker runs, for supervisors such as ECS; `GET /metrics`
//! serves metrics.

mod check;

pub use check::{Unhealthy, health_check};

use axum::{
    Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get,
};
use serde_json::json;
use tokio::net::TcpListener;

use order_client::SdkMetrics;
use store::PgPool;

/// Serves requests until it is dropped. It starts after the pollers, so a response means that the
/// worker is running.
pub(crate) async fn serve_health(
    listener: TcpListener,
    pool: PgPool,
    sdk: SdkMetrics,
) -> std::io::Result<()> {
    let outbox = pool.clone();
    let metrics = get(async move || {
        (
            [(CONTENT_TYPE, SdkMetrics::CONTENT_TYPE)],
            metrics_text(&outbox, &sdk).await,
        )
    });
    let app = Router::new()
        .route("/health", get(respond_health))
        .with_state(pool)
        .route("/metrics", metrics);
    axum::serve(listener, app).await
}

/// The worker's own metrics, and those of the SDK, whose names begin with `temporal_`.
async fn metrics_text(pool: &PgPool, sdk: &SdkMetrics) -> String {
    // While the database is unavailable, the last counts are kept.
    if let Ok(waiting) = store::outbox::count_pending(pool).await {
        telemetry::metrics::set_outbox_depth(waiting);
    }
    telemetry::metrics::encode_metrics() + &sdk.prometheus_text().await
}

/// Returns 200 while the database is unavailable, because a restart of the worker would not help:
/// orders wait. The body names the database as unavailable.
async fn respond_health(State(pool): State<PgPool>) -> impl IntoResponse {
    let database = match store::ping(&pool).await {
        Ok(()) => "up",
        Err(_) => "down",
    };
    (
        [(CONTENT_TYPE, "application/json")],
        json!({"status": "up", "database": database}).to_string(),
    )
}
