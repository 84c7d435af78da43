//! Statistics of orders. Each query reads an index or a bounded number of rows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{Error, error::SqlxResultExt, stalled_orders};
use contract::{FailureCount, HourCount, MoneyDue, Stats, StatusCount, StepTime};
use domain::{AuditEventType, Currency, Decimal, OrderStatus, Step};

/// The largest number of orders whose steps are measured: the newest ones of the range.
pub const MAX_MEASURED: u32 = 10_000;

/// The audit events at the beginning and at the end of each measured step.
const STEPS: [(Step, &[AuditEventType], &[AuditEventType]); 5] = [
    (
        Step::Validate,
        &[AuditEventType::OrderReceived],
        &[AuditEventType::OrderValidated],
    ),
    (
        Step::ManualReview,
        &[AuditEventType::ReviewStarted],
        &[
            AuditEventType::ReviewApproved,
            AuditEventType::ReviewRejected,
            AuditEventType::ReviewTimedOut,
        ],
    ),
    (
        Step::Pay,
        // The last of these: an order that is charged requests no payment.
        &[
            AuditEventType::InventoryReserved,
            AuditEventType::ReviewApproved,
            AuditEventType::ReviewTimedOut,
            AuditEventType::PaymentRequested,
        ],
        &[
            AuditEventType::PaymentCaptured,
            AuditEventType::PaymentConfirmed,
        ],
    ),
    (
        Step::Dispatch,
        &[AuditEventType::ShipmentStarted],
        &[AuditEventType::OrderShipped],
    ),
    (
        Step::Deliver,
        &[AuditEventType::OrderShipped],
        &[AuditEventType::OrderDelivered],
    ),
];

/// Reads the statistics of the orders created from `from` until before `to`. `stalled_after` is the
/// time without progress after which an order is stalled.
#[tracing::instrument(name = "store.stats.read", skip_all)]
pub async fn read(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    stalled_after: Duration,
) -> Result<Stats, Error> {
    let (in_review, held) = count_undecided(pool).await?;
    Ok(Stats {
        from,
        to,
        statuses: count_statuses(pool, from, to).await?,
        hours: count_hours(pool, from, to).await?,
        steps: measure_steps(pool, from, to).await?,
        failures: count_failures(pool, from, to).await?,
        in_review,
        held,
        stalled: to_count(stalled_orders::count(pool, stalled_after).await?),
        money: sum_money(pool).await?,
    })
}

