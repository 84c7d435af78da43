//! The addresses of a stack's services.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The addresses of a running stack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StackAddresses {
    /// The URL of the HTTP API, without a slash at the end.
    pub http_url: String,
    /// Temporal's API, as `host:port`.
    pub temporal_address: String,
    /// The namespace of the orders.
    pub temporal_namespace: String,
    /// The URL of Temporal's web pages.
    pub ui_url: String,
    /// The URL of the database, with user and password.
    pub database_url: String,
    /// The URL of the worker's health check and metrics, if the stack has a worker.
    pub worker_health_url: Option<String>,
    /// The URL of the API's metrics, without a path.
    #[serde(default)]
    pub metrics_url: String,
    /// The data folder of the database, if the stack started it.
    pub database_folder: Option<PathBuf>,
    /// The URL of the mail server, if the stack started one.
    #[serde(default)]
    pub smtp_url: Option<String>,
    /// The URL of the page that shows the mails.
    #[serde(default)]
    pub mail_url: Option<String>,
}
