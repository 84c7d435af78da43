//! `endpoints create` and `rotate-secret`: the commands whose output has a secret.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use super::{
    arguments::{CreateEndpoint, EndpointArguments},
    post,
};
use crate::{
    orders::api_client::ApiClient,
    output::{print, replace_control_characters},
};

pub(super) async fn create_endpoint(arguments: CreateEndpoint) -> Result<()> {
    let types: Vec<_> = arguments.events.iter().map(|kind| kind.as_str()).collect();
    let body = json!({"url": arguments.url, "events": types, "description": arguments.description});
    let response = ApiClient::from_env()?
        .try_call(
            Method::POST,
            "webhook-endpoints",
            Some(body.to_string()),
            None,
        )
        .await??;
    if arguments.output.json {
        return print(&response.text);
    }
    let [id, url, secret] = ["/id", "/url", "/secret"].map(|pointer| response.text_at(pointer));
    let url = replace_control_characters(url);
    print_secret(&format!("{id} receives messages at {url}."), secret)
}

pub(super) async fn rotate_secret(arguments: EndpointArguments) -> Result<()> {
    let response = post(&arguments.id, "rotate-secret").await?;
    if arguments.output.json {
        return print(&response.text);
    }
    let [secret, until] =
        ["/secret", "/previous_valid_until"].map(|pointer| response.text_at(pointer));
    let summary = format!(
        "{} has a new secret; until {until}, messages also have a signature of the previous one.",
        arguments.id
    );
    print_secret(&summary, secret)
}

fn print_secret(summary: &str, secret: &str) -> Result<()> {
    print(&format!(
        "{summary}\nSecret, printed only now; the receiver verifies messages with it:\n\n    {secret}"
    ))
}
