//! `orderflow return`: lists, requests and decides the returns of an order.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    api_client::ApiClient,
    arguments::{DecideReturn, ReceiveReturn, RequestReturn, ReturnArguments, ReturnCommand},
    signals::body_of,
};
use crate::output::{OutputArguments, format_table, print};

pub(crate) async fn run(arguments: ReturnArguments) -> Result<()> {
    let ReturnArguments { order, command } = arguments;
    match command {
        ReturnCommand::List(output) => list(&order, output).await,
        ReturnCommand::Request(arguments) => request(&order, arguments).await,
        ReturnCommand::Approve(arguments) => decide(&order, "approve", arguments).await,
        ReturnCommand::Reject(arguments) => decide(&order, "reject", arguments).await,
        ReturnCommand::Cancel(arguments) => decide(&order, "cancel", arguments).await,
        ReturnCommand::Receive(arguments) => receive(&order, arguments).await,
    }
}

async fn request(order: &str, arguments: RequestReturn) -> Result<()> {
    let mut items = items_of(&arguments.item);
    if let Some(reason) = arguments.reason {
        for item in &mut items {
            item["reason"] = reason.clone().into();
        }
    }
    // With a key, a call that the API answers late can be repeated.
    let key = arguments
        .key
        .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let client = ApiClient::from_env()?.with_retries().with_key(key);
    let body = json!({"items": items});
    send(&client, order, (&[], &body), arguments.output).await
}

async fn decide(order: &str, step: &str, arguments: DecideReturn) -> Result<()> {
    let body = body_of([
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    let client = ApiClient::from_env()?.with_retries();
    let path = [arguments.id.as_str(), step];
    send(&client, order, (&path, &body.into()), arguments.output).await
}

async fn receive(order: &str, arguments: ReceiveReturn) -> Result<()> {
    let mut body = Map::new();
    if !arguments.item.is_empty() {
        body.insert("items".to_owned(), items_of(&arguments.item).into());
    }
    if arguments.restock {
        body.insert("restock".to_owned(), true.into());
    }
    let client = ApiClient::from_env()?.with_retries();
    let path = [arguments.id.as_str(), "receive"];
    send(&client, order, (&path, &body.into()), arguments.output).await
}

fn items_of(units: &[(String, u32)]) -> Vec<Value> {
    let item = |(sku, quantity): &(String, u32)| json!({"sku": sku, "quantity": quantity});
    units.iter().map(item).collect()
}

/// Sends a request below `/orders/{id}/returns` and prints the return.
async fn send(
    client: &ApiClient,
    order: &str,
    (rest, body): (&[&str], &Value),
    output: OutputArguments,
) -> Result<()> {
    let path = [&["returns"], rest].concat();
    let response = client
        .call_order(Method::POST, order, &path, Some(body))
        .await?;
    if output.json {
        return print(&response.text);
    }
    let [order_id, return_id, state, refund_id] =
        ["/order_id", "/return_id", "/state", "/refund_id"].map(|name| response.text_at(name));
    let refund = if refund_id.is_empty() {
        String::new()
    } else {
        format!(" Its refund is {refund_id}.")
    };
    print(&format!(
        "{order_id}: Return {return_id} is {state}.{refund}"
    ))
}

async fn list(order: &str, output: OutputArguments) -> Result<()> {
    let response = ApiClient::from_env()?
        .call_order(Method::GET, order, &["returns"], None)
        .await?;
    if output.json {
        return print(&response.text);
    }
    let rows: Vec<_> = rows_of(&response.body["returns"])
        .map(|row| {
            let items: Vec<_> = rows_of(&row["items"]).map(format_units).collect();
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            vec![
                text("return_id"),
                text("state"),
                items.join(", "),
                text("refund_id"),
                text("note"),
            ]
        })
        .collect();
    if rows.is_empty() {
        return print("the order has no returns");
    }
    let names = ["return", "state", "received of requested", "refund", "note"];
    print(&format_table(&names, &rows))
}

fn rows_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Formats the units of a line, such as `ABC123 1/2`: received of requested.
pub(super) fn format_units(line: &Value) -> String {
    let sku = line["sku"].as_str().unwrap_or_default();
    let received = line["received_quantity"].as_u64().unwrap_or_default();
    format!("{sku} {received}/{}", line["quantity"])
}
