//! The status line, once a minute: the number of waiting tasks and the number of late orders.
//!
//! CloudWatch turns the log line into two metrics (`infrastructure/worker.yaml`), which scaling and
//! two alarms use. Every worker reports the same numbers, whatever queues it serves. A number that
//! cannot be determined is left out, because a missing value does not mean zero.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use order_client::OrderClient;
use settings::{Environment, ORDERS_LATE_AFTER, REPORT_EVERY, SettingError};
use store::PgPool;
use telemetry::metrics;

/// The interval of the report.
#[derive(Debug, Clone, Copy)]
pub struct ReportSettings {
    pub every: Duration,
    /// The time without progress after which an open order counts as late.
    pub late_after: Duration,
}

impl ReportSettings {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        Ok(Self {
            every: environment.duration(&REPORT_EVERY)?,
            late_after: environment.duration(&ORDERS_LATE_AFTER)?,
        })
    }
}

/// Logs the status line until `stop` is set.
pub(crate) async fn report_status(
    orders: OrderClient,
    pool: PgPool,
    settings: ReportSettings,
    mut stop: watch::Receiver<bool>,
) {
    let telling = async {
        let mut tick = interval(settings.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let (waiting, late) = futures::join!(
                count_waiting_tasks(&orders),
                count_late_orders(&pool, settings.late_after)
            );
            log_status(waiting, late);
        }
    };
    tokio::select! {
        () = telling => {}
        // An error means that the sender is gone, which stops the loop as well.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Logs the numbers as fields at the top level of a JSON line. The filters of the template use
/// their names.
fn log_status(waiting: Option<i64>, late: Option<i64>) {
    waiting.inspect(|waiting| metrics::set_task_queue_backlog(*waiting));
    late.inspect(|late| metrics::set_late_orders(*late));
    let words =
        |count: Option<i64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    tracing::info!(
        task_queue_backlog = waiting,
        orders_late = late,
        "waiting tasks: {}; late orders: {}",
        words(waiting),
        words(late)
    );
}

/// Counts the waiting workflow and activity tasks of both task queues, also those of a queue that
/// this worker does not serve.
async fn count_waiting_tasks(orders: &OrderClient) -> Option<i64> {
    match orders.read_task_queues().await {
        Ok(queues) => queues.iter().map(|(_, state)| state.backlog).sum(),
        Err(error) => {
            tracing::warn!(
                "the waiting tasks could not be counted: {}",
                telemetry::format_error_chain(&error)
            );
            None
        }
    }
}

async fn count_late_orders(pool: &PgPool, after: Duration) -> Option<i64> {
    match store::stalled_orders::count(pool, after).await {
        Ok(late) => Some(late),
        Err(error) => {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_interval_is_a_minute() {
        let read = |pairs: &[(&str, &str)]| {
            ReportSettings::from_settings(&Environment::from_pairs(pairs.iter().copied()))
                .map(|settings| (settings.every.as_secs(), settings.late_after.as_secs()))
        };
        assert_eq!(read(&[]), Ok((60, 900)));
        assert_eq!(
            read(&[("REPORT_EVERY", "5s"), ("ORDERS_LATE_AFTER", "1h")]),
            Ok((5, 3600))
        );
        for bad in [("REPORT_EVERY", "0s"), ("ORDERS_LATE_AFTER", "soon")] {
            assert_eq!(read(&[bad]).unwrap_err().name(), bad.0);
        }
    }
}
