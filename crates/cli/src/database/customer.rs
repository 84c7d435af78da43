//! `customer`: the export and the erasure of a customer's personal data.

use anyhow::{Result, bail};
use serde_json::json;

use super::arguments::{EraseArguments, ExportArguments};
use crate::{
    confirmation::require_confirmation,
    output::{print, print_json},
    target,
};
use store::personal_data::{Person, erase_order, export_order, list_orders};

/// Prints all rows of the customer's orders as JSON.
pub(super) async fn export(arguments: ExportArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let person = Person::parse(&arguments.customer);
    let mut orders = Vec::new();
    for order in list_orders(&pool, &person).await? {
        orders.extend(export_order(&pool, &order.id).await?);
    }
    if orders.is_empty() {
        bail!(
            "customer {}: no order has this customer id or e-mail address",
            arguments.customer
        );
    }
    print_json(&json!({"customer": arguments.customer, "orders": orders}))
}

pub(super) async fn erase(arguments: EraseArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let person = Person::parse(&arguments.customer);
    let orders = list_orders(&pool, &person).await?;
    let ended = orders.iter().filter(|order| !order.is_running).count();
    if orders.is_empty() {
        bail!(
            "customer {}: no order has this customer id or e-mail address; an erased order has neither",
            arguments.customer
        );
    }
    if !arguments.yes && !arguments.dry_run && ended > 0 {
        let effect = format!("erases the personal data of {ended} orders permanently");
        require_confirmation("customer erase", &effect, &format!("{effect}; go on?"))?;
    }
    let mut erased = Vec::new();
    let mut open = Vec::new();
    for order in orders {
        let is_erased = if arguments.dry_run {
            !order.is_running
        } else {
            erase_order(&pool, &order.id).await?
        };
        if is_erased {
            erased.push(order.id);
        } else {
            open.push(order.id);
        }
    }
    if arguments.output.json {
        return print_json(&json!({
            "customer": arguments.customer, "dry_run": arguments.dry_run, "erased": erased, "open": open,
        }));
    }
    let verb = if arguments.dry_run {
        "would erase"
    } else {
        "erased"
    };
    let mut text = format!("{verb} the personal data of {} orders", erased.len());
    if !open.is_empty() {
        let ids: Vec<String> = open.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "\nopen orders keep theirs: {}; run the command again after their end",
            ids.join(", ")
        ));
    }
    text.push_str(
        "\nTemporal keeps ended workflows until the namespace's retention is over, and backups keep it too; see docs/privacy.md",
    );
    print(&text)
}
