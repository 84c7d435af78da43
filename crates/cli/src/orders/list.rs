//! `list`: from Temporal, so it works without the API and the database.

use super::{arguments::List, output::print, target};
use anyhow::{Result, anyhow};
use client::{Listed, Orders};
use domain::OrderStatus;
use serde_json::json;

pub(crate) async fn list(arguments: List) -> Result<()> {
    let status = arguments.status.as_deref().map(|name| {
        let names: Vec<_> = OrderStatus::ALL.iter().map(|status| status.as_str()).collect();
        OrderStatus::parse(name)
            .ok_or_else(|| anyhow!("--status {name} is not allowed: must be one of {}", names.join(", ")))
    });
    let orders = Orders::connect(target::temporal()?);
    let found = orders.list(usize::from(arguments.limit), status.transpose()?).await;
    let found = found.map_err(|error| anyhow!("failed to {error}; look at `orderflow check`"))?;
    if arguments.output.json {
        return print(&json!(found.iter().map(document).collect::<Vec<_>>()).to_string());
    }
    if found.is_empty() {
        return print("no orders; start one with `orderflow start-order`");
    }
    let width = found.iter().map(|order| order.order_id.as_str().len()).max().unwrap_or_default();
    for order in &found {
        let (status, step) = (name(order.status.map(OrderStatus::as_str)), name(order.step.map(domain::Step::as_str)));
        let id = order.order_id.as_str();
        print(&format!("{id:width$}  {status:17}  {step:13}  {}", order.started_at.format("%Y-%m-%dT%H:%M:%SZ")))?;
    }
    Ok(())
}

fn name(name: Option<&'static str>) -> &'static str {
    name.unwrap_or("-")
}

fn document(order: &Listed) -> serde_json::Value {
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
