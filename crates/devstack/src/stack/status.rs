//! The status of a stack's services.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The names of all services, in the order of their start.
pub(crate) const SERVICES: [&str; 5] = ["postgres", "temporal", "mail", "worker", "api"];

/// The status of one service: one line of `ps`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The name, one of [`Stack::SERVICES`](crate::Stack::SERVICES).
    pub service: String,
    /// The process id of the server.
    pub pid: Option<u32>,
    /// The state: `running`, `starting`, `stopped`, `external` or `off`.
    pub state: String,
    /// The URL of the service.
    pub url: String,
    /// The URL of its web pages, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui: Option<String>,
    /// The URL of its metrics, if it has metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// Its data folder, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
}

/// Returns the status of all services of a stack that is not running.
#[must_use]
pub fn stopped_services() -> Vec<ServiceStatus> {
    let line = |service: &str| ServiceStatus {
        service: service.to_owned(),
        pid: None,
        state: "stopped".to_owned(),
        url: String::new(),
        ui: None,
        metrics: None,
        data: None,
    };
    SERVICES.map(line).to_vec()
}

/// Returns the name of a service. Fails if no service has this name.
pub(crate) fn require_service(name: &str) -> Result<&'static str> {
    let found = SERVICES.into_iter().find(|service| *service == name);
    found.with_context(|| {
        format!(
            "unknown service {name:?}; allowed: {} and app",
            SERVICES.join(", ")
        )
    })
}
