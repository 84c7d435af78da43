//! What can go wrong between a caller and an order.

/// Why there is no answer. Each variant is one thing that a caller can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Temporal could not be reached, or refused for now: trying again later may help.
    #[error("reach Temporal: {0}")]
    Unavailable(String),
    /// Temporal is there, but no worker took it in time.
    #[error("get an answer: no worker took it in time")]
    NoWorker,
    /// Temporal knows no such order.
    #[error("find the order")]
    NotFound,
    /// What should not happen: versions that do not fit, a broken payload.
    #[error("understand Temporal: {0}")]
    Unexpected(String),
}
