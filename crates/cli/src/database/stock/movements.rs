//! `stock movements`: the changes of the stock of one SKU.

use anyhow::{Result, bail};
use chrono::SecondsFormat;

use super::arguments::ListMovements;
use crate::{
    output::{format_table, print, print_json},
    target,
};
use store::stock::{self, StockMovement};

pub(super) async fn list_movements(arguments: ListMovements) -> Result<()> {
    let ListMovements { sku, limit, output } = arguments;
    let movements = stock::list_movements(&target::open_database().await?, &sku, limit).await?;
    // Every SKU with stock has at least its opening movement.
    if movements.is_empty() {
        bail!("{sku}: no stock has this SKU; `orderflow stock list` shows every SKU");
    }
    if output.json {
        return print_json(&movements);
    }
    let names = ["CHANGED", "KIND", "CHANGE", "AVAILABLE", "BY", "REASON"];
    let rows: Vec<_> = movements.iter().map(format_movement).collect();
    print(&format_table(&names, &rows))
}

fn format_movement(movement: &StockMovement) -> Vec<String> {
    let change = movement.new_available - movement.old_available;
    vec![
        movement
            .changed_at
            .to_rfc3339_opts(SecondsFormat::Secs, true),
        movement.kind.clone(),
        format!("{change:+}"),
        movement.new_available.to_string(),
        movement.changed_by.clone(),
        movement.reason.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
