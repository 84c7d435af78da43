//! Bounded retries.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Failure;

/// How long and how often an attempt is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retries {
    pub(crate) limit: Duration,
    pub(crate) pause: Duration,
}

/// Repeats `attempt` while it fails and a repetition may succeed. Only the last failure is returned;
/// the earlier ones are warnings.
pub(crate) async fn retry<T, F>(
    Retries { limit, pause }: Retries,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let end = Instant::now() + limit;
    loop {
        match attempt().await {
            Err(failure) if failure.is_transient && Instant::now() + pause < end => {
                tracing::warn!("retrying in {} s: {}", pause.as_secs(), failure.detail());
                sleep(pause).await;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    async fn count_attempts(transient: bool) -> u32 {
        let mut attempts = 0;
        let retries = Retries {
            limit: Duration::from_millis(40),
            pause: Duration::from_millis(15),
        };
        let result: Result<(), _> = retry(retries, || {
            attempts += 1;
            ready(Err(Failure::new("unavailable", "wait").transient(transient)))
        })
        .await;
        assert!(result.is_err());
        attempts
    }

    #[tokio::test]
    async fn transient_failure_is_retried_for_the_limit() {
        let start = Instant::now();
        let attempts = count_attempts(true).await;
        assert!((2..=3).contains(&attempts), "{attempts}");
        assert!(start.elapsed() >= Duration::from_millis(15));
    }

    #[tokio::test]
    async fn permanent_failure_is_not_retried() {
        assert_eq!(count_attempts(false).await, 1);
    }
}
