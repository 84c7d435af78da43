//! The functions of the fuzz targets. `crates/payment-webhooks/src/tests/mutations.rs` includes
//! this file and runs the functions on the corpus and on many mutations of it, without a nightly
//! compiler.

use domain::{PaymentEvent, PaymentEventKind, WebhookProvider};
use payment_webhooks::{
    Deployment, Environment, LARGEST_BATCH, Message, Request, Secrets, Signing,
};

/// A well-formed secret for each provider. The fuzzer's input cannot be a valid signature of it.
const SECRET: &str = "a7f5f35426b927411fc9231b56382173a7f5f35426b927411fc9231b56382173";
const NOW: i64 = 1_761_000_000;
const URL: Option<&str> = Some("https://orders.example.com/webhooks/square");

/// The headers that carry a signature or belong to one.
const HEADERS: [&str; 10] = [
    "stripe-signature",
    "hmacsignature",
    "webhook-signature",
    "webhook-id",
    "x-square-hmacsha256-signature",
    "x-mollie-signature",
    "cko-signature",
    "x-shopify-hmac-sha256",
    "svix-id",
    "svix-signature",
];

fn select_provider(number: u8) -> (WebhookProvider, Secrets) {
    let provider = WebhookProvider::ALL[usize::from(number) % WebhookProvider::ALL.len()];
    (
        provider,
        Secrets::new(provider, [SECRET]).expect("the secret is well-formed for each provider"),
    )
}

/// Asserts that a signed body always yields events, and that each event satisfies the invariants.
///
/// The first byte selects the provider. The other bytes are the body, which is signed here.
pub fn events(data: &[u8]) {
    let Some((number, body)) = data.split_first() else {
        return;
    };
    let (_, secrets) = select_provider(*number);
    let signing = Signing {
        now: NOW,
        message_id: "msg_1",
        notification_url: URL,
    };
    // The body has items, but no place for their signatures.
    let Ok(message) = payment_webhooks::sign(&secrets, Message::new(body), &signing) else {
        return;
    };
    let headers = message.header_pairs();
    let request = Request {
        headers: &headers,
        body: &message.body,
        now: NOW,
        notification_url: URL,
    };
    // The batch is too large or empty.
    let Ok(verified) = payment_webhooks::verify(&secrets, &request) else {
        return;
    };
    let events = payment_webhooks::events(&verified, &Deployment::new(Environment::Test));
    // An item of Adyen can have two meanings.
    assert!(!events.is_empty() && events.len() <= 2 * LARGEST_BATCH);
    for event in events {
        assert!((1..=200).contains(&event.event_id.len()));
        let paid = matches!(event.kind, PaymentEventKind::Paid { .. });
        assert!(!paid || event.transaction_id.is_some(), "{event:?}");
        let json = serde_json::to_string(&event).expect("events can be serialized");
        assert_eq!(
            serde_json::from_str::<PaymentEvent>(&json).expect("serialized events can be parsed"),
            event
        );
    }
}

/// Asserts that a request without the secret is never accepted.
///
/// The first byte selects the provider. A line end separates the signature header's value from the
/// body.
pub fn verify(data: &[u8]) {
    let Some((number, rest)) = data.split_first() else {
        return;
    };
    let (_, secrets) = select_provider(*number);
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let value = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let body = parts.next().unwrap_or_default();
    let mut headers: Vec<(&str, &str)> =
        HEADERS.iter().map(|name| (*name, value.as_str())).collect();
    headers.extend([
        ("webhook-timestamp", "1761000000"),
        ("svix-timestamp", "1761000000"),
    ]);
    for body in [body, rest] {
        let request = Request {
            headers: &headers,
            body,
            now: NOW,
            notification_url: URL,
        };
        assert!(payment_webhooks::verify(&secrets, &request).is_err());
    }
}
