//! `endpoints list`, `deliveries`, `enable` and `test`.

use anyhow::Result;
use reqwest::Method;
use serde_json::Value;

use super::arguments::{EndpointArguments, ListDeliveries};
use crate::{
    orders::api_client::ApiClient,
    output::{OutputArguments, format_table, print, print_json, replace_control_characters},
};

pub(super) async fn list_endpoints(output: OutputArguments) -> Result<()> {
    let response = ApiClient::from_env()?.get_path("webhook-endpoints").await?;
    let endpoints = &response.body["webhook_endpoints"];
    if output.json {
        return print_json(endpoints);
    }
    let rows: Vec<_> = rows_of(endpoints)
        .map(|endpoint| {
            let state = if endpoint["is_enabled"] == true {
                "enabled".to_owned()
            } else {
                format!("disabled: {}", text(&endpoint["disabled_reason"]))
            };
            let types: Vec<_> = rows_of(&endpoint["events"]).map(text).collect();
            let cells = [&endpoint["id"], &endpoint["url"]].map(text);
            [cells.to_vec(), vec![types.join(","), state]].concat()
        })
        .collect();
    if rows.is_empty() {
        return print("no endpoint found; create one with POST /webhook-endpoints");
    }
    print(&format_table(&["id", "url", "events", "state"], &rows))
}

pub(super) async fn list_deliveries(arguments: ListDeliveries) -> Result<()> {
    let status = arguments
        .status
        .map(|status| format!("&status={status}"))
        .unwrap_or_default();
    let path = format!(
        "webhook-endpoints/{}/deliveries?limit={}{status}",
        arguments.id, arguments.limit
    );
    let response = ApiClient::from_env()?.get_path(&path).await?;
    let deliveries = &response.body["deliveries"];
    if arguments.output.json {
        return print_json(deliveries);
    }
    const COLUMNS: [&str; 7] = [
        "id",
        "type",
        "order_id",
        "status",
        "attempts",
        "response_status",
        "error",
    ];
    let rows: Vec<_> = rows_of(deliveries)
        .map(|delivery| COLUMNS.map(|column| text(&delivery[column])).to_vec())
        .collect();
    if rows.is_empty() {
        return print("no message found");
    }
    print(&format_table(&COLUMNS, &rows))
}

pub(super) async fn enable_endpoint(arguments: EndpointArguments) -> Result<()> {
    let body = post(&arguments.id, "enable").await?;
    if arguments.output.json {
        return print_json(&body);
    }
    print(&format!(
        "{} is enabled; its pending messages are sent",
        arguments.id
    ))
}

pub(super) async fn test_endpoint(arguments: EndpointArguments) -> Result<()> {
    let body = post(&arguments.id, "test").await?;
    if arguments.output.json {
        return print_json(&body);
    }
    print(&format!(
        "a test is on its way; see `orderflow endpoints deliveries {}`",
        arguments.id
    ))
}

async fn post(id: &str, action: &str) -> Result<Value> {
    let path = format!("webhook-endpoints/{id}/{action}");
    let response = ApiClient::from_env()?
        .try_call(Method::POST, &path, None, None)
        .await??;
    Ok(response.body)
}

fn rows_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Returns a value as a cell of a table.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => replace_control_characters(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
