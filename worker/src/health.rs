//! `GET /health`: whether this worker does its work, for whoever would restart it; `GET /metrics`: how it does.

mod check;

pub use check::{Unhealthy, health_check};

use axum::{
    Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get,
};
use serde_json::json;
use tokio::net::TcpListener;

use order_client::SdkMetrics;
use store::PgPool;

/// Answers until it is dropped. The worker is up once this listens: it does so after its pollers started.
pub(crate) async fn serve(
    listener: TcpListener,
    pool: PgPool,
    sdk: SdkMetrics,
) -> std::io::Result<()> {
    let outbox = pool.clone();
    let metrics = get(async move || {
        (
            [(CONTENT_TYPE, SdkMetrics::CONTENT_TYPE)],
            measured(&outbox, &sdk).await,
        )
    });
    let app = Router::new()
        .route("/health", get(health))
        .with_state(pool)
        .route("/metrics", metrics);
    axum::serve(listener, app).await
}

/// Ours, and the SDK's, whose names begin with `temporal_`.
async fn measured(pool: &PgPool, sdk: &SdkMetrics) -> String {
    // While the database is away, what was counted last stands.
    if let Ok(waiting) = store::outbox::count_pending(pool).await {
        telemetry::metrics::set_outbox_depth(waiting);
    }
    telemetry::metrics::encode_metrics() + &sdk.prometheus_text().await
}

/// A database that is away is no reason to restart the worker: orders wait for it. So it is told, with 200.
async fn health(State(pool): State<PgPool>) -> impl IntoResponse {
    let database = match store::ping(&pool).await {
        Ok(()) => "up",
        Err(_) => "down",
    };
    (
        [(CONTENT_TYPE, "application/json")],
        json!({"status": "up", "database": database}).to_string(),
    )
}
