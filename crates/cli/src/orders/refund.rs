//! `orderflow refund`: refunds a part of an order's money.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{api_client::ApiClient, arguments::RefundArguments};
use crate::output::{format_money, print};

pub(crate) async fn refund(arguments: RefundArguments) -> Result<()> {
    let mut body = Map::new();
    // Amounts stay text, because a conversion through a float can change them.
    for (name, text) in [
        ("amount", arguments.amount),
        ("shipping_amount", arguments.shipping),
        ("reason", arguments.reason),
        ("public_reason", arguments.public_reason),
    ] {
        if let Some(text) = text {
            body.insert(name.to_owned(), text.into());
        }
    }
    if !arguments.item.is_empty() {
        let items: Vec<Value> = arguments
            .item
            .iter()
            .map(|(sku, quantity)| json!({"sku": sku, "quantity": quantity}))
            .collect();
        body.insert("items".to_owned(), items.into());
    }
    if arguments.restock {
        body.insert("restock".to_owned(), true.into());
    }
    // With a key, a call that the API answers late can be repeated.
    let key = arguments
        .key
        .unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let response = ApiClient::from_env()?
        .with_retries()
        .with_key(key)
        .call_order(
            Method::POST,
            &arguments.order.id,
            &["refunds"],
            Some(&body.into()),
        )
        .await?;
    if arguments.order.output.json {
        return print(&response.text);
    }
    let [refund_id, order_id, currency, state] =
        ["/refund_id", "/order_id", "/currency", "/state"].map(|pointer| response.text_at(pointer));
    let amount = format_money(response.body.get("amount"), currency);
    print(&format!(
        "{order_id}: Refund {refund_id} of {amount} is {state}."
    ))
}
