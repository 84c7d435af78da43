//! Attacks without a valid secret.

use serde_json::json;

use super::*;
use domain::PaymentEventKind;

const PAID: &str = r#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;

#[test]
fn a_signature_of_another_providers_scheme_is_none() {
    for signer in WebhookProvider::ALL {
        for receiver in WebhookProvider::ALL
            .iter()
            .filter(|receiver| *receiver != signer)
        {
            let message = signed_body(*signer, PAID);
            assert!(
                judged(*receiver, &message).is_err(),
                "{signer} for {receiver}"
            );
        }
    }
}

#[test]
fn without_a_signature_nothing_is_believed() {
    for provider in WebhookProvider::ALL {
        assert_eq!(
            judged(*provider, &Message::new(PAID)),
            Err(Rejection::Header),
            "{provider}"
        );
        let mut message = signed_body(*provider, PAID);
        for (_, value) in &mut message.headers {
            *value = "  ".to_owned();
        }
        assert_eq!(
            judged(*provider, &message),
            Err(Rejection::Header),
            "{provider}"
        );
    }
}

#[test]
fn a_wrong_key_is_refused_and_one_of_several_is_enough() {
    for provider in WebhookProvider::ALL {
        let other = match provider {
            WebhookProvider::Adyen => "00ff",
            WebhookProvider::Standard => "whsec_AAAA",
            WebhookProvider::Stripe
            | WebhookProvider::Square
            | WebhookProvider::Mollie
            | WebhookProvider::GoCardless
            | WebhookProvider::Checkout
            | WebhookProvider::Shopify => "another",
        };
        let message = signed_body(*provider, PAID);
        let verdict = |texts: &[&str]| {
            let secrets = Secrets::new(*provider, texts.iter().copied()).unwrap();
            with_request(&message, |request| verify(&secrets, request).map(|_| ()))
        };
        assert_eq!(verdict(&[other]), Err(Rejection::Signature), "{provider}");
        assert_eq!(verdict(&[other, secret(*provider)]), Ok(()), "{provider}");
        assert_eq!(verdict(&[secret(*provider), other]), Ok(()), "{provider}");
    }
}

#[test]
fn a_time_stamp_counts_to_the_second_both_ways() {
    for provider in [WebhookProvider::Stripe, WebhookProvider::Standard] {
        let message = signed_body(provider, PAID);
        for (now, expected) in [
            (NOW - 301, Err(Rejection::Timestamp)),
            (NOW - 300, Ok(())),
            (NOW + 300, Ok(())),
            (NOW + 301, Err(Rejection::Timestamp)),
            (i64::MIN, Err(Rejection::Timestamp)),
            (i64::MAX, Err(Rejection::Timestamp)),
        ] {
            let verdict = with_request(&message, |request| {
                verify(&secrets(provider), &Request { now, ..*request }).map(|_| ())
            });
            assert_eq!(verdict, expected, "{provider} {now}");
        }
    }
}

#[test]
fn what_is_badly_signed_has_no_time() {
    for provider in [WebhookProvider::Stripe, WebhookProvider::Standard] {
        let mut message = signed_body(provider, PAID);
        message.body.push(b' ');
        let verdict = with_request(&message, |request| {
            verify(
                &secrets(provider),
                &Request {
                    now: NOW + 999,
                    ..*request
                },
            )
            .map(|_| ())
        });
        assert_eq!(verdict, Err(Rejection::Signature), "{provider}");
    }
}

#[test]
fn there_is_one_way_to_write_a_signature() {
    for provider in [
        WebhookProvider::GoCardless,
        WebhookProvider::Checkout,
        WebhookProvider::Mollie,
    ] {
        let mut message = signed_body(provider, PAID);
        message.headers[0].1 = message.headers[0]
            .1
            .to_ascii_uppercase()
            .replace("SHA256=", "sha256=");
        assert_eq!(
            judged(provider, &message),
            Err(Rejection::Signature),
            "{provider}"
        );
    }
    for provider in [
        WebhookProvider::Square,
        WebhookProvider::Shopify,
        WebhookProvider::Standard,
    ] {
        let mut message = signed_body(provider, PAID);
        let signature = &mut message.headers.last_mut().unwrap().1;
        *signature = signature.trim_end_matches('=').to_owned();
        assert_eq!(
            judged(provider, &message),
            Err(Rejection::Signature),
            "{provider}"
        );
    }
}

