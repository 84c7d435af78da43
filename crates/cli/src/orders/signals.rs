//! The commands that send a signal to an order.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    api_client::ApiClient,
    arguments::{
        Approve, Cancel, ConfirmDelivery, ConfirmPayment, OrderArguments, ReasonArguments, Reject,
        Update, UpdateAddress, UpdateItems,
    },
    start::address_fields,
};
use crate::output::print;

pub(crate) async fn approve(arguments: Approve) -> Result<()> {
    let body = body_of([
        ("reviewer", arguments.reviewer),
        ("note", arguments.note),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "approve", body).await
}

pub(crate) async fn reject(arguments: Reject) -> Result<()> {
    let body = body_of([
        ("reviewer", arguments.reviewer),
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "reject", body).await
}

pub(crate) async fn cancel(arguments: Cancel) -> Result<()> {
    let body = body_of([
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "cancel", body).await
}

pub(crate) async fn hold(arguments: ReasonArguments) -> Result<()> {
    let body = body_of([
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "hold", body).await
}

pub(crate) async fn release(arguments: ReasonArguments) -> Result<()> {
    let body = body_of([
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "release", body).await
}

pub(crate) async fn update(arguments: Update) -> Result<()> {
    let mut body = body_of([
        ("external_reference", arguments.reference),
        ("note", arguments.note),
    ]);
    let set = arguments.set.into_iter().map(|(name, text)| {
        let value = match serde_json::from_str(&text) {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
            Ok(_) | Err(_) => Value::String(text),
        };
        (name, value)
    });
    let removed = arguments.remove.into_iter().map(|name| (name, Value::Null));
    let metadata: Map<String, Value> = set.chain(removed).collect();
    if !metadata.is_empty() {
        body.insert("metadata".to_owned(), metadata.into());
    }
    if body.is_empty() {
        bail!("no change is given; give at least one of --reference, --note, --set, --remove");
    }
    send_change(&arguments.order, (Method::PATCH, &[]), body).await
}

pub(crate) async fn update_items(arguments: UpdateItems) -> Result<()> {
    let item = |(sku, quantity)| json!({"sku": sku, "quantity": quantity});
    let items: Vec<Value> = arguments.items.into_iter().map(item).collect();
    let body = [("items".to_owned(), items.into())].into_iter().collect();
    send_signal(&arguments.order, "update-items", body).await
}

pub(crate) async fn update_address(arguments: UpdateAddress) -> Result<()> {
    let mut address = address_fields(arguments.address);
    if address.is_empty() {
        bail!(
            "address: no field is given; give at least one of --recipient, --company, --street, --street2, --city, --state, --postal-code, --country, --phone"
        );
    }
    if arguments.replace {
        address.insert("replace".to_owned(), true.into());
    }
    send_signal(&arguments.order, "update-address", address).await
}

pub(crate) async fn cancel_payment(arguments: ReasonArguments) -> Result<()> {
    let body = body_of([
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ]);
    send_signal(&arguments.order, "cancel-payment", body).await
}

pub(crate) async fn confirm_payment(arguments: ConfirmPayment) -> Result<()> {
    let mut body = body_of([
        ("transaction_id", Some(arguments.transaction_id)),
        ("currency", arguments.currency),
        ("payment_method", arguments.method),
    ]);
    // The amount stays text, because a conversion through a float can change it.
    body.insert("amount".to_owned(), arguments.amount.into());
    send_signal(&arguments.order, "confirm-payment", body).await
}

pub(crate) async fn confirm_delivery(arguments: ConfirmDelivery) -> Result<()> {
    let body = body_of([
        ("delivered_at", arguments.delivered_at),
        ("signed_by", arguments.signed_by),
    ]);
    send_signal(&arguments.order, "confirm-delivery", body).await
}

/// Returns a request body of the values that are given.
pub(super) fn body_of<const N: usize>(values: [(&str, Option<String>); N]) -> Map<String, Value> {
    values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect()
}

async fn send_signal(order: &OrderArguments, name: &str, body: Map<String, Value>) -> Result<()> {
    send_change(order, (Method::POST, &["signals", name]), body).await
}

/// Sends a request to a path below that of the order, and prints the order's decision.
async fn send_change(
    order: &OrderArguments,
    (method, path): (Method, &[&str]),
    body: Map<String, Value>,
) -> Result<()> {
    let response = ApiClient::from_env()?
        .call_order(method, &order.id, path, Some(&body.into()))
        .await?;
    if order.output.json {
        return print(&response.text);
    }
    let id = response
        .body
        .get("order_id")
        .and_then(Value::as_str)
        .context("the API's response has no order_id")?;
    let message = response.text_at("/message");
    let already = if response.is_true("/already") && !message.contains("already") {
        " No change was needed."
    } else {
        ""
    };
    print(&format!("{id}: {message}{already}"))
}
