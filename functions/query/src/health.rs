//! `GET /health`: the API is up, or it would not answer; is Temporal?

use serde::Serialize;

use crate::App;
use orderflow_http::{ApiResponse, Problem};

/// What `GET /health` answers.
#[derive(Debug, Serialize)]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: &'static str,
    pub temporal: DependencyHealth,
}

/// What the API leans on.
#[derive(Debug, Serialize)]
pub struct DependencyHealth {
    pub reachable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

pub(crate) async fn check_health(app: &App) -> Result<ApiResponse, Problem> {
    match app.orders.check_health().await {
        Ok(()) => ApiResponse::ok(&Health {
            status: "ok",
            temporal: DependencyHealth {
                reachable: true,
                cause: None,
            },
        }),
        Err(error) => ApiResponse::service_unavailable(&Health {
            status: "unavailable",
            temporal: DependencyHealth {
                reachable: false,
                cause: Some(format!("failed to {error}")),
            },
        }),
    }
}
