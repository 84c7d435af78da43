//! `GET /health`: whether the API can reach Temporal.

use serde::Serialize;

use crate::app::App;
use orderflow_http::{ApiResponse, Problem};

/// The body of `GET /health`.
#[derive(Debug, Serialize)]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: &'static str,
    pub temporal: DependencyHealth,
}

/// The state of a service that the API depends on.
#[derive(Debug, Serialize)]
pub struct DependencyHealth {
    pub reachable: bool,
    /// The reason why the service is unreachable.
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
                cause: Some(error.to_string()),
            },
        }),
    }
}
