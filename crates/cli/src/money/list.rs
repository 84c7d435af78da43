//! `money list`: reads the work list from the database.

use anyhow::Result;
use chrono::SecondsFormat;

use super::arguments::ListEntries;
use crate::{
    output::{format_table, print, print_json},
    target,
};
use contract::{AttentionEntry, parse_order_workflow_id};
use domain::Money;
use store::attention::{self, AttentionFilter};

pub(super) async fn list_entries(arguments: ListEntries) -> Result<()> {
    let pool = target::open_database().await?;
    let find = async |order_id: Option<String>| {
        let filter = AttentionFilter {
            concern: arguments.concern,
            order_id,
            payment: None,
            before: None,
        };
        attention::list(&pool, &filter, arguments.limit.saturating_add(1)).await
    };
    let mut entries = find(arguments.order.clone()).await?;
    // The id may also be a workflow id.
    let order = arguments.order.as_deref().and_then(parse_order_workflow_id);
    if let Some(order) = order.filter(|_| entries.is_empty()) {
        entries = find(Some(order.to_string())).await?;
    }
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    if arguments.output.json {
        return print_json(&entries);
    }
    if entries.is_empty() {
        return print("no money needs an operator");
    }
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |entry: &AttentionEntry| {
        vec![
            entry.since.to_rfc3339_opts(SecondsFormat::Secs, true),
            entry.concern.to_string(),
            format_amount(entry),
            or_none(&entry.order_id),
            or_none(&entry.transaction_id),
            entry.id.clone(),
        ]
    };
    let names = ["SINCE", "CONCERN", "AMOUNT", "ORDER", "TRANSACTION", "ID"];
    print(&format_table(
        &names,
        &entries.iter().map(row).collect::<Vec<_>>(),
    ))?;
    if has_more {
        print(&format!(
            "these are the oldest {limit} entries; see more with: orderflow money list --limit 1000"
        ))?;
    }
    print("see the next step with: orderflow money show ID")
}

pub(super) fn amount_of(entry: &AttentionEntry) -> Option<Money> {
    Money::from_decimal(entry.amount?, entry.currency?).ok()
}

pub(super) fn format_amount(entry: &AttentionEntry) -> String {
    amount_of(entry).map_or_else(|| "-".to_owned(), |amount| amount.to_string())
}
