//! `list`: reads Temporal, so it works without the API and the database.

use anyhow::{Result, anyhow};
use serde_json::json;

use super::arguments::ListArguments;
use crate::{
    output::{format_table, print, print_json},
    target,
};
use domain::OrderStatus;
use order_client::{ListFilter, OrderSummary};

pub(crate) async fn list_orders(arguments: ListArguments) -> Result<()> {
    let filter = ListFilter {
        status: arguments.status,
        customer_id: arguments.customer,
        limit: usize::from(arguments.limit),
    };
    let found = target::connect_orders()?.list_orders(&filter).await;
    let found = found.map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    if arguments.output.json {
        return print_json(&found.iter().map(order_json).collect::<Vec<_>>());
    }
    if found.is_empty() {
        return print("no orders found; start one with `orderflow start-order`");
    }
    let row = |order: &OrderSummary| {
        let (status, step) = (
            or_dash(order.status.map(OrderStatus::as_str)),
            or_dash(order.step.map(domain::Step::as_str)),
        );
        let started = order.started_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        [
            order.order_id.as_str(),
            status,
            step,
            &started,
            &order.workflow_id,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let names = ["ORDER", "STATUS", "STEP", "STARTED", "WORKFLOW"];
    print(&format_table(
        &names,
        &found.iter().map(row).collect::<Vec<_>>(),
    ))
}

fn or_dash(name: Option<&'static str>) -> &'static str {
    name.unwrap_or("-")
}

fn order_json(order: &OrderSummary) -> serde_json::Value {
    json!({
        "order_id": order.order_id,
        "workflow_id": order.workflow_id,
        "run_id": order.run_id,
        "status": order.status,
        "step": order.step,
        "is_running": order.is_running,
        "started_at": order.started_at.to_rfc3339(),
    })
}
