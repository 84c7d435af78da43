//! What is signed is told, whatever it is, and nothing is told that must not be.
//!
//! The first byte picks the provider, the others are the body, which is signed here.

#![no_main]

use domain::{PaymentEvent, PaymentEventKind, WebhookProvider};
use libfuzzer_sys::fuzz_target;
use webhooks::{Environment, Message, Request, Secrets, Signing, events, sign, verify};

const SECRET: &str = "a7f5f35426b927411fc9231b56382173a7f5f35426b927411fc9231b56382173";
const NOW: i64 = 1_761_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((number, body)) = data.split_first() else { return };
    let provider = WebhookProvider::ALL[usize::from(*number) % WebhookProvider::ALL.len()];
    let secrets = Secrets::new(provider, [SECRET]).expect("it is well-formed for each of them");
    let url = Some("https://orders.example.com/webhooks/square");
    let signing = Signing { now: NOW, message_id: "msg_1", notification_url: url };
    let Ok(message) = sign(&secrets, Message::new(body), &signing) else { return };
    let headers = message.header_pairs();
    let request = Request { headers: &headers, body: &message.body, now: NOW, notification_url: url };
    // Too large a batch, or none.
    let Ok(verified) = verify(&secrets, &request) else { return };
    let told = events(&verified, Environment::Test);
    assert!(!told.is_empty() && told.len() <= webhooks::LARGEST_BATCH);
    for event in told {
        assert!((1..=200).contains(&event.event_id.len()));
        if matches!(event.kind, PaymentEventKind::Paid { .. }) {
            assert!(event.transaction_id.is_some());
        }
        let json = serde_json::to_string(&event).expect("an event is JSON");
        assert_eq!(serde_json::from_str::<PaymentEvent>(&json).expect("what we wrote can be read"), event);
    }
});
