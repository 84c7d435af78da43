//! `money reconcile`: starts the comparison of a provider's payments with the ledger, and waits.

use anyhow::{Result, anyhow, bail};

use super::arguments::Reconcile;
use crate::{
    output::{format_table, print, print_json},
    target,
};
use workflows::activity::ReconcileDifference;

pub(super) async fn reconcile(arguments: Reconcile) -> Result<()> {
    let provider = arguments.provider;
    let report = target::connect_orders()?
        .reconcile(provider, arguments.since)
        .await
        .map_err(|error| anyhow!("{error}; run `orderflow check`"))?;
    if report.unsupported {
        bail!(
            "the worker cannot list the payments of {provider}: only its adapter of Stripe can, which needs \
             STRIPE_API_KEY; compare the payments at {provider} with `orderflow webhooks list`"
        );
    }
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
    let row = |difference: &ReconcileDifference| {
        vec![
            difference.transaction_id.to_string(),
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