#[test]
fn a_time_that_is_no_plain_number_is_no_time() {
    for time in [
        "",
        "+1761000000",
        "-1",
        "1761000000.0",
        "0x68",
        "1_761",
        " 1761000000",
        "9999999999999999",
        "१७",
    ] {
        let stripe = Message {
            headers: vec![("stripe-signature", format!("t={time},v1=00"))],
            body: PAID.into(),
        };
        assert_eq!(
            judged(WebhookProvider::Stripe, &stripe),
            Err(Rejection::Header),
            "{time:?}"
        );
        let mut standard = signed_body(WebhookProvider::Standard, PAID);
        time.clone_into(&mut standard.headers[1].1);
        let verdict = judged(WebhookProvider::Standard, &standard);
        // Spaces around a header value do not belong to the value.
        assert!(
            verdict == Err(Rejection::Header) || (verdict == Ok(()) && time.starts_with(' ')),
            "{time:?}"
        );
    }
}

#[test]
fn a_header_that_says_something_must_not_say_it_twice() {
    let stripe = signed_body(WebhookProvider::Stripe, PAID);
    let (name, value) = stripe.headers[0].clone();
    let twice = Message {
        headers: vec![(name, value.clone()), (name, value.clone())],
        ..stripe.clone()
    };
    assert_eq!(
        judged(WebhookProvider::Stripe, &twice),
        Err(Rejection::Header)
    );
    let two_times = Message {
        headers: vec![(name, format!("t=1,{value}"))],
        ..stripe
    };
    assert_eq!(
        judged(WebhookProvider::Stripe, &two_times),
        Err(Rejection::Header)
    );

    let standard = signed_body(WebhookProvider::Standard, PAID);
    for index in 0..2 {
        let mut twice = standard.clone();
        twice
            .headers
            .push((standard.headers[index].0, "other".to_owned()));
        assert_eq!(
            judged(WebhookProvider::Standard, &twice),
            Err(Rejection::Header)
        );
    }
}

