//! `endpoints change`, `enable` and `delete`.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{
    arguments::{ChangeEndpoint, DeleteEndpoint, EndpointArguments},
    cells::types_of,
    post,
};
use crate::{
    confirmation::require_confirmation,
    orders::api_client::ApiClient,
    output::{print, print_json, replace_control_characters},
};

pub(super) async fn change_endpoint(arguments: ChangeEndpoint) -> Result<()> {
    let ChangeEndpoint {
        endpoint,
        url,
        events,
        description,
    } = arguments;
    let mut body = Map::new();
    if let Some(url) = url {
        body.insert("url".to_owned(), url.into());
    }
    if !events.is_empty() {
        let types: Vec<_> = events.iter().map(|kind| kind.as_str()).collect();
        body.insert("events".to_owned(), types.into());
    }
    if let Some(description) = description {
        body.insert("description".to_owned(), description.into());
    }
    let path = format!("webhook-endpoints/{}", endpoint.id);
    let response = ApiClient::from_env()?
        .try_call(
            Method::PATCH,
            &path,
            Some(Value::from(body).to_string()),
            None,
        )
        .await??;
    if endpoint.output.json {
        return print(&response.text);
    }
    print(&format!(
        "{} receives messages of the types {} at {}",
        endpoint.id,
        types_of(&response.body),
        replace_control_characters(response.text_at("/url"))
    ))
}

pub(super) async fn enable_endpoint(arguments: EndpointArguments) -> Result<()> {
    let response = post(&arguments.id, "enable").await?;
    if arguments.output.json {
        return print(&response.text);
    }
    print(&format!(
        "{} is enabled; its pending messages are sent",
        arguments.id
    ))
}

pub(super) async fn delete_endpoint(arguments: DeleteEndpoint) -> Result<()> {
    let EndpointArguments { id, output } = arguments.endpoint;
    if !arguments.yes {
        let effect = format!("deletes {id} with its messages and secrets");
        require_confirmation("endpoints delete", &effect, &format!("{effect}; go on?"))?;
    }
    ApiClient::from_env()?
        .try_call(
            Method::DELETE,
            &format!("webhook-endpoints/{id}"),
            None,
            None,
        )
        .await??;
    if output.json {
        return print_json(&json!({"id": id, "deleted": true}));
    }
    print(&format!("{id} is deleted with its messages and secrets"))
}
