//! `money reconcile`: starts the comparison of a provider's payments with the ledger, and waits.

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use super::arguments::Reconcile;
use crate::{
    output::{format_table, print, print_json},
    target,
};

/// The result of `ReconcileWorkflow`.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    /// The number of payments that were compared.
    checked: u64,
    differences: Vec<Difference>,
}

/// One field of a payment that differs.
#[derive(Debug, Serialize, Deserialize)]
struct Difference {
    transaction_id: String,
    field: String,
    ours: serde_json::Value,
    theirs: serde_json::Value,
}

pub(super) async fn reconcile(arguments: Reconcile) -> Result<()> {
    let provider = arguments.provider;
    let result = target::connect_orders()?
        .reconcile(provider, arguments.since)
        .await
        .map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    let report: Report = serde_json::from_value(result)
        .context("the worker returned a report that this version cannot read")?;
    if arguments.output.json {
        return print_json(&report);
    }
    print(&format!(
        "{} payments of {provider} compared: {} differences",
        report.checked,
        report.differences.len()
    ))?;
    if report.differences.is_empty() {
        return Ok(());
    }
    let row = |difference: &Difference| {
        vec![
            difference.transaction_id.clone(),
            difference.field.clone(),
            format_value(&difference.ours),
            format_value(&difference.theirs),
        ]
    };
    let rows: Vec<_> = report.differences.iter().map(row).collect();
    print(&format_table(
        &["TRANSACTION", "FIELD", "OURS", "PROVIDER"],
        &rows,
    ))
}

fn format_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => value.to_string(),
    }
}
