//! Properties of every body, every key and every bit.

use proptest::{collection::vec, prelude::*};

use super::*;
use domain::PaymentEventKind;

fn provider() -> impl Strategy<Value = WebhookProvider> {
    proptest::sample::select(WebhookProvider::ALL)
}

/// Flips one bit of one byte.
fn flip(bytes: &mut [u8], at: prop::sample::Index, bit: u8) {
    let index = at.index(bytes.len());
    bytes[index] ^= 1 << bit;
}

proptest! {
    #[test]
    fn what_is_signed_holds(provider in provider(), body in vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(judged(provider, &signed_body(provider, body)), Ok(()));
    }

    /// No signed body results in an event that exceeds its limits.
    #[test]
    fn what_is_signed_can_always_be_told(provider in provider(), body in vec(any::<u8>(), 0..400)) {
        let events = told(provider, &signed_body(provider, body)).unwrap();
        prop_assert_eq!(events.len(), 1);
        prop_assert!(events[0].offered_money().is_none());
    }

    #[test]
    fn a_changed_bit_of_the_body_is_refused(
        provider in provider(),
        body in vec(any::<u8>(), 1..400),
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut message = signed_body(provider, body);
        flip(&mut message.body, at, bit);
        prop_assert!(judged(provider, &message).is_err());
    }

    #[test]
    fn a_changed_bit_of_what_signs_is_refused(
        provider in provider(),
        header: prop::sample::Index,
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut message = signed_body(provider, "{}");
        let value = &mut header.get::<(&str, String)>(&message.headers.clone()).clone();
        let mut bytes = value.1.clone().into_bytes();
        flip(&mut bytes, at, bit);
        // A header that is not text never reaches the verifier.
        if let Ok(text) = String::from_utf8(bytes) {
            // Mollie's prefix is optional.
            prop_assume!(!(provider == WebhookProvider::Mollie && at.index(value.1.len()) < "sha256=".len()));
            for header in message.headers.iter_mut().filter(|header| header.0 == value.0) {
                header.1.clone_from(&text);
            }
            prop_assert!(judged(provider, &message).is_err(), "{}", text);
        }
    }

    /// Adyen signs only some fields of an item. A change of another field has no effect.
    #[test]
    fn a_changed_bit_of_an_adyen_item_is_refused_or_changes_nothing(at: prop::sample::Index, bit in 0_u8..8) {
        let mut message = sampled(WebhookProvider::Adyen, SampleKind::Paid, usd(1_999)).unwrap();
        let before = told(WebhookProvider::Adyen, &message).unwrap();
        flip(&mut message.body, at, bit);
        if let Ok(after) = told(WebhookProvider::Adyen, &message) {
            // `live` is not signed.
            let foreign = matches!(after[0].kind, PaymentEventKind::Ignored { reason: Some(_), .. });
            prop_assert!(foreign || after == before, "{:?}", after);
        }
    }

    #[test]
    fn an_amount_is_told_as_it_was_paid(
        provider in provider(),
        minor in 1..=Money::LARGEST,
        code in proptest::sample::select(&["USD", "JPY", "KWD", "ISK", "UGX", "IDR", "MGA"][..]),
    ) {
        let amount = money(minor, code);
        if let Some(message) = sampled(provider, SampleKind::Paid, amount) {
            let kind = told(provider, &message).unwrap().remove(0).kind;
            let unconfirmed = matches!(kind, PaymentEventKind::Unconfirmed { .. });
            let told = matches!(
                kind,
                PaymentEventKind::Paid { amount: told, .. }
                    | PaymentEventKind::Authorised { amount: told, captured: true, .. }
                    if told == amount
            );
            prop_assert!(unconfirmed || told, "{:?}", kind);
        }
    }
}