fn to_count(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

async fn count_statuses(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<StatusCount>, Error> {
    let names: Vec<String> = OrderStatus::ALL.iter().map(ToString::to_string).collect();
    // The index of the status has the range of each status.
    let rows = sqlx::query!(
        r#"select status as "status!", orders as "orders!" from unnest($1::text[]) as status
         cross join lateral (
             select count(*) as orders from orders where state = status and created_at >= $2 and created_at < $3
         ) as counted where orders > 0"#,
        &names,
        from,
        to,
    )
    .fetch_all(pool)
    .await
    .for_operation("count orders by status")?;
    let count = |status: &str, orders| {
        let status = OrderStatus::parse(status)?;
        let orders = to_count(orders);
        Some(StatusCount { status, orders })
    };
    Ok(rows
        .into_iter()
        .filter_map(|row| count(&row.status, row.orders))
        .collect())
}

async fn count_hours(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<HourCount>, Error> {
    let rows = sqlx::query!(
        r#"select date_trunc('hour', created_at, 'UTC') as "hour!", count(*) as "orders!"
         from orders where created_at >= $1 and created_at < $2 group by 1 order by 1"#,
        from,
        to,
    )
    .fetch_all(pool)
    .await
    .for_operation("count orders by hour")?;
    Ok(rows
        .into_iter()
        .map(|row| HourCount {
            hour: row.hour,
            orders: to_count(row.orders),
        })
        .collect())
}

async fn measure_steps(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<StepTime>, Error> {
    let marks = STEPS.iter().flat_map(|(step, begin, end)| {
        let begin = begin.iter().map(|kind| (kind, false));
        let end = end.iter().map(|kind| (kind, true));
        begin
            .chain(end)
            .map(|(kind, is_end)| ((step.to_string(), kind.to_string()), is_end))
    });
    let (names, ends): (Vec<(String, String)>, Vec<bool>) = marks.unzip();
    let (steps, kinds): (Vec<String>, Vec<String>) = names.into_iter().unzip();
    let rows = sqlx::query!(
        r#"with measured as (
             select id from orders where created_at >= $1 and created_at < $2 order by created_at desc limit $3
         ), marks as (
             select mark.step, events.order_id, ts, mark.is_end,
                 min(ts) filter (where mark.is_end) over (partition by mark.step, events.order_id) as ended_at
             from measured join events on events.order_id = measured.id
             join unnest($4::text[], $5::text[], $6::bool[]) as mark (step, kind, is_end) on mark.kind = events.type
         ), spans as (
             select step, order_id, extract(epoch from min(ended_at) - case step
                 when 'pay' then max(ts) filter (where not is_end and ts <= ended_at)
                 else min(ts) filter (where not is_end) end)::float8 as seconds
             from marks group by step, order_id
         )
         select step as "step!", count(*) as "orders!",
             percentile_cont(0.5) within group (order by seconds) as "p50!",
             percentile_cont(0.95) within group (order by seconds) as "p95!"
         from spans where seconds >= 0 group by step"#,
        from,
        to,
        i64::from(MAX_MEASURED),
        &steps,
        &kinds,
        &ends,
    )
    .fetch_all(pool)
    .await
    .for_operation("measure the steps of orders")?;
    let mut times: Vec<_> = rows
        .into_iter()
        .filter_map(|row| {
            Some(StepTime {
                step: Step::parse(&row.step)?,
                orders: to_count(row.orders),
                p50_seconds: round_to_milliseconds(row.p50),
                p95_seconds: round_to_milliseconds(row.p95),
            })
        })
        .collect();
    times.sort_by_key(|time| time.step);
    Ok(times)
}

fn round_to_milliseconds(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}

async fn count_failures(
    pool: &PgPool,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<FailureCount>, Error> {
    let rows = sqlx::query!(
        r#"select failure_json ->> 'code' as "code!", count(*) as "orders!" from orders
         where state = 'failed' and created_at >= $1 and created_at < $2 and failure_json ->> 'code' is not null
         group by 1 order by 2 desc, 1"#,
        from,
        to,
    )
    .fetch_all(pool)
    .await
    .for_operation("count failed orders")?;
    Ok(rows
        .into_iter()
        .map(|row| FailureCount {
            code: row.code,
            orders: to_count(row.orders),
        })
        .collect())
}

/// Counts the orders in review and the held ones. A held order can be in review.
async fn count_undecided(pool: &PgPool) -> Result<(u32, u32), Error> {
    let row = sqlx::query!(
        r#"select
             (select count(*) from orders where is_running and waiting_json ->> 'reason' in ('review', 'payment_hold', 'hold')
                 and waiting_json ->> 'reason' = 'review') as "in_review!",
             (select count(*) from orders where is_running
                 and (hold_json is not null or waiting_json ->> 'reason' in ('payment_hold', 'hold'))) as "held!""#,
    )
    .fetch_one(pool)
    .await
    .for_operation("count the orders that wait for a decision")?;
    Ok((to_count(row.in_review), to_count(row.held)))
}

async fn sum_money(pool: &PgPool) -> Result<Vec<MoneyDue>, Error> {
    let rows = sqlx::query!(
        r#"select currency, sum(due)::bigint as "due!", sum(unmatched)::bigint as "unmatched!" from payments
         -- The condition of the index payments_attention.
         where (due > 0 or unmatched > 0 or concerns <> '{}') and (due > 0 or unmatched > 0)
         group by currency order by currency"#,
    )
    .fetch_all(pool)
    .await
    .for_operation("sum the money that is due")?;
    let money = |code: &str, due, unmatched| {
        let currency = Currency::parse(code).ok()?;
        let decimal = |minor| Decimal::new(minor, currency.exponent());
        Some(MoneyDue {
            currency,
            due: decimal(due),
            unmatched: decimal(unmatched),
        })
    };
    Ok(rows
        .iter()
        .filter_map(|row| money(&row.currency, row.due, row.unmatched))
        .collect())
}
