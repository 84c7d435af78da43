//! The worker's HTTP endpoints.
//!
//! - `GET /health` is for supervisors that restart the worker, such as ECS. It responds with 200 from
//!   the worker's first use of the database and of Temporal until the worker ends.
//! - `GET /ready` responds with 503 also when either has been unavailable for minutes.
//! - `GET /metrics` serves metrics.

mod check;
mod dependencies;

pub use check::{Unhealthy, health_check};

use std::time::Instant;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use dependencies::{Dependencies, Dependency, Monitor};
use serde_json::json;
use tokio::net::TcpListener;

use order_client::{OrderClient, SdkMetrics};
use store::PgPool;

/// Serves requests until it is dropped. It starts after the pollers.
pub(crate) async fn serve_health(
    listener: TcpListener,
    orders: OrderClient,
    pool: PgPool,
    sdk: SdkMetrics,
) -> std::io::Result<()> {
    let monitor = Monitor::new(orders, pool.clone());
    let (alive, ready) = (monitor.subscribe(), monitor.subscribe());
    let health = get(async move || {
        let dependencies = *alive.borrow();
        respond(dependencies, dependencies.have_been_used())
    });
    let readiness = get(async move || {
        let dependencies = *ready.borrow();
        respond(dependencies, dependencies.are_ready(Instant::now()))
    });
    let metrics = get(async move || {
        (
            [(CONTENT_TYPE, SdkMetrics::CONTENT_TYPE)],
            metrics_text(&pool, &sdk).await,
        )
    });
    let app = Router::new()
        .route("/health", health)
        .route("/ready", readiness)
        .route("/metrics", metrics);
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served,
        never = monitor.run() => match never {},
    }
}

/// The worker's own metrics, and those of the SDK, whose names begin with `temporal_`.
async fn metrics_text(pool: &PgPool, sdk: &SdkMetrics) -> String {
    // While the database is unavailable, the last counts are kept.
    if let Ok(waiting) = store::outbox::count_pending(pool).await {
        telemetry::metrics::set_outbox_depth(waiting);
    }
    telemetry::metrics::encode_metrics() + &sdk.prometheus_text().await
}

fn respond(dependencies: Dependencies, is_healthy: bool) -> impl IntoResponse {
    let (code, status) = if is_healthy {
        (StatusCode::OK, "up")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let state = |dependency: Dependency| {
        if dependency.is_available {
            "up"
        } else {
            "down"
        }
    };
    let body = json!({
        "status": status,
        "database": state(dependencies.database),
        "temporal": state(dependencies.temporal),
    });
    (code, [(CONTENT_TYPE, "application/json")], body.to_string())
}
