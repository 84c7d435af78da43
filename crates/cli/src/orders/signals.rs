//! What can be asked of an order.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    api_client::ApiClient,
    arguments::{
        Approve, Cancel, ConfirmDelivery, ConfirmPayment, OrderArguments, Reject, UpdateAddress,
    },
    start::address_fields,
};
use crate::output::print;

pub(crate) async fn approve(arguments: Approve) -> Result<()> {
    let body = given([("reviewer", arguments.reviewer), ("note", arguments.note)]);
    signal(&arguments.order, "approve", body).await
}

pub(crate) async fn reject(arguments: Reject) -> Result<()> {
    let body = given([
        ("reviewer", arguments.reviewer),
        ("reason", arguments.reason),
    ]);
    signal(&arguments.order, "reject", body).await
}

pub(crate) async fn cancel(arguments: Cancel) -> Result<()> {
    signal(
        &arguments.order,
        "cancel",
        given([("reason", arguments.reason)]),
    )
    .await
}

pub(crate) async fn update_address(arguments: UpdateAddress) -> Result<()> {
    let address = address_fields(arguments.address);
    if address.is_empty() {
        bail!(
            "nothing would change: name at least one of --street, --city, --state, --postal-code, --country"
        );
    }
    signal(&arguments.order, "update-address", address).await
}

pub(crate) async fn cancel_payment(order: OrderArguments) -> Result<()> {
    signal(&order, "cancel-payment", Map::new()).await
}

pub(crate) async fn confirm_payment(arguments: ConfirmPayment) -> Result<()> {
    let mut body = given([
        ("transaction_id", Some(arguments.transaction_id)),
        ("currency", arguments.currency),
        ("payment_method", arguments.method),
    ]);
    // As it was typed: a number that goes through a float may not be the same amount.
    body.insert("amount".to_owned(), arguments.amount.into());
    signal(&arguments.order, "confirm-payment", body).await
}

pub(crate) async fn confirm_delivery(arguments: ConfirmDelivery) -> Result<()> {
    let body = given([
        ("delivered_at", arguments.delivered_at),
        ("signed_by", arguments.signed_by),
    ]);
    signal(&arguments.order, "confirm-delivery", body).await
}

fn given<const N: usize>(values: [(&str, Option<String>); N]) -> Map<String, Value> {
    values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect()
}

async fn signal(order: &OrderArguments, name: &str, body: Map<String, Value>) -> Result<()> {
    let answer = ApiClient::from_env()?
        .call_order(
            Method::POST,
            &order.id,
            &["signals", name],
            Some(&body.into()),
        )
        .await?;
    if order.output.json {
        return print(&answer.text);
    }
    let id = answer
        .body
        .get("order_id")
        .and_then(Value::as_str)
        .context("the API's answer names no order")?;
    // The state in the answer is the one that the request met; where it goes from there, `status` tells.
    let message = answer.text_at("/message");
    let already = if answer.is_true("/already") && !message.contains("already") {
        " It held already."
    } else {
        ""
    };
    print(&format!("{id}: {message}{already}"))
}
