//! The rate limit per caller. The local gateway sets it; in AWS, API Gateway limits the rate.

use std::{sync::OnceLock, time::Duration};

use crate::{Operation, Problem, StartOperation};

type Limit = Box<dyn Fn(&str) -> Result<(), Duration> + Send + Sync>;

static LIMIT: OnceLock<Limit> = OnceLock::new();

/// Sets the rate limiter for every route except `/health`.
///
/// `limit` receives the caller's name and returns, as an error, the time until the next allowed
/// request.
pub fn set_rate_limiter(limit: impl Fn(&str) -> Result<(), Duration> + Send + Sync + 'static) {
    // Set once, at the start; a second limiter in one process is ignored.
    let _ = LIMIT.set(Box::new(limit));
}

/// Rejects a request of a caller that has reached its limit.
pub(crate) fn check_rate_limit(operation: Operation, name: &str) -> Result<(), Problem> {
    match LIMIT.get() {
        Some(limit) if operation != Operation::Start(StartOperation::Health) => {
            limit(name).map_err(Problem::rate_limited)
        }
        Some(_) | None => Ok(()),
    }
}
