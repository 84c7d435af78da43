//! `verify`.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::{
    output::{OutputArguments, paint_failure, paint_ok, print, print_json},
    target,
};
use order_client::OrderClient;
use store::{
    PgPool, running_orders,
    verify::{Violation, count_orders, find_violations},
};

/// A younger row can belong to a workflow that has just closed, and whose last write follows.
const IDLE_FOR: Duration = Duration::from_secs(60);

/// The number of orders that are read at once, and of concurrent descriptions.
const PAGE: u32 = 1_000;
const CONCURRENT: usize = 16;

/// Checks all invariants. The exit code is 1 if one is violated.
pub(crate) async fn verify_invariants(output: OutputArguments) -> Result<ExitCode> {
    let pool = target::open_database().await?;
    let orders = count_orders(&pool).await?;
    let mut found = find_violations(&pool).await?;
    if let Some(temporal) = target::configured_orders()? {
        match find_lost_orders(&pool, &temporal).await {
            Ok(lost) => found.extend(lost),
            Err(error) => {
                eprintln!("warning: open orders were not compared with their workflows: {error}");
            }
        }
    }
    if output.json {
        let document =
            |Violation { rule, subject }: &Violation| json!({"rule": rule, "subject": subject});
        let violations: Vec<_> = found.iter().map(document).collect();
        print_json(&json!({"ok": found.is_empty(), "orders": orders, "violations": violations}))?;
    } else if found.is_empty() {
        print(&format!(
            "{}  {orders} orders, their stock and the simulators' records are consistent",
            paint_ok("ok")
        ))?;
    } else {
        for Violation { rule, subject } in &found {
            print(&format!("{}  {subject}: {rule}", paint_failure("BROKEN")))?;
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "error: {} violations; see each order with `orderflow events ID` and `orderflow history ID`",
        found.len()
    );
    Ok(ExitCode::FAILURE)
}

/// Finds running orders without a running workflow.
async fn find_lost_orders(pool: &PgPool, temporal: &OrderClient) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    let mut after = None;
    loop {
        let page = running_orders::list(pool, IDLE_FOR, after.as_ref(), PAGE).await?;
        let Some(last) = page.last().cloned() else {
            return Ok(violations);
        };
        let lost: Vec<_> = stream::iter(page)
            .map(async |order| {
                let loss = temporal.find_loss(&order.order_id, Duration::ZERO).await?;
                anyhow::Ok(loss.map(|loss| Violation {
                    rule: format!("an open order has no running workflow: {}", loss.cause),
                    subject: order.order_id.to_string(),
                }))
            })
            .buffered(CONCURRENT)
            .try_filter_map(async |lost| Ok(lost))
            .try_collect()
            .await?;
        violations.extend(lost);
        after = Some(last);
    }
}
