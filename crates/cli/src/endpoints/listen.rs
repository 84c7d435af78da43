//! `listen`: a receiver of messages on this machine, with a temporary endpoint.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::arguments::Listen;
use crate::{
    orders::api_client::ApiClient,
    output::{print, replace_control_characters},
};
use domain::WebhookProvider;
use payment_webhooks::{Request, Secrets, verify};

/// The description of the endpoint, so that one whose command was killed can be recognised.
const DESCRIPTION: &str = "orderflow listen";

struct Receiver {
    secrets: Secrets,
    json: bool,
}

pub(super) async fn listen(arguments: Listen) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port.unwrap_or_default()))
        .await
        .context("port of the receiver: not available; choose another one with --port")?;
    let url = match arguments.public_url {
        Some(url) => url,
        None => format!("http://{}/", listener.local_addr()?),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let api = ApiClient::from_env()?;
    let types: Vec<_> = arguments.events.iter().map(|kind| kind.as_str()).collect();
    let body = json!({"url": url, "events": types, "description": DESCRIPTION});
    let created = api
        .try_call(Method::POST, "webhook-endpoints", Some(body.to_string()), None)
        .await?
        .map_err(|problem| {
            anyhow::Error::from(problem).context(
                "endpoint: not created; set ENDPOINT_ADDRESSES=any for worker and API, or use --public-url",
            )
        })?;
    let id = created.text_at("/id").to_owned();
    let receiver = Receiver {
        secrets: Secrets::new(WebhookProvider::Standard, [created.text_at("/secret")])?,
        json: arguments.json,
    };
    eprintln!("{id} receives messages at {url}; Ctrl-C deletes it");
    let app = Router::new()
        .fallback(receive)
        .with_state(Arc::new(receiver));
    let served = tokio::select! {
        served = axum::serve(listener, app) => served.context("the receiver failed"),
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    api.try_call(
        Method::DELETE,
        &format!("webhook-endpoints/{id}"),
        None,
        None,
    )
    .await??;
    served
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let headers: Vec<_> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let request = Request {
        headers: &headers,
        body: &body,
        now: Utc::now().timestamp(),
        notification_url: None,
    };
    if let Err(rejection) = verify(&receiver.secrets, &request) {
        eprintln!("a request was rejected: {rejection}");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let line = if receiver.json {
        message.to_string()
    } else {
        let text = |pointer: &str| {
            let value = message.pointer(pointer).and_then(Value::as_str);
            replace_control_characters(value.unwrap_or("-"))
        };
        format!(
            "{}  {:16}  {}  {}",
            text("/timestamp"),
            text("/type"),
            text("/data/order_id"),
            text("/data/status")
        )
    };
    match print(&line) {
        Ok(()) => StatusCode::NO_CONTENT,
        // The reader of the output has ended.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
