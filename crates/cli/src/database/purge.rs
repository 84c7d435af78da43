//! `purge`: deletes orders that ended long ago.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::arguments::PurgeArguments;
use crate::{
    confirmation::require_confirmation,
    output::{print, print_json},
    target,
};
use domain::Span;
use store::purge::{KeepReason, Purge, PurgePlan, Purged};

/// The shortest limit without `--force`. Temporal Cloud keeps an ended workflow for at most 90 days,
/// and most disputes and repeated webhook events arrive within 180 days.
const SHORTEST_LIMIT: Span = Span::from_secs(180 * 24 * 60 * 60);

/// The time between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

pub(super) async fn purge_orders(arguments: PurgeArguments) -> Result<()> {
    let older_than = arguments.older_than;
    if older_than < SHORTEST_LIMIT && !arguments.force {
        bail!(
            "--older-than {older_than}: shorter than {SHORTEST_LIMIT}, in which disputes and repeated webhook events arrive; choose a longer limit, or add --force"
        );
    }
    let pool = target::open_database().await?;
    let mut purge = Purge::new(&pool, older_than, arguments.batch).await?;
    let plan = purge.plan().await.context("nothing was deleted")?;
    let json = arguments.output.json;
    if !json {
        print_plan(&purge, &plan)?;
    }
    if arguments.dry_run {
        if json {
            print_json(&report(&purge, true, &plan)?)?;
        }
        return Ok(());
    }
    let rows = plan.orders + plan.unowned_webhook_events + plan.missing_orders;
    if !arguments.yes && rows > 0 {
        let effect = format!(
            "deletes {} orders and {} webhook events permanently",
            plan.orders, plan.unowned_webhook_events
        );
        require_confirmation("purge", &effect, "delete them permanently?")?;
    }
    let purged = run(&mut purge, &plan).await?;
    if json {
        return print_json(&report(&purge, false, &purged)?);
    }
    print(&format!(
        "deleted {} orders with {} audit events, {} mails, {} webhook events, {} reservations and {} parcels",
        purged.orders,
        purged.audit_events,
        purged.mails,
        purged.webhook_events,
        purged.reservations,
        purged.parcels
    ))
}

/// Runs all steps. Each is committed before the next one begins.
async fn run(purge: &mut Purge<'_>, plan: &PurgePlan) -> Result<Purged> {
    let mut purged = Purged::default();
    let mut reported = Instant::now();
    loop {
        let step = purge.step().await.with_context(|| {
            format!(
                "the purge stopped after {} orders, which are deleted; run the same command again to continue",
                purged.orders
            )
        })?;
        let Some(step) = step else {
            return Ok(purged);
        };
        purged += step;
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            eprintln!(
                "deleted {} of {} orders, {} webhook events",
                purged.orders, plan.orders, purged.webhook_events
            );
        }
    }
}

fn print_plan(purge: &Purge<'_>, plan: &PurgePlan) -> Result<()> {
    print(&format!(
        "to delete: {} orders that ended before {}",
        plan.orders,
        format_limit(purge)
    ))?;
    print(&format!(
        "to delete: {} webhook events without an order",
        plan.unowned_webhook_events
    ))?;
    if plan.missing_orders > 0 {
        print(&format!(
            "to delete: audit events and mails of {} orders without a row",
            plan.missing_orders
        ))?;
    }
    print_kept(&plan.kept)
}

fn print_kept(kept: &BTreeMap<KeepReason, u64>) -> Result<()> {
    for (reason, orders) in kept {
        print(&format!("to keep: {orders} orders: {}", reason.as_text()))?;
    }
    Ok(())
}

fn format_limit(purge: &Purge<'_>) -> String {
    purge.before().to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn report(purge: &Purge<'_>, dry_run: bool, counts: &impl serde::Serialize) -> Result<Value> {
    let mut report = serde_json::to_value(counts)?;
    report["before"] = json!(format_limit(purge));
    report["dry_run"] = json!(dry_run);
    Ok(report)
}
