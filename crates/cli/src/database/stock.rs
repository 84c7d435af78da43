//! `stock`.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::arguments::SetStock;
use crate::{
    output::{OutputArguments, format_table, print, print_json},
    target,
};
use contract::MAX_STOCK;
use domain::Sku;
use store::{
    inventory::{self, Stock},
    stock::{StockAmount, StockChange, StockOutcome, change_stock},
};

pub(crate) async fn list_stock(output: OutputArguments) -> Result<()> {
    let stock = inventory::list(&target::open_database().await?).await?;
    if output.json {
        return print_json(
            &stock
                .iter()
                .map(|(sku, stock)| stock_json(sku, *stock))
                .collect::<Vec<_>>(),
        );
    }
    if stock.is_empty() {
        return print(
            "no stock found; create a SKU with `orderflow stock set SKU N`, or with an order",
        );
    }
    let row = |(sku, stock): &(Sku, Stock)| {
        let numbers = [stock.available, stock.held, stock.shipped].map(|number| number.to_string());
        [vec![sku.to_string()], numbers.to_vec()].concat()
    };
    print(&format_table(
        &["SKU", "AVAILABLE", "HELD", "SHIPPED"],
        &stock.iter().map(row).collect::<Vec<_>>(),
    ))
}

pub(crate) async fn set_stock(arguments: SetStock) -> Result<()> {
    let sku = arguments.sku;
    let change = StockChange {
        sku: &sku,
        amount: StockAmount::Set(arguments.available),
        limit: MAX_STOCK,
        changed_by: "cli",
        reason: arguments.reason.as_deref(),
        idempotency_key: None,
    };
    let changed = change_stock(&target::open_database().await?, change).await?;
    let StockOutcome::Changed { stock, .. } = changed else {
        bail!("{sku}: the stock was not changed; use a number from 0 to {MAX_STOCK}");
    };
    if arguments.output.json {
        return print_json(&stock_json(&sku, stock));
    }
    let Stock {
        available,
        held,
        shipped,
    } = stock;
    print(&format!(
        "{sku}: {available} available, {held} held by orders, {shipped} shipped"
    ))
}

fn stock_json(sku: &Sku, stock: Stock) -> Value {
    json!({"sku": sku.as_str(), "available": stock.available, "held": stock.held, "shipped": stock.shipped})
}
