//! `stock list`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    output::{OutputArguments, format_table, print, print_json},
    target,
};
use domain::Sku;
use store::inventory::{self, Stock};

pub(super) async fn list_stock(output: OutputArguments) -> Result<()> {
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

pub(super) fn stock_json(sku: &Sku, stock: Stock) -> Value {
    json!({"sku": sku.as_str(), "available": stock.available, "held": stock.held, "shipped": stock.shipped})
}
