//! `demo`: two orders before your eyes, through real HTTP, on a stack of their own that is gone afterwards.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Duration, interval};

use super::{arguments::Demo, sample_order::sample_order};
use crate::{orders::api_client::ApiClient, output::print};
use devstack::{Progress, Stack, StackOptions};

/// Far more than any of the two needs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run_demo(arguments: Demo) -> Result<()> {
    let stack = Stack::start(StackOptions::in_memory()?, &Progress::stderr()).await?;
    let shown = tokio::select! {
        shown = show(&stack, arguments.fast) => shown,
        _ = tokio::signal::ctrl_c() => bail_out(),
    };
    eprintln!("stopping everything");
    stack.stop().await;
    shown
}

fn bail_out() -> Result<()> {
    bail!("the demo was interrupted")
}

async fn show(stack: &Stack, fast: bool) -> Result<()> {
    let addresses = &stack.addresses;
    print(&format!("API       {}", addresses.http_url))?;
    print(&format!("Temporal  {}", addresses.ui_url))?;
    print(&format!("Database  {}", addresses.database_url))?;
    let api = ApiClient::from_url(&addresses.http_url)?.with_retries();
    if fast {
        print("\nTwo orders at once: POST /orders, twice")?;
        let (kept, regretted) = (to_deliver(&api).await?, to_cancel(&api).await?);
        print("\nThe first one, to delivered")?;
        delivered(kept).await?;
        print("\nThe other one, cancelled after it was paid: DELETE /orders/{id}")?;
        cancelled(&api, regretted).await?;
    } else {
        print("\nOne order, to delivered: POST /orders")?;
        delivered(to_deliver(&api).await?).await?;
        print(
            "\nAnother one, cancelled after it was paid: POST /orders, then DELETE /orders/{id}",
        )?;
        cancelled(&api, to_cancel(&api).await?).await?;
    }
    print("\nBoth orders ended as they should. `cargo orderflow up` starts a stack that stays.")
}

async fn to_deliver(api: &ApiClient) -> Result<Timeline<'_>> {
    Timeline::start(api, order("pmt-demo-1", "production")).await
}

/// With the waits of `lifecycle`, so that there is time to change one's mind between payment and dispatch.
async fn to_cancel(api: &ApiClient) -> Result<Timeline<'_>> {
    Timeline::start(api, order("pmt-demo-2", "lifecycle")).await
}

async fn delivered(mut order: Timeline<'_>) -> Result<()> {
    order.until("delivered").await?;
    order.ends_as("delivered", "captured").await
}

async fn cancelled(api: &ApiClient, mut order: Timeline<'_>) -> Result<()> {
    order.until("preparing").await?;
    let reason = json!({"reason": "changed my mind"});
    api.call_order(Method::DELETE, &order.id, &[], Some(&reason))
        .await?;
    order.until("cancelled").await?;
    order.ends_as("cancelled", "refunded").await
}

fn order(payment_id: &str, profile: &str) -> Value {
    let mut body = sample_order("CUST-001");
    body["payment"] = json!({"payment_id": payment_id});
    // The stack's own profile needs no naming, and keeps its short wait for the delivery.
    if profile != "production" {
        body["profile"] = json!(profile);
    }
    body
}

/// An order's audit trail, printed as it grows.
struct Timeline<'a> {
    api: &'a ApiClient,
    id: String,
    started: Instant,
    seen: u64,
}

impl<'a> Timeline<'a> {
    async fn start(api: &'a ApiClient, body: Value) -> Result<Self> {
        let started = Instant::now();
        let answer = api.create_order(&body).await?;
        let id = answer.text_at("/order_id").to_owned();
        print(&format!(
            "  {id} is accepted after {} ms",
            started.elapsed().as_millis()
        ))?;
        Ok(Self {
            api,
            id,
            started,
            seen: 0,
        })
    }

    /// Prints what happens until the order has this status.
    async fn until(&mut self, status: &str) -> Result<()> {
        self.watch(&format!("did not become {status}"), |state| {
            state["status"] == status
        })
        .await
        .map(|_| ())
    }

    /// Prints what happens until the end, and makes sure that it is the right one.
    async fn ends_as(&mut self, status: &str, payment: &str) -> Result<()> {
        let state = self
            .watch("did not end", |state| state["is_running"] == false)
            .await?;
        // What the end itself wrote.
        self.print_new().await?;
        let is = (&state["status"], &state["payment_info"]["status"]);
        if is != (&json!(status), &json!(payment)) {
            bail!(
                "{} ended as {} with its payment {}, not as {status} and {payment}",
                self.id,
                is.0,
                is.1
            );
        }
        print(&format!("  → {status}, payment {payment}"))
    }

    async fn watch(&mut self, otherwise: &str, done: impl Fn(&Value) -> bool) -> Result<Value> {
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
            if self.started.elapsed() > PATIENCE {
                bail!(
                    "{} {otherwise} within {} s; see `orderflow check`",
                    self.id,
                    PATIENCE.as_secs()
                );
            }
        }
    }

    async fn print_new(&mut self) -> Result<()> {
        let path = format!("events?after={}", self.seen);
        let answer = self
            .api
            .call_order(Method::GET, &self.id, &[&path], None)
            .await?;
        let events = answer.body["events"]
            .as_array()
            .context("the API's answer has no events")?;
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
