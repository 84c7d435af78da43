//! `endpoints list`.

use anyhow::Result;
use serde_json::Value;

use super::cells::{rows_of, text, types_of};
use crate::{
    orders::api_client::ApiClient,
    output::{OutputArguments, format_table, print, print_json},
};

pub(super) async fn list_endpoints(output: OutputArguments) -> Result<()> {
    let response = ApiClient::from_env()?.get_path("webhook-endpoints").await?;
    let endpoints = &response.body["webhook_endpoints"];
    if output.json {
        return print_json(endpoints);
    }
    let rows: Vec<_> = rows_of(endpoints).map(row).collect();
    if rows.is_empty() {
        return print("no endpoint found; create one with `orderflow endpoints create URL`");
    }
    print(&format_table(&["id", "url", "events", "state"], &rows))
}

fn row(endpoint: &Value) -> Vec<String> {
    let state = if endpoint["is_enabled"] == true {
        "enabled".to_owned()
    } else {
        format!("disabled: {}", text(&endpoint["disabled_reason"]))
    };
    vec![
        text(&endpoint["id"]),
        text(&endpoint["url"]),
        types_of(endpoint),
        state,
    ]
}
