//! `show`: what an order has, one line for each fact.

mod delivery;
mod fact;
mod money;

use anyhow::Result;
use delivery::delivery_facts;
use fact::{Fact, joined, plain_text, rows_of, text};
use money::money_facts;
use reqwest::Method;
use serde_json::Value;

use super::{api_client::ApiClient, arguments::OrderArguments};
use crate::output::{format_fields, print};

pub(crate) async fn show_order(order: OrderArguments) -> Result<()> {
    let response = ApiClient::from_env()?
        .call_order(Method::GET, &order.id, &[], None)
        .await?;
    if order.output.json {
        return print(&response.text);
    }
    print(&format_fields(&list_facts(&response.body)))
}

fn list_facts(order: &Value) -> Vec<Fact> {
    [
        state_facts(order),
        money_facts(order),
        delivery_facts(order),
        note_facts(order),
        vec![
            ("allowed", format_actions(order)),
            ("cancelled", text(order, "/cancellation_reason")),
            (
                "failure",
                joined(order, &["/failure/code", "/failure/detail"]),
            ),
            ("created", text(order, "/created_at")),
            ("updated", text(order, "/updated_at")),
        ],
    ]
    .concat()
}

fn state_facts(order: &Value) -> Vec<Fact> {
    let [status, step, source] = ["/status", "/step", "/source"].map(|name| text(order, name));
    let customer = ["/customer/id", "/customer/name", "/customer/email"];
    vec![
        ("order", text(order, "/order_id")),
        ("workflow", text(order, "/workflow_id")),
        ("status", format!("{status} (step {step}, from {source})")),
        ("running", plain_text(&order["is_running"])),
        ("waiting for", format_wait(order)),
        ("next attempt", text(order, "/waiting_for/next_attempt_at")),
        ("last error", text(order, "/waiting_for/last_error")),
        ("held", joined(order, &["/hold/since", "/hold/reason"])),
        ("customer", joined(order, &customer)),
    ]
}

/// Returns the reason of the order's wait, and its end if it has one.
fn format_wait(order: &Value) -> String {
    let [reason, until] =
        ["/waiting_for/reason", "/waiting_for/until"].map(|name| text(order, name));
    if until.is_empty() {
        reason
    } else {
        format!("{reason} until {until}")
    }
}

fn note_facts(order: &Value) -> Vec<Fact> {
    let metadata = order["metadata"].as_object().into_iter().flatten();
    let metadata: Vec<_> = metadata
        .map(|(name, value)| format!("{name}={}", plain_text(value)))
        .collect();
    vec![
        ("reference", text(order, "/external_reference")),
        ("note", text(order, "/note")),
        ("gift message", text(order, "/gift_message")),
        ("metadata", metadata.join(", ")),
    ]
}

/// Returns the commands whose requests the order accepts now.
fn format_actions(order: &Value) -> String {
    let command = |action: &Value| match action.as_str() {
        Some("refunds") => "refund".to_owned(),
        Some("returns") => "return".to_owned(),
        Some(_) | None => plain_text(action),
    };
    let commands: Vec<_> = rows_of(&order["actions"]).map(command).collect();
    commands.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn show(order: &Value) -> String {
        let facts = list_facts(order);
        let shown = facts.iter().filter(|(_, value)| !value.is_empty());
        let lines: Vec<_> = shown
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn new_order_has_few_facts() {
        let order = json!({
            "order_id": "o-1", "workflow_id": "order-o-1", "status": "pending", "step": "receive",
            "is_running": true, "source": "temporal", "customer": {"id": null}, "items": [],
            "shipping_address": null, "payment_info": null, "shipments": [], "actions": [],
            "created_at": "2026-11-21T12:00:00Z", "updated_at": "2026-11-21T12:00:00Z",
        });
        assert_eq!(
            show(&order),
            "order: o-1\n\
             workflow: order-o-1\n\
             status: pending (step receive, from temporal)\n\
             running: true\n\
             created: 2026-11-21T12:00:00Z\n\
             updated: 2026-11-21T12:00:00Z"
        );
    }

    #[test]
    fn waiting_order_shows_its_next_attempt() {
        let order = json!({
            "waiting_for": {"reason": "payment", "until": "2026-11-22T12:00:00Z",
                "next_attempt_at": "2026-11-21T12:01:00Z", "last_error": "the provider is unavailable"},
            "hold": {"reason": "a question", "since": "2026-11-21T12:00:00Z"},
            "actions": ["cancel", "release", "refunds", "returns"],
        });
        let shown = show(&order);
        for line in [
            "waiting for: payment until 2026-11-22T12:00:00Z",
            "next attempt: 2026-11-21T12:01:00Z",
            "last error: the provider is unavailable",
            "held: 2026-11-21T12:00:00Z, a question",
            "allowed: cancel, release, refund, return",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        let endless = json!({"waiting_for": {"reason": "hold", "until": null}});
        let shown = show(&endless);
        assert!(shown.ends_with("waiting for: hold"), "{shown}");
    }

    #[test]
    fn ended_order_shows_money_reports_and_returns() {
        let order = json!({
            "currency": "USD", "total_amount": 99.99,
            "amounts": {"captured": 99.99, "refunded": 5, "due": 0},
            "refunds": [
                {"refund_id": "RF-1", "state": "refunded", "amount": 5, "currency": "USD", "reason": "a scratch"},
                {"refund_id": "RF-2", "state": "failed", "amount": 1, "currency": "USD", "reason": null,
                    "failure": "the provider declined"},
            ],
            "returns": [{"return_id": "RT-1", "state": "received", "refund_id": "RF-1", "note": null,
                "items": [{"sku": "A", "quantity": 2, "received_quantity": 1}]}],
            "shipments": [{"provider": "dhl", "tracking_number": "TN-1", "delivered_at": "2026-11-23T09:00:00Z",
                "events": [{"id": "m-1", "type": "in_transit", "at": "2026-11-22T09:00:00Z",
                    "location": "Leipzig", "description": "left the depot"}]}],
            "estimated_delivery": "2026-11-24T12:00:00Z",
        });
        let shown = show(&order);
        for line in [
            "total: 99.99 USD",
            "captured: 99.99 USD",
            "refunded: 5.00 USD",
            "refund: RF-1 5.00 USD refunded, a scratch",
            "refund: RF-2 1.00 USD failed, the provider declined",
            "return: RT-1 received, A 1/2, refund RF-1",
            "shipment: dhl, TN-1",
            "report: 2026-11-22T09:00:00Z, in_transit, Leipzig, left the depot",
            "delivered: 2026-11-23T09:00:00Z",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        assert!(
            !shown.contains("due:") && !shown.contains("estimated"),
            "{shown}"
        );
    }
}
