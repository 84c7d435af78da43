//! The availability of the database and of Temporal, as the health checks report it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use order_client::OrderClient;
use store::PgPool;

/// The time without a successful call after which the worker is no longer ready. It is longer than
/// a failover of the database.
const UNREADY_AFTER: Duration = Duration::from_secs(180);

/// The interval of the calls until the first one succeeds, and after it.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// An age of orders that few have, so that the first call to the database counts few rows.
const LONG_AGO: Duration = Duration::from_hours(24 * 365);

/// One server that the worker needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dependency {
    /// Whether the last call succeeded.
    pub(super) is_available: bool,
    last_success: Option<Instant>,
}

impl Dependency {
    fn is_ready(&self, now: Instant) -> bool {
        self.last_success
            .is_some_and(|at| now.saturating_duration_since(at) <= UNREADY_AFTER)
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dependencies {
    pub(super) database: Dependency,
    pub(super) temporal: Dependency,
}

impl Dependencies {
    /// Whether the worker has used both since its start. This remains true, because a restart of the
    /// worker cannot end an outage.
    pub(super) fn have_been_used(&self) -> bool {
        self.database.last_success.is_some() && self.temporal.last_success.is_some()
    }

    /// Whether the worker has reached both recently.
    pub(super) fn are_ready(&self, now: Instant) -> bool {
        self.database.is_ready(now) && self.temporal.is_ready(now)
    }
}

/// Calls both servers and publishes the results.
pub(super) struct Monitor {
    orders: OrderClient,
    pool: PgPool,
    results: watch::Sender<Dependencies>,
}

impl Monitor {
    pub(super) fn new(orders: OrderClient, pool: PgPool) -> Self {
        Self {
            orders,
            pool,
            results: watch::Sender::default(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Dependencies> {
        self.results.subscribe()
    }

    pub(super) async fn run(&self) -> Infallible {
        let database = self.call_repeatedly(
            "the database",
            async |was_used| self.call_database(was_used).await,
            |dependencies| &mut dependencies.database,
        );
        let temporal = self.call_repeatedly(
            "Temporal",
            async |_| self.call_temporal().await,
            |dependencies| &mut dependencies.temporal,
        );
        futures::join!(database, temporal).0
    }

    async fn call_repeatedly(
        &self,
        name: &str,
        call: impl AsyncFn(bool) -> Result<(), String>,
        select: impl Fn(&mut Dependencies) -> &mut Dependency,
    ) -> Infallible {
        let mut was_used = false;
        let mut logged = None;
        loop {
            let failure = call(was_used).await.err();
            was_used |= failure.is_none();
            self.results.send_modify(|dependencies| {
                let dependency = select(dependencies);
                dependency.is_available = failure.is_none();
                if failure.is_none() {
                    dependency.last_success = Some(Instant::now());
                }
            });
            if failure != logged {
                match &failure {
                    Some(failure) => tracing::warn!("{name} is unavailable: {failure}"),
                    None => tracing::info!("{name} is available again"),
                }
                logged = failure;
            }
            sleep(if was_used { INTERVALS.1 } else { INTERVALS.0 }).await;
        }
    }

    /// The first successful call reads orders, which proves schema and privileges. Later calls only
    /// test the connection.
    async fn call_database(&self, was_used: bool) -> Result<(), String> {
        let called = if was_used {
            store::ping(&self.pool).await
        } else {
            store::stalled_orders::count(&self.pool, LONG_AGO)
                .await
                .map(drop)
        };
        called.map_err(|error| {
            error
                .cause()
                .unwrap_or_else(|| telemetry::format_error_chain(&error))
        })
    }

    async fn call_temporal(&self) -> Result<(), String> {
        match self.orders.has_namespace().await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the namespace does not exist".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_outage_ends_readiness_but_not_liveness() {
        let now = Instant::now();
        let reached_at = |database, temporal| {
            let dependency = |last_success| Dependency {
                is_available: false,
                last_success,
            };
            Dependencies {
                database: dependency(database),
                temporal: dependency(temporal),
            }
        };
        for (database, temporal, used, ready) in [
            (None, None, false, false),
            (Some(now), None, false, false),
            (None, Some(now), false, false),
            (Some(now), Some(now), true, true),
        ] {
            let dependencies = reached_at(database, temporal);
            assert_eq!(
                (dependencies.have_been_used(), dependencies.are_ready(now)),
                (used, ready)
            );
        }
        let last = now + UNREADY_AFTER;
        let after = last + Duration::from_millis(1);
        for dependencies in [
            reached_at(Some(now), Some(after)),
            reached_at(Some(after), Some(now)),
        ] {
            assert!(dependencies.are_ready(last));
            assert!(!dependencies.are_ready(after));
            assert!(dependencies.have_been_used());
        }
    }
}
