//! `status` and `result`.

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use reqwest::Method;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    api_client::{ApiClient, ApiResponse},
    arguments::{ResultArguments, StatusArguments},
};
use crate::output::{format_fields, print};

/// Interval between two queries of an order that a command watches.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn show_status(arguments: StatusArguments) -> Result<()> {
    let (api, order) = (ApiClient::from_env()?, arguments.order);
    let api = if arguments.watch {
        api.with_retries()
    } else {
        api
    };
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    let waiting = waiting_indicator(arguments.watch);
    loop {
        ticks.tick().await;
        let response = api
            .call_order(Method::GET, &order.id, &["status"], None)
            .await?;
        let line = if order.output.json {
            response.text.clone()
        } else {
            format_status_line(&response)
        };
        // The source (workflow or database) can change while the order does not.
        let state = ["/status", "/step", "/updated_at"]
            .map(|pointer| response.text_at(pointer))
            .join(" ");
        if state != last {
            waiting.suspend(|| print(&line))?;
            last = state;
        }
        if !arguments.watch || !response.is_true("/is_running") {
            return Ok(());
        }
    }
}

/// Shows on a terminal that the command is waiting.
fn waiting_indicator(is_waiting: bool) -> ProgressBar {
    if !is_waiting {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message("waiting for the next step");
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

fn format_status_line(response: &ApiResponse) -> String {
    let ended = if response.is_true("/is_running") {
        ""
    } else {
        ", ended"
    };
    let [id, status, step, updated_at, source] =
        ["/order_id", "/status", "/step", "/updated_at", "/source"]
            .map(|pointer| response.text_at(pointer));
    format!("{updated_at}  {id}  {status} (step {step}{ended}; from {source})")
}

/// Prints the outcome of an order. Fails if the order is running and `--wait` is not given.
pub(crate) async fn show_result(arguments: ResultArguments) -> Result<()> {
    let (api, order) = (ApiClient::from_env()?, arguments.order);
    let api = if arguments.wait {
        api.with_retries()
    } else {
        api
    };
    let waiting = waiting_indicator(arguments.wait);
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let response = loop {
        ticks.tick().await;
        let response = api.call_order(Method::GET, &order.id, &[], None).await?;
        if !response.is_true("/is_running") {
            break response;
        }
        if !arguments.wait {
            let (status, step) = (response.text_at("/status"), response.text_at("/step"));
            bail!(
                "order {} is still running ({status}, step {step}); wait for its end with --wait",
                response.text_at("/order_id")
            );
        }
    };
    waiting.finish_and_clear();
    if order.output.json {
        return print(&response.text);
    }
    let text = |pointer: &str| response.text_at(pointer).to_owned();
    let failure = [
        response.text_at("/failure/code"),
        response.text_at("/failure/detail"),
    ]
    .join(": ");
    print(&format_fields(&[
        ("order", text("/order_id")),
        ("outcome", text("/status")),
        ("reason", text("/cancellation_reason")),
        (
            "failure",
            if failure == ": " {
                String::new()
            } else {
                failure
            },
        ),
        ("payment", text("/payment_info/status")),
        ("tracking", text("/shipment_info/tracking_number")),
        ("ended", text("/updated_at")),
    ]))
}
