//! Tests of the whole crate: messages are signed, verified and read.

mod batches;
mod fraud;
mod kinds;
mod meaning;
mod mutations;
mod ownership;
mod peers;
mod properties;
mod vectors;

use serde_json::Value;

use crate::{
    Deployment, Environment, Facts, Message, Rejection, Request, SampleKind, Secrets, Signing,
    events, sample, sign, verify,
};
use domain::{Currency, Money, OrderId, PaymentEvent, TransactionId, WebhookProvider};

const NOW: i64 = 1_761_000_000;
const URL: &str = "https://orders.example.com/webhooks/square";

/// Returns a secret in the provider's format.
fn secret(provider: WebhookProvider) -> &'static str {
    match provider {
        WebhookProvider::Adyen => {
            "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
        }
        WebhookProvider::Standard => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        WebhookProvider::Stripe => "whsec_test_secret",
        WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::GoCardless
        | WebhookProvider::Checkout
        | WebhookProvider::Shopify => "a-secret-of-ours",
    }
}

fn secrets(provider: WebhookProvider) -> Secrets {
    Secrets::new(provider, [secret(provider)]).unwrap()
}

fn signed(provider: WebhookProvider, message: Message) -> Message {
    let signing = Signing {
        now: NOW,
        message_id: "msg_1",
        notification_url: Some(URL),
    };
    sign(&secrets(provider), message, &signing).unwrap()
}

fn signed_body(provider: WebhookProvider, body: impl Into<Vec<u8>>) -> Message {
    signed(provider, Message::new(body))
}

fn with_request<T>(message: &Message, judge: impl FnOnce(&Request<'_>) -> T) -> T {
    let headers = message.header_pairs();
    judge(&Request {
        headers: &headers,
        body: &message.body,
        now: NOW,
        notification_url: Some(URL),
    })
}

fn judged(provider: WebhookProvider, message: &Message) -> Result<(), Rejection> {
    with_request(message, |request| {
        verify(&secrets(provider), request).map(|_| ())
    })
}

fn told(provider: WebhookProvider, message: &Message) -> Result<Vec<PaymentEvent>, Rejection> {
    told_to(&Deployment::new(Environment::Test), provider, message)
}

fn told_to(
    deployment: &Deployment,
    provider: WebhookProvider,
    message: &Message,
) -> Result<Vec<PaymentEvent>, Rejection> {
    with_request(message, |request| {
        verify(&secrets(provider), request).map(|verified| events(&verified, deployment))
    })
}

/// Returns the payment event of a provider's signed body.
fn read(provider: WebhookProvider, body: &Value) -> PaymentEvent {
    read_by(&Deployment::new(Environment::Test), provider, body)
}

fn read_by(deployment: &Deployment, provider: WebhookProvider, body: &Value) -> PaymentEvent {
    let message = signed_body(provider, body.to_string());
    let mut events = told_to(deployment, provider, &message).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn usd(minor: i64) -> Money {
    money(minor, "USD")
}

fn money(minor: i64, code: &str) -> Money {
    Money::from_minor(minor, Currency::parse(code).unwrap()).unwrap()
}

/// Returns a signed sample event about `ORD-1` and `tx_1`.
fn sampled(provider: WebhookProvider, kind: SampleKind, amount: Money) -> Option<Message> {
    let order_id = OrderId::parse("ORD-1").unwrap();
    let transaction_id = TransactionId::parse("tx_1").unwrap();
    let facts = Facts {
        order_id: &order_id,
        amount,
        transaction_id: &transaction_id,
        event_id: "evt_1",
        now: NOW,
    };
    Some(signed(provider, sample(provider, kind, &facts).ok()?))
}
