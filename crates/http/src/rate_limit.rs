//! How often one caller may call. The gateway says how; in AWS, API Gateway itself does it.

use std::{sync::OnceLock, time::Duration};

use crate::{Operation, Problem, QueryOperation};

type Limit = Box<dyn Fn(&str) -> Result<(), Duration> + Send + Sync>;

static LIMIT: OnceLock<Limit> = OnceLock::new();

/// Has every call but `/health` ask `limit` by its caller's name; what it refuses may come again after a while.
pub fn set_rate_limiter(limit: impl Fn(&str) -> Result<(), Duration> + Send + Sync + 'static) {
    // Set once, at the start; a second limit in one process would be a mistake without harm.
    let _ = LIMIT.set(Box::new(limit));
}

pub(crate) fn check_rate_limit(operation: Operation, name: &str) -> Result<(), Problem> {
    match LIMIT.get() {
        Some(limit) if operation != Operation::Query(QueryOperation::Health) => {
            limit(name).map_err(Problem::rate_limited)
        }
        Some(_) | None => Ok(()),
    }
}
