//! The items of an order, its total and the money that moved.

use serde_json::Value;

use super::fact::{Fact, join_parts, joined, plain_text, rows_of, text};
use crate::output::format_money;

pub(super) fn money_facts(order: &Value) -> Vec<Fact> {
    let moved = |name: &str| {
        let amount = order["amounts"].get(name).filter(|amount| **amount != 0);
        format_money(amount, currency_of(order))
    };
    let payment = [
        "/payment_info/payment_id",
        "/payment_info/status",
        "/payment_info/transaction_id",
    ];
    let mut facts = vec![
        ("items", format_items(order)),
        ("charges", format_charges(order)),
        (
            "total",
            format_money(order.get("total_amount"), currency_of(order)),
        ),
        ("captured", moved("captured")),
        ("refunded", moved("refunded")),
        ("due", moved("due")),
        ("payment", joined(order, &payment)),
    ];
    let refunds = rows_of(&order["refunds"]).map(|refund| ("refund", format_refund(refund)));
    facts.extend(refunds);
    facts
}

fn currency_of(order: &Value) -> &str {
    order["currency"].as_str().unwrap_or_default()
}

fn format_items(order: &Value) -> String {
    let item = |item: &Value| {
        let price = format_money(item.get("unit_price"), currency_of(order));
        let [quantity, sku] = ["quantity", "sku"].map(|name| plain_text(&item[name]));
        format!("{quantity} × {sku} at {price}")
    };
    join_parts(rows_of(&order["items"]).map(item))
}

/// Returns the amounts beside the line items: shipping, tax, fees and discounts.
fn format_charges(order: &Value) -> String {
    let money = |amount: Option<&Value>| format_money(amount, currency_of(order));
    let single = [("shipping", "shipping_amount"), ("tax", "tax_amount")];
    let single = single.into_iter().filter_map(|(name, field)| {
        let amount = order.get(field)?;
        Some(format!("{name} {}", money(Some(amount))))
    });
    let adjustments = [("fee", "fees", ""), ("discount", "discounts", "-")];
    let adjustments = adjustments.into_iter().flat_map(|(name, field, sign)| {
        rows_of(&order[field]).map(move |entry| {
            let code = entry["code"].as_str().unwrap_or(name);
            format!("{code} {sign}{}", money(entry.get("amount")))
        })
    });
    join_parts(single.chain(adjustments))
}

fn format_refund(refund: &Value) -> String {
    let amount = format_money(refund.get("amount"), currency_of(refund));
    let [id, state] = ["/refund_id", "/state"].map(|name| text(refund, name));
    let summary = format!("{id} {amount} {state}");
    join_parts([summary, text(refund, "/reason"), text(refund, "/failure")])
}
