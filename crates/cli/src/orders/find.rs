//! `find`: searches the orders of the database through the API.

use anyhow::Result;
use serde_json::Value;

use super::{api_client::ApiClient, arguments::FindArguments, query_path::query_path};
use crate::output::{format_table, print, print_json};

/// The largest page of the API.
const PAGE: usize = 200;

pub(crate) async fn find_orders(arguments: FindArguments) -> Result<()> {
    let limit = usize::from(arguments.limit);
    let api = ApiClient::from_env()?;
    let mut orders: Vec<Value> = Vec::new();
    let mut next = Some(list_path(&arguments));
    while let Some(path) = next.filter(|_| orders.len() < limit) {
        let page = api.get_path(&path).await?;
        if let Some(found) = page.body["orders"].as_array() {
            orders.extend(found.iter().cloned());
        }
        next = page.next;
    }
    orders.truncate(limit);
    if arguments.output.json {
        return print_json(&orders);
    }
    if orders.is_empty() {
        return print("no orders found");
    }
    let names = ["ORDER", "STATUS", "CUSTOMER", "TOTAL", "CREATED", "CHANGED"];
    let rows: Vec<_> = orders.iter().map(row).collect();
    print(&format_table(&names, &rows))
}

/// Returns the path of the first page.
fn list_path(arguments: &FindArguments) -> String {
    let statuses: Vec<_> = arguments.status.iter().map(ToString::to_string).collect();
    let text = |value: &Option<String>| value.clone();
    let limit = usize::from(arguments.limit).min(PAGE);
    let parameters = [
        ("q", text(&arguments.text)),
        (
            "status",
            Some(statuses.join(",")).filter(|names| !names.is_empty()),
        ),
        (
            "customer_id",
            arguments.customer.as_ref().map(ToString::to_string),
        ),
        ("email", text(&arguments.email)),
        ("external_reference", text(&arguments.reference)),
        (
            "attention",
            arguments.attention.map(|attention| attention.to_string()),
        ),
        ("created_after", text(&arguments.created_after)),
        ("created_before", text(&arguments.created_before)),
        ("updated_after", text(&arguments.updated_after)),
        ("updated_before", text(&arguments.updated_before)),
        ("sort", arguments.sort.map(|sort| sort.to_string())),
        ("limit", Some(limit.to_string())),
    ];
    query_path("/orders", parameters)
}

fn row(order: &Value) -> Vec<String> {
    let text = |pointer: &str| match order.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) | None => "-".to_owned(),
    };
    let customer = match text("/customer/email").as_str() {
        "-" => text("/customer_id"),
        email => email.to_owned(),
    };
    let total = match text("/currency").as_str() {
        "-" => "-".to_owned(),
        currency => format!("{} {currency}", text("/total_amount")),
    };
    vec![
        text("/order_id"),
        text("/status"),
        customer,
        total,
        text("/created_at"),
        text("/updated_at"),
    ]
}
