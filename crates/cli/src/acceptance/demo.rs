//! `demo`: runs two orders through HTTP on a temporary stack, and stops the stack.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Duration, interval};

use super::{arguments::Demo, sample_order::sample_order};
use crate::{orders::api_client::ApiClient, output::print};
use devstack::{Progress, Stack, StackOptions};

/// Timeout of one order; both normally end within seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn run_demo(arguments: Demo) -> Result<()> {
    let stack = Stack::start(StackOptions::in_memory()?, &Progress::stderr()).await?;
    let shown = tokio::select! {
        shown = show(&stack, arguments.fast) => shown,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("the demo was interrupted")),
    };
    eprintln!("stopping the stack");
    stack.stop().await;
    shown
}

async fn show(stack: &Stack, fast: bool) -> Result<()> {
    let addresses = &stack.addresses;
    print(&format!("API       {}", addresses.http_url))?;
    print(&format!("Temporal  {}", addresses.ui_url))?;
    print(&format!("Database  {}", addresses.database_url))?;
    let api = ApiClient::from_url(&addresses.http_url)?.with_retries();
    if fast {
        print("\nStart two orders: POST /orders, twice")?;
        let (first, second) = (
            start_order_to_deliver(&api).await?,
            start_order_to_cancel(&api).await?,
        );
        print("\nThe first order is delivered")?;
        watch_delivery(first).await?;
        print("\nThe second order is cancelled after its payment: DELETE /orders/{id}")?;
        watch_cancellation(&api, second).await?;
    } else {
        print("\nThe first order is delivered: POST /orders")?;
        watch_delivery(start_order_to_deliver(&api).await?).await?;
        print(
            "\nThe second order is cancelled after its payment: POST /orders, then DELETE /orders/{id}",
        )?;
        watch_cancellation(&api, start_order_to_cancel(&api).await?).await?;
    }
    print("\nBoth orders ended as expected. Start a permanent stack with `cargo orderflow up`.")
}

async fn start_order_to_deliver(api: &ApiClient) -> Result<Timeline<'_>> {
    Timeline::start(api, order_request("pmt-demo-1", "production")).await
}

/// Uses the profile `lifecycle`, which waits between payment and dispatch, so the order can be
/// cancelled.
async fn start_order_to_cancel(api: &ApiClient) -> Result<Timeline<'_>> {
    Timeline::start(api, order_request("pmt-demo-2", "lifecycle")).await
}

async fn watch_delivery(mut order: Timeline<'_>) -> Result<()> {
    order.until("delivered").await?;
    order.ends_as("delivered", "captured").await
}

async fn watch_cancellation(api: &ApiClient, mut order: Timeline<'_>) -> Result<()> {
    order.until("preparing").await?;
    let reason = json!({"reason": "changed my mind"});
    api.call_order(Method::DELETE, &order.id, &[], Some(&reason))
        .await?;
    order.until("cancelled").await?;
    order.ends_as("cancelled", "refunded").await
}

fn order_request(payment_id: &str, profile: &str) -> Value {
    let mut body = sample_order("CUST-001");
    body["payment"] = json!({"payment_id": payment_id});
    // Without a name, the stack's own profile applies, with its short wait for the delivery.
    if profile != "production" {
        body["profile"] = json!(profile);
    }
    body
}

/// An order whose audit events are printed as they appear.
struct Timeline<'a> {
    api: &'a ApiClient,
    id: String,
    started: Instant,
    seen: u64,
}

impl<'a> Timeline<'a> {
    async fn start(api: &'a ApiClient, body: Value) -> Result<Self> {
        let started = Instant::now();
        let response = api.create_order(&body).await?;
        let id = response.text_at("/order_id").to_owned();
        print(&format!(
            "  {id} accepted after {} ms",
            started.elapsed().as_millis()
        ))?;
        Ok(Self {
            api,
            id,
            started,
            seen: 0,
        })
    }

    /// Prints audit events until the order has the given status.
    async fn until(&mut self, status: &str) -> Result<()> {
        self.watch(&format!("did not become {status}"), |state| {
            state["status"] == status
        })
        .await
        .map(|_| ())
    }

    /// Prints audit events until the order ends, and checks its status and payment.
    async fn ends_as(&mut self, status: &str, payment: &str) -> Result<()> {
        let state = self
            .watch("did not end", |state| state["is_running"] == false)
            .await?;
        // The last events may have been written after the last poll.
        self.print_new().await?;
        let actual = (&state["status"], &state["payment_info"]["status"]);
        if actual != (&json!(status), &json!(payment)) {
            bail!(
                "order {} ended {} with payment {}, not {status} with payment {payment}",
                self.id,
                actual.0,
                actual.1
            );
        }
        print(&format!("  → {status}, payment {payment}"))
    }

    async fn watch(&mut self, failure: &str, done: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let state = self
                .api
                .call_order(Method::GET, &self.id, &[], None)
                .await?
                .body;
            self.print_new().await?;
            if done(&state) {
                return Ok(state);
            }
            if self.started.elapsed() > TIMEOUT {
                bail!(
                    "order {} {failure} within {} s; run `orderflow check`",
                    self.id,
                    TIMEOUT.as_secs()
                );
            }
        }
    }

    async fn print_new(&mut self) -> Result<()> {
        let path = format!("events?after={}", self.seen);
        let response = self
            .api
            .call_order(Method::GET, &self.id, &[&path], None)
            .await?;
        let events = response.body["events"]
            .as_array()
            .context("the API's response has no events")?;
        for event in events {
            let kind = event["type"].as_str().unwrap_or_default();
            print(&format!(
                "  {:>5.1} s  {kind}",
                self.started.elapsed().as_secs_f32()
            ))?;
            self.seen = event["seq"].as_u64().unwrap_or(self.seen);
        }
        Ok(())
    }
}
