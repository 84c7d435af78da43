//! The addresses of an order, its parcels and its returns.

use serde_json::Value;

use super::fact::{Fact, join_parts, joined, rows_of, text};
use crate::orders::returns::format_units;

const ADDRESS: [&str; 9] = [
    "/name",
    "/company",
    "/street",
    "/street2",
    "/city",
    "/state",
    "/postal_code",
    "/country",
    "/phone",
];

pub(super) fn delivery_facts(order: &Value) -> Vec<Fact> {
    let mut facts = vec![
        ("address", joined(&order["shipping_address"], &ADDRESS)),
        (
            "billing address",
            joined(&order["billing_address"], &ADDRESS),
        ),
    ];
    for shipment in rows_of(&order["shipments"]) {
        let parcel = joined(shipment, &["/provider", "/tracking_number"]);
        facts.push(("shipment", parcel));
        let reports = rows_of(&shipment["events"]);
        let report = ["/at", "/type", "/location", "/description"];
        facts.extend(reports.map(|event| ("report", joined(event, &report))));
        facts.push(("delivered", text(shipment, "/delivered_at")));
    }
    let is_delivered = |shipment: &Value| shipment["delivered_at"].is_string();
    if !rows_of(&order["shipments"]).any(is_delivered) {
        let estimate = text(order, "/estimated_delivery");
        facts.push(("estimated delivery", estimate));
    }
    facts.extend(rows_of(&order["returns"]).map(|row| ("return", format_return(row))));
    facts
}

fn format_return(row: &Value) -> String {
    let [id, state, refund_id] = ["/return_id", "/state", "/refund_id"].map(|name| text(row, name));
    let refund = if refund_id.is_empty() {
        String::new()
    } else {
        format!("refund {refund_id}")
    };
    let units = rows_of(&row["items"]).map(format_units);
    let parts = [format!("{id} {state}")].into_iter().chain(units);
    join_parts(parts.chain([refund, text(row, "/note")]))
}
