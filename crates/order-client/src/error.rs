//! Errors of a call to an order.

/// The reason why a call has no result. Each variant needs another reaction of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Temporal is unavailable or refuses calls at the moment. A later call may succeed.
    #[error("failed to reach Temporal: {0}")]
    Unavailable(String),
    /// Temporal is available, but no worker responded in time.
    #[error("no worker responded in time")]
    NoWorker,
    /// Temporal has no order with this id.
    #[error("Temporal has no order with this id")]
    NotFound,
    /// An unexpected response, for example from an incompatible version, or a broken payload.
    #[error("unexpected response from Temporal: {0}")]
    Unexpected(String),
}
