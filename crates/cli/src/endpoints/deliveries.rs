//! `endpoints deliveries`, `redeliver` and `test`: the messages to one endpoint.

use anyhow::Result;

use super::{
    arguments::{EndpointArguments, ListDeliveries, Redeliver},
    cells::{rows_of, text},
    post,
};
use crate::{
    orders::api_client::ApiClient,
    output::{format_table, print, print_json},
};

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

pub(super) async fn redeliver(arguments: Redeliver) -> Result<()> {
    let Redeliver { endpoint, delivery } = arguments;
    let action = format!("deliveries/{delivery}/redeliver");
    let response = post(&endpoint.id, &action).await?;
    if endpoint.output.json {
        return print(&response.text);
    }
    print(&format!(
        "message {delivery} is sent again; see `orderflow endpoints deliveries {}`",
        endpoint.id
    ))
}

pub(super) async fn test_endpoint(arguments: EndpointArguments) -> Result<()> {
    let response = post(&arguments.id, "test").await?;
    if arguments.output.json {
        return print(&response.text);
    }
    print(&format!(
        "a test is on its way; see `orderflow endpoints deliveries {}`",
        arguments.id
    ))
}
