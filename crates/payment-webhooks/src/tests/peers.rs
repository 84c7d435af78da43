//! Comparison with the reference library of Standard Webhooks. tests/webhook-sdks compares with the
//! providers' Python SDKs.

use proptest::{collection::vec, prelude::*};
use standardwebhooks::Webhook;

use super::*;

/// The library always uses the system clock.
fn present() -> i64 {
    i64::try_from(
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs(),
    )
    .unwrap()
}

proptest! {
    #[test]
    fn the_standard_crate_signs_as_we_do(
        key in vec(any::<u8>(), 1..64),
        id in "[A-Za-z0-9_-]{1,40}",
        body in any::<String>(),
        now in 0_i64..4_000_000_000,
    ) {
        let text = format!("whsec_{}", data_encoding::BASE64.encode(&key));
        let secrets = Secrets::parse(WebhookProvider::Standard, &text).unwrap();
        let signing = Signing { now, message_id: &id, notification_url: None };
        let message = sign(&secrets, Message::new(body), &signing).unwrap();
        let theirs = Webhook::new(&text).unwrap().sign(&id, now, &message.body).unwrap();
        prop_assert_eq!(&message.headers[2].1, &theirs);
    }

    #[test]
    fn the_standard_crate_judges_as_we_do(
        body in "[ -~]{1,300}",
        changed in 0_usize..6,
        at in 0_usize..44,
        age in -290_i64..290,
    ) {
        let provider = WebhookProvider::Standard;
        let now = present();
        let age = match changed {
            4 => age - 1_000,
            5 => age + 1_000,
            _ => age,
        };
        let signing = Signing { now: now - age, message_id: "msg_1", notification_url: None };
        let mut message = sign(&secrets(provider), Message::new(body), &signing).unwrap();
        match changed {
            1 => message.body.push(b' '),
            2 => message.headers[0].1.push('x'),
            3 => {
                let mut bytes = message.headers[2].1.clone().into_bytes();
                let index = "v1,".len() + at;
                bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
                message.headers[2].1 = String::from_utf8(bytes).unwrap();
            }
            _ => {}
        }
        let headers =
            message.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let theirs = Webhook::new(secret(provider)).unwrap().verify(&message.body, &headers);
        let ours = with_request(&message, |request| {
            verify(&secrets(provider), &Request { now, ..*request }).map(|_| ())
        });
        prop_assert_eq!(theirs.is_ok(), ours.is_ok(), "{:?} {:?}", theirs, ours);
        prop_assert_eq!(ours.is_ok(), changed == 0);
    }
}
