//! `start-order`.

use std::time::SystemTime;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    api_client::ApiClient,
    arguments::{AddressArguments, StartArguments},
};
use crate::{
    json_file::read_object,
    output::{format_money, print},
};

pub(crate) async fn start_order(arguments: StartArguments) -> Result<()> {
    let api = ApiClient::from_env()?;
    // With an id, the API uses its sample cart if no items are given; `POST /orders` requires
    // items.
    let id = match arguments.id {
        Some(id) => id,
        None => generate_id()?,
    };
    let mut body = match &arguments.file {
        Some(path) => read_object(path, "an order", "the order in README.md")?,
        None => Map::new(),
    };
    if let Some(payment_id) = arguments.payment_id.or(arguments.payment) {
        body.insert("payment_id".to_owned(), payment_id.into());
    }
    if let Some(profile) = arguments.profile {
        body.insert("profile".to_owned(), profile.as_str().into());
    }
    let address = address_fields(arguments.address);
    if !address.is_empty() {
        body.insert("address".to_owned(), address.into());
    }
    let response = api
        .call_order(Method::POST, &id, &["start"], Some(&body.into()))
        .await?;
    if arguments.output.json {
        return print(&response.text);
    }
    let order_id = response.text_at("/order_id");
    let message = if response.is_true("/already_started") {
        "Order was already started."
    } else {
        response.text_at("/message")
    };
    let total = format_money(
        response.body.get("total_amount"),
        response.text_at("/currency"),
    );
    print(&format!(
        "{order_id}: {message} {total}\nfollow it with: orderflow status {order_id} --watch"
    ))
}

/// Returns the given fields of an address.
pub(crate) fn address_fields(address: AddressArguments) -> Map<String, Value> {
    let AddressArguments {
        recipient,
        company,
        street,
        street2,
        city,
        state,
        postal_code,
        country,
        phone,
    } = address;
    let typed = [
        ("name", recipient),
        ("company", company),
        ("street", street),
        ("street2", street2),
        ("city", city),
        ("state", state),
        ("postal_code", postal_code),
        ("country", country),
        ("phone", phone),
    ];
    typed
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect()
}

fn generate_id() -> Result<String> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the system clock is before 1970")?;
    Ok(format!("order-{:x}", since.as_micros()))
}
