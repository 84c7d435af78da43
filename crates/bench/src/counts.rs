//! Counts per order that do not depend on the speed of the machine.
//!
//! One order runs after the other, and the database is a separate server that nothing else uses. So
//! all its transactions and transaction ids belong to these orders.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::{
    actions::{TemporalCounts, read_counts},
    target::{Design, Target},
    wire::{Proxy, WireCounts},
};

/// The counted orders.
const ORDERS: u32 = 20;
/// The orders before, which open connections and prepare statements.
const WARM_UP: u32 = 20;
/// The time in which the work of the programs without orders is counted.
const IDLE: Duration = Duration::from_secs(5);

/// Counts per order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CountsPerOrder {
    pub design: Design,
    /// Requests to PostgreSQL for which a program waited.
    pub round_trips: f64,
    /// Statements, with `BEGIN` and `COMMIT`.
    pub statements: f64,
    /// Transactions, also those that only read.
    pub transactions: f64,
    /// Transactions that wrote, by the transaction ids that PostgreSQL assigned.
    pub commits: f64,
    /// State transitions of all workflows of the order.
    pub state_transitions: f64,
    /// Events in the histories of all workflows of the order.
    pub history_events: f64,
    /// Actions that Temporal Cloud would bill.
    pub billable_actions: f64,
}

/// The counters of the database at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct DatabaseCounts {
    wire: WireCounts,
    transaction_ids: u64,
    seconds: f64,
}

impl DatabaseCounts {
    /// Returns the increases since `before`: round trips, statements, transactions, transaction ids.
    fn since(&self, before: &Self) -> [f64; 4] {
        let difference = |after: u64, before: u64| after.saturating_sub(before) as f64;
        [
            difference(self.wire.round_trips, before.wire.round_trips),
            difference(self.wire.statements, before.wire.statements),
            difference(self.wire.transactions, before.wire.transactions),
            difference(self.transaction_ids, before.transaction_ids),
        ]
    }
}

/// Returns the counts per order, without the work that the programs also do without orders.
/// `moments` are: the begin of the idle time, its end, which is the begin of the orders, and their end.
fn per_order(moments: &[DatabaseCounts; 3], orders: u32) -> [f64; 4] {
    let [begin, idle, end] = moments;
    let idle_seconds = (idle.seconds - begin.seconds).max(0.001);
    let share = (end.seconds - idle.seconds) / idle_seconds;
    let (without, with) = (idle.since(begin), end.since(idle));
    let value = |(with, without): (f64, f64)| {
        let exact = (with - without * share) / f64::from(orders.max(1));
        (exact.max(0.0) * 10.0).round() / 10.0
    };
    let [a, b, c, d] = with;
    let [e, f, g, h] = without;
    [(a, e), (b, f), (c, g), (d, h)].map(value)
}

/// Counts the orders of `target`, whose programs use the database through `proxy`. `database_url` leads
/// to the same database without the proxy.
pub(crate) async fn count_orders(
    design: Design,
    target: &Target,
    proxy: &Proxy,
    database_url: &str,
) -> Result<CountsPerOrder> {
    let began = Instant::now();
    let mut connection = PgConnection::connect(database_url)
        .await
        .context("failed to connect to the database")?;
    for number in 0..WARM_UP {
        target.run_order(number, Instant::now()).await?;
    }
    // Work that follows an order must not count as idle.
    sleep(Duration::from_secs(1)).await;
    let mut moments = [DatabaseCounts::default(); 3];
    let mut ended = Vec::new();
    for (step, moment) in moments.iter_mut().enumerate() {
        match step {
            0 => {}
            1 => sleep(IDLE).await,
            _ => {
                for number in WARM_UP..WARM_UP + ORDERS {
                    ended.push(target.run_order(number, Instant::now()).await?);
                }
                sleep(Duration::from_millis(500)).await;
            }
        }
        *moment = DatabaseCounts {
            wire: proxy.counts(),
            transaction_ids: read_next_transaction_id(&mut connection).await?,
            seconds: began.elapsed().as_secs_f64(),
        };
    }
    connection.close().await?;
    if ended.is_empty() {
        bail!("no order was counted");
    }
    let mut temporal = TemporalCounts::default();
    for order in &ended {
        let counts = read_counts(&target.temporal, order.workflow_id.clone()).await?;
        temporal.state_transitions += counts.state_transitions;
        temporal.history_events += counts.history_events;
        temporal.billable_actions += counts.billable_actions;
    }
    let mean = |sum: u64| (sum as f64 / ended.len() as f64 * 10.0).round() / 10.0;
    let [round_trips, statements, transactions, commits] = per_order(&moments, ORDERS);
    Ok(CountsPerOrder {
        design,
        round_trips,
        statements,
        transactions,
        commits,
        state_transitions: mean(temporal.state_transitions),
        history_events: mean(temporal.history_events),
        billable_actions: mean(temporal.billable_actions),
    })
}

/// Returns the next transaction id of the server. A transaction receives one at its first write.
async fn read_next_transaction_id(connection: &mut PgConnection) -> Result<u64> {
    let next: i64 =
        sqlx::query_scalar("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            .fetch_one(connection)
            .await
            .context("failed to read the next transaction id")?;
    Ok(u64::try_from(next)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_work_is_subtracted() {
        let moment = |count: u64, transaction_ids, seconds| DatabaseCounts {
            wire: WireCounts {
                round_trips: 3 * count,
                statements: 2 * count,
                transactions: count,
            },
            transaction_ids,
            seconds,
        };
        // One transaction per second without orders; 10 orders in 20 seconds.
        let moments = [
            moment(100, 7, 1.0),
            moment(105, 7, 6.0),
            moment(175, 37, 26.0),
        ];
        assert_eq!(per_order(&moments, 10), [15.0, 10.0, 5.0, 3.0]);
    }

    #[test]
    fn counts_are_never_negative() {
        let moment = |count, seconds| DatabaseCounts {
            wire: WireCounts {
                round_trips: count,
                ..WireCounts::default()
            },
            transaction_ids: 0,
            seconds,
        };
        let moments = [moment(0, 0.0), moment(50, 1.0), moment(51, 3.0)];
        assert_eq!(per_order(&moments, 1), [0.0; 4]);
    }
}