#[test]
fn a_header_that_only_signs_may_come_once_for_each_key() {
    for provider in WebhookProvider::ALL
        .iter()
        .filter(|provider| **provider != WebhookProvider::Stripe)
    {
        let message = signed_body(*provider, r#"{"type":"x"}"#);
        let (name, value) = message.headers.last().unwrap().clone();
        let mut twice = message.clone();
        twice
            .headers
            .insert(0, (name, "v1,of-another-key".to_owned()));
        assert_eq!(judged(*provider, &twice), Ok(()), "{provider}");
        let bad = if *provider == WebhookProvider::Standard {
            "v1,0000"
        } else {
            "0000"
        };
        for joined in [
            format!("{value}, {bad}"),
            format!("{bad}, {value}"),
            format!("{bad}, {value}, {bad}"),
            format!("{value},{bad}"),
            format!("{bad},{value}"),
        ] {
            let mut message = message.clone();
            message.headers.last_mut().unwrap().1.clone_from(&joined);
            assert_eq!(judged(*provider, &message), Ok(()), "{provider} {joined}");
        }
    }
}

#[test]
fn joined_signatures_without_a_good_one_are_refused() {
    let message = signed_body(WebhookProvider::Standard, PAID);
    let good = message.headers[2].1.clone();
    let signature = good.strip_prefix("v1,").unwrap();
    for bad in [
        "v1,0000, v1,1111".to_owned(),
        format!("v1a,{signature}, v1,0000"),
        format!("v2,{signature}"),
        format!("v1 {signature}"),
        signature.to_owned(),
        format!("{signature},v1"),
        "v1,".to_owned(),
        ",".to_owned(),
    ] {
        let mut message = message.clone();
        message.headers[2].1.clone_from(&bad);
        assert_eq!(
            judged(WebhookProvider::Standard, &message),
            Err(Rejection::Signature),
            "{bad}"
        );
    }
}

#[test]
fn a_test_signature_of_stripe_is_none() {
    let mut message = signed_body(WebhookProvider::Stripe, PAID);
    message.headers[0].1 = message.headers[0].1.replace("v1=", "v0=");
    assert_eq!(
        judged(WebhookProvider::Stripe, &message),
        Err(Rejection::Signature)
    );
}

#[test]
fn the_names_of_svix_are_read_and_never_mixed_with_the_others() {
    let message = signed_body(WebhookProvider::Standard, PAID);
    let named = |names: [&'static str; 3]| {
        let headers = names
            .into_iter()
            .zip(&message.headers)
            .map(|(name, (_, value))| (name, value.clone()))
            .collect();
        judged(
            WebhookProvider::Standard,
            &Message {
                headers,
                body: message.body.clone(),
            },
        )
    };
    assert_eq!(
        named(["svix-id", "svix-timestamp", "svix-signature"]),
        Ok(())
    );
    assert_eq!(
        named(["webhook-id", "svix-timestamp", "svix-signature"]),
        Err(Rejection::Header)
    );
    assert_eq!(
        named(["svix-id", "svix-timestamp", "webhook-signature"]),
        Err(Rejection::Header)
    );
}

#[test]
fn mollies_signature_stands_with_and_without_its_prefix() {
    let mut message = signed_body(WebhookProvider::Mollie, PAID);
    assert!(message.headers[0].1.starts_with("sha256="));
    message.headers[0].1 = message.headers[0].1.replace("sha256=", "");
    assert_eq!(judged(WebhookProvider::Mollie, &message), Ok(()));
}

#[test]
fn square_signs_the_registered_url() {
    let message = signed_body(WebhookProvider::Square, PAID);
    for url in [
        None,
        Some("https://orders.example.com/webhooks/square/"),
        Some("http://orders.example.com/webhooks/square"),
    ] {
        let verdict = with_request(&message, |request| {
            verify(
                &secrets(WebhookProvider::Square),
                &Request {
                    notification_url: url,
                    ..*request
                },
            )
            .map(|_| ())
        });
        assert_eq!(verdict, Err(Rejection::Signature), "{url:?}");
    }
}

#[test]
fn the_names_of_headers_have_no_case() {
    let message = signed_body(WebhookProvider::Checkout, PAID);
    let headers = [("CKO-Signature", message.headers[0].1.as_str())];
    let verdict = with_request(&message, |request| {
        verify(
            &secrets(WebhookProvider::Checkout),
            &Request {
                headers: &headers,
                ..*request
            },
        )
        .map(|_| ())
    });
    assert_eq!(verdict, Ok(()));
}

#[test]
fn what_is_signed_and_no_json_is_an_event_that_can_not_be_read() {
    let deep = "[".repeat(100_000);
    for body in [
        &b""[..],
        b"\xff\xfe",
        b"null",
        b"id=tr_1",
        b"{",
        b"[]",
        deep.as_bytes(),
    ] {
        for provider in WebhookProvider::ALL {
            let events = told(*provider, &signed_body(*provider, body)).unwrap();
            assert_eq!(events.len(), 1);
            let event = &events[0];
            assert!(
                matches!(
                    event.kind,
                    PaymentEventKind::Unreadable { .. }
                        | PaymentEventKind::Ignored { .. }
                        | PaymentEventKind::Unconfirmed { .. }
                ),
                "{event:?}"
            );
            assert!(!event.event_id.is_empty());
        }
    }
}

#[test]
fn a_body_of_ten_megabytes_is_judged_like_any_other() {
    let body = json!({"type": "x", "padding": "x".repeat(10 << 20)}).to_string();
    let mut message = signed_body(WebhookProvider::Stripe, body);
    assert_eq!(told(WebhookProvider::Stripe, &message).unwrap().len(), 1);
    message.body.pop();
    assert_eq!(
        judged(WebhookProvider::Stripe, &message),
        Err(Rejection::Signature)
    );
}

#[test]
fn a_hundred_thousand_signatures_hide_none_and_make_none() {
    let mut message = signed_body(WebhookProvider::Stripe, PAID);
    let flood = "v1=00,".repeat(100_000);
    message.headers[0].1.insert_str(0, &flood);
    assert_eq!(judged(WebhookProvider::Stripe, &message), Ok(()));
    message.headers[0].1 = format!("t={NOW},{flood}");
    assert_eq!(
        judged(WebhookProvider::Stripe, &message),
        Err(Rejection::Signature)
    );
}

#[test]
fn a_repeat_that_is_signed_afresh_is_the_same_event() {
    for provider in WebhookProvider::ALL {
        let Some(message) = sampled(*provider, SampleKind::Paid, usd(1_999)) else {
            continue;
        };
        let body = Message {
            headers: Vec::new(),
            ..message.clone()
        };
        let unsigned = message
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-shopify-webhook"))
            .cloned();
        let body = Message {
            headers: unsigned.collect(),
            ..body
        };
        let later = Signing {
            now: NOW + 200,
            message_id: "msg_1",
            notification_url: Some(URL),
        };
        let again = sign(&secrets(*provider), body, &later).unwrap();
        let id = |message| told(*provider, message).unwrap()[0].event_id.clone();
        assert_eq!(id(&message), id(&again), "{provider}");
    }
}

#[test]
fn nothing_that_is_printed_has_a_secret_or_a_body() {
    for provider in WebhookProvider::ALL {
        let message = signed_body(*provider, r#"{"type":"x","secret":"4111111111111111"}"#);
        let printed = with_request(&message, |request| {
            let secrets = secrets(*provider);
            let verified = verify(&secrets, request).unwrap();
            let events = events(&verified, &Deployment::new(Environment::Test));
            format!(
                "{secrets:?} {verified:?} {events:?} {:?}",
                serde_json::to_string(&events)
            )
        });
        assert!(!printed.contains(secret(*provider)), "{printed}");
        assert!(!printed.contains("4111"), "{printed}");
    }
}
