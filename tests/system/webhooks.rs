//! The function `webhook` over real HTTP: accepted and rejected events, and their outcomes.

mod forgery;
mod function_server;
mod secret_rotation;
mod secrets_manager;
mod vectors;

use chrono::Utc;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::{api::ApiResponse, harness::Harness};
use domain::{Currency, Money, OrderId, TransactionId, WebhookProvider};
use payment_webhooks::{
    Facts, Message, SampleKind, Secrets, Signing, sample, secrets_variable, sign,
};

/// The URL that these tests registered at Square.
const SQUARE_URL: &str = "https://shop.example/webhooks/square";

/// Returns a secret that only these tests use, and that must not appear in any log.
fn test_secret(provider: WebhookProvider) -> String {
    let mut bytes = *b"marked-secret-of-a-system-test..";
    bytes[31] = provider.as_str().as_bytes()[0];
    payment_webhooks::made_up(provider, &bytes)
}

pub(crate) fn test_secrets(provider: WebhookProvider) -> Secrets {
    Secrets::parse(provider, &test_secret(provider)).unwrap()
}

/// Returns the settings with which the API accepts the events signed here.
pub(crate) fn webhook_settings() -> Vec<(String, String)> {
    let secrets = WebhookProvider::ALL
        .iter()
        .map(|provider| (secrets_variable(*provider), test_secret(*provider)));
    let more = [
        ("WEBHOOK_URL_SQUARE", SQUARE_URL),
        ("WEBHOOK_ENVIRONMENT", "test"),
        ("SETTLEMENT_GRACE", "0s"),
    ];
    secrets
        .chain(more.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect()
}

/// Starts a harness whose API accepts the events of every provider.
async fn start_harness() -> Harness {
    start_with_webhooks(&[]).await
}

pub(crate) async fn start_with_webhooks(more: &[(&str, &str)]) -> Harness {
    let settings = webhook_settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Harness::start_with(&[&settings, more].concat()).await
}

/// Returns an unsigned event about 99.99 USD for an order. `id` names its event, its payment and
/// its order.
fn sample_event(provider: WebhookProvider, id: &str) -> Message {
    let facts = Facts {
        order_id: &OrderId::parse(id).unwrap(),
        amount: Money::from_minor(9_999, Currency::parse("USD").unwrap()).unwrap(),
        transaction_id: &TransactionId::parse(&format!("tx_{id}")).unwrap(),
        event_id: &format!("evt_{id}"),
        now: Utc::now().timestamp(),
    };
    sample(provider, SampleKind::Paid, &facts).unwrap()
}

/// Signs with `secrets` at this time; Standard Webhooks also sign `message_id`.
pub(crate) fn sign_as(secrets: &Secrets, message: Message, message_id: &str, now: i64) -> Message {
    sign(
        secrets,
        message,
        &Signing {
            now,
            message_id,
            notification_url: Some(SQUARE_URL),
        },
    )
    .unwrap()
}

fn sign_at(secrets: &Secrets, message: Message, now: i64) -> Message {
    sign_as(secrets, message, "msg_system_test", now)
}

fn sign_now(provider: WebhookProvider, message: Message) -> Message {
    sign_at(&test_secrets(provider), message, Utc::now().timestamp())
}

fn webhook_request(
    url: &str,
    provider: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> RequestBuilder {
    let mut request = Client::new()
        .post(format!("{url}/webhooks/{provider}"))
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

/// Sends a message and repeats it while Temporal is unavailable, as providers do. The number of
/// repeats is limited, because a test can stop Temporal.
async fn post_webhook(url: &str, provider: WebhookProvider, message: &Message) -> ApiResponse {
    let send = || {
        send_request(webhook_request(
            url,
            provider.as_str(),
            &message.header_pairs(),
            message.body.clone(),
        ))
    };
    for _ in 0..3 {
        let response = send().await;
        if response.body["code"] != "temporal_unavailable" {
            return response;
        }
    }
    send().await
}

/// Asserts that a genuine, new event is accepted.
async fn deliver_genuine_event(harness: &Harness, provider: WebhookProvider, id: &str) {
    post_webhook(
        &harness.url,
        provider,
        &sign_now(provider, sample_event(provider, id)),
    )
    .await
    .expect_accepted(provider);
}

async fn send_request(request: RequestBuilder) -> ApiResponse {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    ApiResponse {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(json!(text)),
    }
}

impl ApiResponse {
    /// Asserts that the event is accepted with the response that this provider expects.
    #[track_caller]
    fn expect_accepted(self, provider: WebhookProvider) {
        let (status, text) = match provider {
            WebhookProvider::Adyen => (200, "[accepted]"),
            WebhookProvider::GoCardless => (204, ""),
            WebhookProvider::Stripe
            | WebhookProvider::Standard
            | WebhookProvider::Square
            | WebhookProvider::Mollie
            | WebhookProvider::Checkout
            | WebhookProvider::Shopify => (200, "accepted"),
        };
        // `[accepted]` is not JSON, so the body is a string here.
        assert_eq!(
            (self.status.as_u16(), self.body),
            (status, json!(text)),
            "{provider}"
        );
    }

    /// Asserts that the event is rejected for this reason, with the response that this provider
    /// expects.
    #[track_caller]
    fn expect_rejected(self, provider: WebhookProvider, reason: &str) -> Value {
        let problem = match provider {
            WebhookProvider::GoCardless => self.expect_problem(498, "webhook_token_invalid"),
            WebhookProvider::Stripe
            | WebhookProvider::Adyen
            | WebhookProvider::Standard
            | WebhookProvider::Square
            | WebhookProvider::Mollie
            | WebhookProvider::Checkout
            | WebhookProvider::Shopify => self.expect_problem(400, "webhook_rejected"),
        };
        assert_eq!(problem["reason"], reason, "{provider}: {problem}");
        problem
    }
}

impl Harness {
    /// Returns event id and outcome of each row of `webhook_deliveries`.
    async fn webhook_outcomes(&self) -> Vec<(String, String)> {
        let rows = store::webhook_events::list(&self.pool, None, None, 10_000)
            .await
            .unwrap();
        rows.into_iter()
            .map(|row| (row.event_id, row.outcome))
            .collect()
    }
}
