//! Nobody without a secret is let in, whatever the body and the header are.
//!
//! The first byte picks the provider; a line end divides the value of the signature's header from the body.

#![no_main]

use domain::WebhookProvider;
use libfuzzer_sys::fuzz_target;
use webhooks::{Request, Secrets, verify};

/// Nobody can sign with it who has only the input.
const SECRET: &str = "a7f5f35426b927411fc9231b56382173a7f5f35426b927411fc9231b56382173";
const HEADERS: [&str; 9] = [
    "stripe-signature",
    "hmacsignature",
    "webhook-signature",
    "webhook-id",
    "x-square-hmacsha256-signature",
    "x-mollie-signature",
    "cko-signature",
    "x-shopify-hmac-sha256",
    "svix-id",
];

fuzz_target!(|data: &[u8]| {
    let Some((number, rest)) = data.split_first() else { return };
    let provider = WebhookProvider::ALL[usize::from(*number) % WebhookProvider::ALL.len()];
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let value = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let body = parts.next().unwrap_or_default();
    let mut headers: Vec<(&str, &str)> = HEADERS.iter().map(|name| (*name, value.as_str())).collect();
    headers.push(("webhook-timestamp", "1761000000"));
    let secrets = Secrets::new(provider, [SECRET]).expect("it is well-formed for each of them");
    for body in [body, rest] {
        let request =
            Request { headers: &headers, body, now: 1_761_000_000, notification_url: Some("https://x.example") };
        assert!(verify(&secrets, &request).is_err());
    }
});
