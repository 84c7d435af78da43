//! `load`: starts many orders, measures them and checks how each one ends.
//!
//! All orders belong to one generated customer. Their progress is read from that customer's list,
//! which comes from the database: a few reads per second, independent of the number of orders.

use std::{
    collections::BTreeSet,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{arguments::Load, percentiles::Percentiles, sample_order::sample_order};
use crate::{
    orders::api_client::ApiClient,
    output::{paint_failure, paint_ok, print, print_json},
};

/// Interval between two reads of the list.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Report {
    orders: u32,
    concurrency: u16,
    started: usize,
    ended_right: usize,
    seconds: f64,
    orders_per_second: f64,
    starts_per_second: f64,
    /// Durations of the calls that start an order.
    start_latency: Option<Percentiles>,
    /// Durations from an order's creation to its last change, by the service's clock.
    time_to_end: Option<Percentiles>,
    /// Failures, one line for each order or call.
    wrong: Vec<String>,
}

/// An order as the list shows it.
#[derive(Debug, Deserialize)]
struct Listed {
    order_id: String,
    status: String,
    is_running: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    payment_info: Option<Payment>,
}

#[derive(Debug, Deserialize)]
struct Payment {
    status: String,
}

impl Listed {
    /// Returns whether the order was shipped and paid. `orderflow verify` checks more, in the
    /// database.
    fn ended_correctly(&self) -> bool {
        let is_paid = self
            .payment_info
            .as_ref()
            .is_some_and(|payment| payment.status == "captured");
        matches!(self.status.as_str(), "shipped" | "delivered") && is_paid
    }
}

pub(crate) async fn run_load(arguments: Load) -> Result<ExitCode> {
    let api = Arc::new(ApiClient::from_url_or_env(arguments.url.as_deref())?.with_retries());
    api.check_health().await?;
    let customer = format!(
        "LOAD-{}-{}",
        std::process::id(),
        Utc::now().timestamp_micros()
    );
    let began = Instant::now();
    let starting = start_all(&api, &customer, &arguments);
    let (started, latencies, mut wrong) = starting.await?;
    let started_within = began.elapsed();
    let (found, ended_within) = wait_for_ends(&api, &customer, &started, &arguments, began).await?;
    let ended: Vec<&Listed> = found.iter().filter(|order| !order.is_running).collect();
    wrong.extend(
        ended
            .iter()
            .filter(|order| !order.ended_correctly())
            .map(|order| {
                let payment = order
                    .payment_info
                    .as_ref()
                    .map_or("none", |payment| payment.status.as_str());
                format!(
                    "order {} ended {} with payment {payment}",
                    order.order_id, order.status
                )
            }),
    );
    let known: BTreeSet<&str> = ended.iter().map(|order| order.order_id.as_str()).collect();
    wrong.extend(
        started
            .iter()
            .filter(|id| !known.contains(id.as_str()))
            .map(|id| format!("order {id} did not end in time")),
    );
    let rate = |count: usize, time: Duration| count as f64 / time.as_secs_f64().max(0.001);
    let report = Report {
        orders: arguments.orders,
        concurrency: arguments.concurrency,
        started: started.len(),
        ended_right: ended.iter().filter(|order| order.ended_correctly()).count(),
        seconds: ended_within.as_secs_f64(),
        orders_per_second: rate(ended.len(), ended_within),
        starts_per_second: rate(started.len(), started_within),
        start_latency: Percentiles::from_durations(latencies),
        time_to_end: Percentiles::from_durations(
            ended
                .iter()
                .filter_map(|order| (order.updated_at - order.created_at).to_std().ok())
                .collect(),
        ),
        wrong,
    };
    print_report(&report, arguments.output.json)
}

type Starts = (BTreeSet<String>, Vec<Duration>, Vec<String>);

/// Starts all orders with `concurrency` callers.
async fn start_all(api: &Arc<ApiClient>, customer: &str, arguments: &Load) -> Result<Starts> {
    let (next, mut callers) = (Arc::new(AtomicU32::new(0)), JoinSet::new());
    for _ in 0..u32::from(arguments.concurrency).min(arguments.orders) {
        let (api, next, customer, orders) = (
            Arc::clone(api),
            Arc::clone(&next),
            customer.to_owned(),
            arguments.orders,
        );
        callers.spawn(async move {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= orders {
                    return done;
                }
                let mut body = sample_order(&customer);
                body["payment"] = json!({"payment_id": format!("pmt-{customer}-{number}")});
                let began = Instant::now();
                let response = api
                    .create_order(&body)
                    .await
                    .map(|response| response.text_at("/order_id").to_owned());
                done.push((response, began.elapsed()));
            }
        });
    }
    let (mut ids, mut latencies, mut wrong) = (BTreeSet::new(), Vec::new(), Vec::new());
    while let Some(done) = callers.join_next().await {
        for (response, latency) in done? {
            latencies.push(latency);
            match response {
                Ok(id) => drop(ids.insert(id)),
                Err(error) => wrong.push(format!("an order was not started: {error:#}")),
            }
        }
    }
    Ok((ids, latencies, wrong))
}

/// Waits until every started order has ended, or until the timeout.
async fn wait_for_ends(
    api: &ApiClient,
    customer: &str,
    started: &BTreeSet<String>,
    arguments: &Load,
    began: Instant,
) -> Result<(Vec<Listed>, Duration)> {
    let end = Instant::now() + Duration::from_secs(arguments.patience);
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let found = list_orders(api, customer).await?;
        let open = found.iter().filter(|order| order.is_running).count();
        if (open == 0 && found.len() >= started.len()) || Instant::now() > end {
            return Ok((found, began.elapsed()));
        }
    }
}

/// Lists the customer's orders, page by page.
async fn list_orders(api: &ApiClient, customer: &str) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    let mut page = Some(format!("orders?customer_id={customer}&limit=200"));
    while let Some(path) = page {
        let response = api.get_path(&path).await?;
        let Some(orders) = response.body.get("orders") else {
            bail!("the API's response has no orders")
        };
        found.extend(serde_json::from_value::<Vec<Listed>>(orders.clone())?);
        page = response.next;
    }
    Ok(found)
}

fn print_report(report: &Report, json: bool) -> Result<ExitCode> {
    if json {
        print_json(report)?;
    } else {
        let Report {
            orders,
            concurrency,
            started,
            ended_right,
            seconds,
            orders_per_second,
            starts_per_second,
            ..
        } = report;
        let verdict = if report.wrong.is_empty() {
            paint_ok("ok")
        } else {
            paint_failure("FAILED")
        };
        print(&format!(
            "{verdict}  {ended_right} of {orders} orders ended correctly, {started} started by {concurrency} callers"
        ))?;
        print(&format!(
            "in {seconds:.1} s: {orders_per_second:.1} orders/s completed, {starts_per_second:.1} orders/s started"
        ))?;
        let spread = |name: &str, spread: Option<Percentiles>| {
            spread.map(|spread| format!("{name:<12} {spread}"))
        };
        for line in [
            spread("start call", report.start_latency),
            spread("whole order", report.time_to_end),
        ]
        .into_iter()
        .flatten()
        {
            print(&line)?;
        }
    }
    for wrong in report.wrong.iter().take(20) {
        eprintln!("error: {wrong}");
    }
    Ok(if report.wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
