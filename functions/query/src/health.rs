//! `GET /health`: the API is up, or it would not answer; is Temporal?

use crate::App;
use orderflow_http::{Problem, Reply};
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    temporal: Dependency,
}

#[derive(Serialize)]
struct Dependency {
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

pub(crate) async fn health(app: &App) -> Result<Reply, Problem> {
    match app.orders.health().await {
        Ok(()) => Reply::ok(&Health { status: "ok", temporal: Dependency { reachable: true, cause: None } }),
        Err(error) => Reply::unavailable(&Health {
            status: "unavailable",
            temporal: Dependency { reachable: false, cause: Some(format!("failed to {error}")) },
        }),
    }
}
