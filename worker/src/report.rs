//! How things stand, once a minute: how many tasks wait, and how many orders are late.
//!
//! It is one line of the log, of which CloudWatch makes two metrics (`infrastructure/worker.yaml`): scaling and two alarms go
//! by them. Every worker tells the same, whatever queues it serves. What can't be counted is left out: no number is no zero.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use order_client::OrderClient;
use settings::{Environment, ORDERS_LATE_AFTER, REPORT_EVERY, SettingError};
use store::PgPool;
use telemetry::metrics;

/// How often it is told, and what is told of.
#[derive(Debug, Clone, Copy)]
pub struct ReportSettings {
    pub every: Duration,
    /// How long an order may stand still without a reason.
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

/// Tells how things stand until `stop` says so.
pub(crate) async fn tell(
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
            let (waiting, late) =
                futures::join!(backlog(&orders), late(&pool, settings.late_after));
            line(waiting, late);
        }
    };
    tokio::select! {
        () = telling => {}
        // An error is the end of whoever would stop us.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// The fields stand at the top of a JSON line. Their names are in the template's filters.
fn line(waiting: Option<i64>, late: Option<i64>) {
    waiting.inspect(|waiting| metrics::set_task_queue_backlog(*waiting));
    late.inspect(|late| metrics::set_late_orders(*late));
    let words =
        |count: Option<i64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    tracing::info!(
        task_queue_backlog = waiting,
        orders_late = late,
        "tasks that wait: {}; orders that are late: {}",
        words(waiting),
        words(late)
    );
}

/// Of workflows and of activities, in both task queues: a worker that serves one of them knows of the other, too.
async fn backlog(orders: &OrderClient) -> Option<i64> {
    match orders.read_task_queues().await {
        Ok(queues) => queues.iter().map(|(_, state)| state.backlog).sum(),
        Err(error) => {
            tracing::warn!(
                "the tasks that wait could not be counted: {}",
                telemetry::format_error_chain(&error)
            );
            None
        }
    }
}

async fn late(pool: &PgPool, after: Duration) -> Option<i64> {
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
