//! `GET /health`: the API is up, or it would not answer; is Temporal?

use serde::Serialize;

use crate::App;
use orderflow_http::{Problem, Reply};

/// What `GET /health` answers.
#[derive(Debug, Serialize)]
pub struct Health {
    /// `ok` or `unavailable`.
    pub status: &'static str,
    pub temporal: Dependency,
}

/// What the API leans on.
#[derive(Debug, Serialize)]
pub struct Dependency {
    pub reachable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

pub(crate) async fn health(app: &App) -> Result<Reply, Problem> {
    match app.orders.health().await {
        Ok(()) => Reply::ok(&Health {
            status: "ok",
            temporal: Dependency {
                reachable: true,
                cause: None,
            },
        }),
        Err(error) => Reply::unavailable(&Health {
            status: "unavailable",
            temporal: Dependency {
                reachable: false,
                cause: Some(format!("failed to {error}")),
            },
        }),
    }
}
