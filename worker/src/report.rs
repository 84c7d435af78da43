//! How things stand, once a minute: how many tasks wait, and how many orders are late.
//!
//! It is one line of the log, of which CloudWatch makes two metrics (`infrastructure/worker.yaml`): scaling and two alarms go
//! by them. Every worker tells the same, whatever queues it serves. What can't be counted is left out: no number is no zero.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use domain::{SettingError, Span};
use order_client::OrderClient;
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
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let span = |name: &str, default| {
            let Some(value) = get(name) else {
                return Ok(Span::from_secs(default));
            };
            value
                .parse()
                .ok()
                .filter(|span: &Span| !span.is_zero())
                .ok_or_else(|| SettingError {
                    name: name.to_owned(),
                    value,
                    allowed: "must be a duration such as 1m, longer than nothing".to_owned(),
                })
        };
        let (every, late_after) = (
            span("REPORT_EVERY", 60)?,
            span("ORDERS_LATE_AFTER", 15 * 60)?,
        );
        Ok(Self {
            every: every.duration(),
            late_after: late_after.duration(),
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
    fn it_is_told_once_a_minute_unless_somebody_says_otherwise() {
        let read = |set: &'static [(&str, &str)]| {
            let value = |name: &str| {
                set.iter()
                    .find(|(set, _)| *set == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            ReportSettings::read(value)
                .map(|settings| (settings.every.as_secs(), settings.late_after.as_secs()))
        };
        assert_eq!(read(&[]), Ok((60, 900)));
        assert_eq!(
            read(&[("REPORT_EVERY", "5s"), ("ORDERS_LATE_AFTER", "1h")]),
            Ok((5, 3600))
        );
        for bad in [&[("REPORT_EVERY", "0s")], &[("ORDERS_LATE_AFTER", "soon")]] {
            assert!(
                read(bad)
                    .unwrap_err()
                    .to_string()
                    .contains("is not allowed: must be a duration"),
                "{bad:?}"
            );
        }
    }
}
