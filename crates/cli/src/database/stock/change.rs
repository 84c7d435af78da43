//! `stock set` and `stock adjust`: change the available units of a SKU and record the movement.

use anyhow::{Result, bail};

use super::{
    arguments::{AdjustStock, SetStock},
    list::stock_json,
};
use crate::{
    output::{OutputArguments, print, print_json},
    target,
};
use contract::MAX_STOCK;
use store::{
    inventory::Stock,
    stock::{StockAmount, StockChange, StockOutcome, change_stock},
};

/// The name of the program in the movements.
const CHANGED_BY: &str = "cli";

pub(super) async fn set_stock(arguments: SetStock) -> Result<()> {
    let change = StockChange {
        sku: &arguments.sku,
        amount: StockAmount::Set(arguments.available),
        limit: MAX_STOCK,
        changed_by: CHANGED_BY,
        reason: arguments.reason.as_deref(),
        idempotency_key: None,
    };
    make_change(change, arguments.output).await
}

pub(super) async fn adjust_stock(arguments: AdjustStock) -> Result<()> {
    let sku = &arguments.sku;
    // A key has no spaces, so the keys of two SKUs differ. Keys of the API are hashes.
    let key = arguments.key.map(|key| format!("cli {key} {sku}"));
    let change = StockChange {
        sku,
        amount: StockAmount::Adjust(arguments.units),
        limit: MAX_STOCK,
        changed_by: CHANGED_BY,
        reason: Some(arguments.reason.as_str()),
        idempotency_key: key.as_deref(),
    };
    make_change(change, arguments.output).await
}

async fn make_change(change: StockChange<'_>, output: OutputArguments) -> Result<()> {
    let sku = change.sku;
    let (stock, already) = match change_stock(&target::open_database().await?, change).await? {
        StockOutcome::Changed { stock, already, .. } => (stock, already),
        StockOutcome::UnknownSku => {
            bail!("{sku}: no stock has this SKU; set its units first with `orderflow stock set`")
        }
        StockOutcome::BelowZero(Stock {
            available, held, ..
        }) => bail!(
            "{sku}: {available} units are available, and orders hold {held} more; remove at most the available ones"
        ),
        StockOutcome::AboveLimit(Stock { available, .. }) => bail!(
            "{sku}: {available} units are available, and the limit is {MAX_STOCK}; add fewer units"
        ),
        StockOutcome::KeyReused => {
            bail!("{sku}: this key belongs to another change; choose another --key")
        }
    };
    if output.json {
        let mut json = stock_json(sku, stock);
        if already {
            json["already"] = true.into();
        }
        return print_json(&json);
    }
    let Stock {
        available,
        held,
        shipped,
    } = stock;
    let already = if already {
        "; an earlier command with this key has made the change"
    } else {
        ""
    };
    print(&format!(
        "{sku}: {available} available, {held} held by orders, {shipped} shipped{already}"
    ))
}
