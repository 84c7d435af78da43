//! `status`, `show` and `result`.

use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use reqwest::Method;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    api_client::{ApiClient, ApiResponse},
    arguments::{OrderArguments, ResultArguments, StatusArguments},
};
use crate::output::{format_fields, format_money, print};

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

pub(crate) async fn show_order(order: OrderArguments) -> Result<()> {
    let response = ApiClient::from_env()?
        .call_order(Method::GET, &order.id, &[], None)
        .await?;
    if order.output.json {
        return print(&response.text);
    }
    let text = |pointer: &str| response.text_at(pointer).to_owned();
    let joined = |pointers: &[&str]| {
        let parts: Vec<_> = pointers
            .iter()
            .map(|pointer| response.text_at(pointer))
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(", ")
    };
    let address = [
        "name",
        "company",
        "street",
        "street2",
        "city",
        "state",
        "postal_code",
        "country",
        "phone",
    ]
    .map(|part| format!("/shipping_address/{part}"));
    let address: Vec<&str> = address.iter().map(String::as_str).collect();
    print(&format_fields(&[
        ("order", text("/order_id")),
        ("workflow", text("/workflow_id")),
        (
            "status",
            format!(
                "{} (step {}, from {})",
                text("/status"),
                text("/step"),
                text("/source")
            ),
        ),
        ("held", joined(&["/hold/since", "/hold/reason"])),
        ("running", response.is_true("/is_running").to_string()),
        (
            "customer",
            joined(&["/customer/id", "/customer/name", "/customer/email"]),
        ),
        ("items", format_items(&response)),
        ("charges", format_charges(&response)),
        (
            "total",
            format_money(
                response.body.get("total_amount"),
                response.text_at("/currency"),
            ),
        ),
        ("address", joined(&address)),
        ("reference", text("/external_reference")),
        ("note", text("/note")),
        (
            "payment",
            joined(&[
                "/payment_info/payment_id",
                "/payment_info/status",
                "/payment_info/transaction_id",
            ]),
        ),
        ("refunds", format_refunds(&response)),
        (
            "shipment",
            joined(&["/shipment_info/provider", "/shipment_info/tracking_number"]),
        ),
        ("delivery", text("/estimated_delivery")),
        ("cancelled", text("/cancellation_reason")),
        ("failure", joined(&["/failure/code", "/failure/detail"])),
        ("created", text("/created_at")),
        ("updated", text("/updated_at")),
    ]))
}

/// Returns the amounts beside the line items: shipping, tax, fees and discounts.
fn format_charges(response: &ApiResponse) -> String {
    let money = |amount: Option<&Value>| format_money(amount, response.text_at("/currency"));
    let single = [("shipping", "shipping_amount"), ("tax", "tax_amount")];
    let single = single.into_iter().filter_map(|(name, field)| {
        let amount = response.body.get(field)?;
        Some(format!("{name} {}", money(Some(amount))))
    });
    let adjustments = [("fee", "fees"), ("discount", "discounts")];
    let adjustments = adjustments.into_iter().flat_map(|(name, field)| {
        let entries = response.body.get(field).and_then(Value::as_array);
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(move |entry| {
            let code = entry.get("code").and_then(Value::as_str).unwrap_or(name);
            let sign = if name == "discount" { "-" } else { "" };
            format!("{code} {sign}{}", money(entry.get("amount")))
        })
    });
    single.chain(adjustments).collect::<Vec<_>>().join(", ")
}

fn format_refunds(response: &ApiResponse) -> String {
    let refund = |refund: &Value| {
        let text = |name: &str| refund.get(name).and_then(Value::as_str).unwrap_or_default();
        let amount = format_money(refund.get("amount"), text("currency"));
        format!("{} {amount} {}", text("refund_id"), text("state"))
    };
    let refunds = response.body.get("refunds").and_then(Value::as_array);
    refunds
        .map(|refunds| refunds.iter().map(refund).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}

fn format_items(response: &ApiResponse) -> String {
    let item = |item: &Value| {
        let part = |name: &str| item.get(name).map(Value::to_string).unwrap_or_default();
        let price = format_money(item.get("unit_price"), response.text_at("/currency"));
        format!(
            "{} × {} at {price}",
            part("quantity"),
            part("sku").trim_matches('"')
        )
    };
    let items = response.body.get("items").and_then(Value::as_array);
    items
        .map(|items| items.iter().map(item).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
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
