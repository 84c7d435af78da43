//! The status line, once a minute: the numbers of waiting tasks, late orders, amounts that wait for an
//! operator, pending mails, and disabled endpoints; the availability of the database and of Temporal; the days until the
//! credential for Temporal expires. Once an hour, also each amount that has waited for too long.
//!
//! CloudWatch turns the log line into metrics (`infrastructure/worker.yaml`), which scaling and alarms
//! use. Every worker reports the same numbers, whatever queues it serves. A number that cannot be
//! determined is left out, because a missing value does not mean zero.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use contract::AttentionEntry;
use domain::Money;
use order_client::OrderClient;
use settings::{
    Environment, ORDERS_LATE_AFTER, PAYMENT_ATTENTION_AFTER, REPORT_EVERY, SettingError,
};
use store::{
    PgPool,
    attention::{self, AttentionFilter},
    endpoints::EndpointCounts,
};
use telemetry::metrics;

/// The interval of the report.
#[derive(Debug, Clone, Copy)]
pub struct ReportSettings {
    pub every: Duration,
    /// The time without progress after which an open order counts as late.
    pub late_after: Duration,
    /// The age from which an entry of the money work list is logged and counted.
    pub attention_after: Duration,
}

/// The minimum time between two logs of the work list.
const ATTENTION_LOG_INTERVAL: Duration = Duration::from_secs(3600);

/// The largest number of entries that are counted and logged.
const MAX_ATTENTION: u32 = 1000;

impl ReportSettings {
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        Ok(Self {
            every: environment.duration(&REPORT_EVERY)?,
            late_after: environment.duration(&ORDERS_LATE_AFTER)?,
            attention_after: environment.duration(&PAYMENT_ATTENTION_AFTER)?,
        })
    }
}

