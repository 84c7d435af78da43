//! The function on a socket with a chosen clock and chosen secrets, which no setting offers.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body as HttpBody, to_bytes},
    extract::{Request as HttpRequest, State},
    http::Response as HttpResponse,
};
use data_encoding::BASE64;
use lambda_http::{Body, request::from_str};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::harness::Harness;
use domain::Span;
use order_client::{OrderClient, TemporalSettings};
use orderflow_http::{Application, configure_auth};
use payment_webhooks::{Deployment, Environment};
use webhook::{App, Clock, Settings, WebhookSecrets};

/// The format of the API Gateway event.
#[derive(Clone, Copy, Debug)]
pub(super) enum PayloadFormat {
    /// The body is text.
    Http,
    /// The body is base64.
    Rest,
}

pub(super) struct FunctionServer {
    pub(super) url: String,
    server: JoinHandle<()>,
}

impl FunctionServer {
    /// Starts the function with these secrets at this time.
    pub(super) async fn start(
        orders: &OrderClient,
        keyring: WebhookSecrets,
        now: i64,
        shape: PayloadFormat,
    ) -> Self {
        let settings = Settings {
            deployment: Deployment::new(Environment::Test),
            grace: Span::from_secs(0),
        };
        let app = App::from_parts(orders.clone(), keyring, settings, Clock::new(move || now));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new()
            .fallback(handle_request)
            .with_state((Arc::new(app), shape));
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { url, server }
    }
}

impl Drop for FunctionServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Returns a client for the Temporal server of this harness.
pub(super) fn connect_client(harness: &Harness) -> OrderClient {
    configure_auth().unwrap();
    let temporal = TemporalSettings::from_env_or([
        (&settings::TEMPORAL_ADDRESS, &harness.temporal_address),
        (&settings::ORDER_TASK_QUEUE, &harness.orders_task_queue),
        (&settings::SHIPPING_TASK_QUEUE, &harness.shipping_task_queue),
    ]);
    OrderClient::new(temporal.unwrap())
}

async fn handle_request(
    State((app, shape)): State<(Arc<App>, PayloadFormat)>,
    request: HttpRequest,
) -> HttpResponse<HttpBody> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let mut headers = Map::new();
    for (name, value) in &parts.headers {
        let value = json!(value.to_str().unwrap());
        headers
            .entry(name.as_str())
            .or_insert_with(|| json!([]))
            .as_array_mut()
            .unwrap()
            .push(value);
    }
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let event = match shape {
        PayloadFormat::Rest => json!({
            "resource": "/webhooks/{provider}", "path": path, "httpMethod": method, "headers": null,
            "multiValueHeaders": headers, "queryStringParameters": null, "multiValueQueryStringParameters": null,
            "requestContext": {"stage": "prod", "httpMethod": method}, "body": BASE64.encode(&bytes),
            "isBase64Encoded": true,
        }),
        PayloadFormat::Http => {
            let joined = |(name, values): (String, Value)| {
                let values: Vec<_> = values
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_str().unwrap())
                    .collect();
                (name, json!(values.join(",")))
            };
            json!({
                "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
                "headers": headers.into_iter().map(joined).collect::<Map<_, _>>(),
                "requestContext": {"http": {"method": method, "path": path}, "routeKey": "$default", "stage": "$default"},
                "body": std::str::from_utf8(&bytes).unwrap(), "isBase64Encoded": false,
            })
        }
    };
    let response = app.handle(from_str(&event.to_string()).unwrap()).await;
    response.map(|body| match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        Body::Empty | _ => HttpBody::empty(),
    })
}