/// Logs the status line until `stop` is set.
pub(crate) async fn report_status(
    orders: OrderClient,
    pool: PgPool,
    settings: ReportSettings,
    credential_expiry: Option<DateTime<Utc>>,
    mut stop: watch::Receiver<bool>,
) {
    let telling = async {
        let mut tick = interval(settings.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut attention_logged: Option<Instant> = None;
        loop {
            tick.tick().await;
            let (waiting, late, entries, mails, endpoints) = futures::join!(
                count_waiting_tasks(&orders),
                count_late_orders(&pool, settings.late_after),
                list_old_entries(&pool, settings.attention_after),
                count_pending_mails(&pool),
                count_endpoints(&pool)
            );
            let attention = entries
                .as_ref()
                .map(|entries| i64::try_from(entries.len()).unwrap_or(i64::MAX));
            Status {
                is_temporal_available: waiting.is_ok(),
                waiting: waiting.unwrap_or_default(),
                late,
                attention,
                mails,
                endpoints,
                credential_days: credential_expiry.map(|end| (end - Utc::now()).num_days().max(0)),
            }
            .log();
            let Some(entries) = entries else { continue };
            let is_due = attention_logged.is_none_or(|at| at.elapsed() >= ATTENTION_LOG_INTERVAL);
            if is_due && !entries.is_empty() {
                entries.iter().for_each(log_entry);
                attention_logged = Some(Instant::now());
            }
        }
    };
    tokio::select! {
        () = telling => {}
        // An error means that the sender is gone, which stops the loop as well.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

struct Status {
    waiting: Option<i64>,
    late: Option<i64>,
    attention: Option<i64>,
    mails: Option<i64>,
    endpoints: Option<EndpointCounts>,
    /// The days until the credential for Temporal expires, and 0 after its end, because the filters
    /// select numbers from 0 on.
    credential_days: Option<i64>,
    is_temporal_available: bool,
}

impl Status {
    /// Logs the numbers as fields at the top level of a JSON line. The filters of the template use
    /// their names. A filter needs a number, so an available server is 1 and an unavailable one 0.
    fn log(&self) {
        let Self { waiting, late, .. } = *self;
        waiting.inspect(|waiting| metrics::set_task_queue_backlog(*waiting));
        late.inspect(|late| metrics::set_late_orders(*late));
        self.attention
            .inspect(|entries| metrics::set_payments_attention(*entries));
        self.endpoints
            .inspect(|counts| metrics::set_endpoints(counts.disabled, counts.pending));
        let words =
            |count: Option<i64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        tracing::info!(
            task_queue_backlog = waiting,
            orders_late = late,
            database_ok = u8::from(late.is_some()),
            temporal_ok = u8::from(self.is_temporal_available),
            payments_attention = self.attention,
            mails_pending = self.mails,
            endpoints_disabled = self.endpoints.map(|counts| counts.disabled),
            endpoint_messages_pending = self.endpoints.map(|counts| counts.pending),
            temporal_credential_days = self.credential_days,
            "waiting tasks: {}; late orders: {}",
            words(waiting),
            words(late)
        );
    }
}

/// Counts the waiting workflow and activity tasks of both task queues, also those of a queue that
/// this worker does not serve. Returns `None` if Temporal does not report them.
async fn count_waiting_tasks(orders: &OrderClient) -> Result<Option<i64>, order_client::Error> {
    let queues = orders.read_task_queues().await;
    let queues = queues.inspect_err(|error| {
        tracing::warn!(
            "the waiting tasks could not be counted: {}",
            telemetry::format_error_chain(error)
        );
    })?;
    Ok(queues.iter().map(|(_, state)| state.backlog).sum())
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

async fn count_pending_mails(pool: &PgPool) -> Option<i64> {
    match store::outbox::count_pending(pool).await {
        Ok(mails) => Some(mails),
        Err(error) => {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
            None
        }
    }
}

async fn count_endpoints(pool: &PgPool) -> Option<EndpointCounts> {
    match store::endpoints::count(pool).await {
        Ok(counts) => Some(counts),
        Err(error) => {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
            None
        }
    }
}

/// Returns the entries of the work list that are older than `after`.
async fn list_old_entries(pool: &PgPool, after: Duration) -> Option<Vec<AttentionEntry>> {
    let filter = AttentionFilter {
        before: Some(Utc::now() - after),
        ..AttentionFilter::default()
    };
    match attention::list(pool, &filter, MAX_ATTENTION).await {
        Ok(entries) => Some(entries),
        Err(error) => {
            tracing::warn!("{}", telemetry::format_error_chain(&error));
            None
        }
    }
}

/// Logs an entry of the work list. It has ids and an amount, but no personal data.
fn log_entry(entry: &AttentionEntry) {
    let amount = entry
        .amount
        .zip(entry.currency)
        .and_then(|(amount, currency)| Money::from_decimal(amount, currency).ok())
        .map(|amount| amount.to_string());
    tracing::warn!(
        entry_id = entry.id,
        concern = entry.concern.as_str(),
        amount,
        order_id = entry.order_id,
        "money needs an operator: {}, {}; run `orderflow money show {}`",
        entry.concern,
        amount.as_deref().unwrap_or("no amount"),
        entry.id
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_interval_is_a_minute() {
        let read = |pairs: &[(&str, &str)]| {
            ReportSettings::from_settings(&Environment::from_pairs(pairs.iter().copied())).map(
                |settings| {
                    let all = [
                        settings.every,
                        settings.late_after,
                        settings.attention_after,
                    ];
                    all.map(|time| time.as_secs())
                },
            )
        };
        assert_eq!(read(&[]), Ok([60, 900, 3600]));
        assert_eq!(
            read(&[
                ("REPORT_EVERY", "5s"),
                ("ORDERS_LATE_AFTER", "1h"),
                ("PAYMENT_ATTENTION_AFTER", "1d")
            ]),
            Ok([5, 3600, 86_400])
        );
        for bad in [
            ("REPORT_EVERY", "0s"),
            ("ORDERS_LATE_AFTER", "soon"),
            ("PAYMENT_ATTENTION_AFTER", "0s"),
        ] {
            assert_eq!(read(&[bad]).unwrap_err().name(), bad.0);
        }
    }
}
