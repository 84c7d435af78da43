//! Adyen's batches: all items are accepted, or none.

use serde_json::json;

use super::*;
use crate::LARGEST_BATCH;
use domain::{PaymentEventKind, PaymentWarning};

const ADYEN: WebhookProvider = WebhookProvider::Adyen;

fn item(reference: &str, order: &str) -> Value {
    json!({"NotificationRequestItem": {
        "pspReference": reference, "merchantReference": order, "merchantAccountCode": "Shop",
        "amount": {"value": 1_999, "currency": "EUR"}, "eventCode": "AUTHORISATION", "success": "true",
    }})
}

fn batch(items: impl IntoIterator<Item = Value>) -> Value {
    let body = json!({"live": "false", "notificationItems": items.into_iter().collect::<Vec<_>>()});
    serde_json::from_slice(&signed_body(ADYEN, body.to_string()).body).unwrap()
}

fn verdict(body: &Value) -> Result<Vec<PaymentEvent>, Rejection> {
    told(ADYEN, &Message::new(body.to_string()))
}

fn field<'v>(body: &'v mut Value, index: usize, name: &str) -> &'v mut Value {
    &mut body["notificationItems"][index]["NotificationRequestItem"][name]
}

#[test]
fn each_item_is_an_event() {
    let events = verdict(&batch([item("P1", "ORD-1"), item("P2", "ORD-2")])).unwrap();
    let orders: Vec<_> = events
        .iter()
        .map(|event| event.order_id.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(orders, ["ORD-1", "ORD-2"]);
    assert_eq!(events[1].event_id, "AUTHORISATION:P2:true");
}

#[test]
fn one_bad_item_refuses_the_whole_batch_wherever_it_stands() {
    for bad in 0..3 {
        let mut body = batch([
            item("P1", "ORD-1"),
            item("P2", "ORD-2"),
            item("P3", "ORD-3"),
        ]);
        *field(&mut body, bad, "merchantReference") = json!("ORD-9");
        assert_eq!(verdict(&body).unwrap_err(), Rejection::Signature, "{bad}");
        field(&mut body, bad, "additionalData").take();
        assert_eq!(verdict(&body).unwrap_err(), Rejection::Header, "{bad}");
    }
}

#[test]
fn a_batch_of_nothing_is_not_signed() {
    for body in [
        json!({"live": "false", "notificationItems": []}),
        json!({"notificationItems": {}}),
        json!({}),
        json!(1),
    ] {
        assert_eq!(verdict(&body).unwrap_err(), Rejection::Header, "{body}");
    }
    for item in [
        json!({}),
        json!(null),
        json!({"NotificationRequestItem": []}),
    ] {
        let body = json!({"live": "false", "notificationItems": [item]});
        assert_eq!(verdict(&body).unwrap_err(), Rejection::Header, "{body}");
    }
}

#[test]
fn items_need_their_signatures_though_the_whole_body_is_signed() {
    let body = json!({"live": "false", "notificationItems": [item("P1", "ORD-1")]});
    let mut whole = signed_body(ADYEN, json!({"type": "merchant.created"}).to_string());
    assert_eq!(whole.headers.len(), 1);
    whole.body = body.to_string().into_bytes();
    assert_eq!(told(ADYEN, &whole).unwrap_err(), Rejection::Header);
}

#[test]
fn the_same_item_twice_is_one_event() {
    let events = verdict(&batch([
        item("P1", "ORD-1"),
        item("P1", "ORD-1"),
        item("P1", "ORD-1"),
    ]))
    .unwrap();
    assert_eq!(events.len(), 1);
}

#[test]
fn a_batch_larger_than_any_provider_sends_is_refused() {
    let many = |count: usize| batch((0..count).map(|index| item(&format!("P{index}"), "ORD-1")));
    assert_eq!(verdict(&many(LARGEST_BATCH)).unwrap().len(), LARGEST_BATCH);
    assert_eq!(
        verdict(&many(LARGEST_BATCH + 1)).unwrap_err(),
        Rejection::Signature
    );
}

#[test]
fn what_comes_from_the_other_system_is_not_applied() {
    let mut body = batch([item("P1", "ORD-1")]);
    for live in [json!("true"), json!(true), json!(null), json!("yes")] {
        body["live"] = live;
        let event = verdict(&body).unwrap().remove(0);
        assert!(
            matches!(
                event.kind,
                PaymentEventKind::Ignored {
                    reason: Some(_),
                    ..
                }
            ),
            "{event:?}"
        );
    }
    body["live"] = json!(false);
    assert!(matches!(
        verdict(&body).unwrap()[0].kind,
        PaymentEventKind::Authorised { captured: true, .. }
    ));
}

#[test]
fn nothing_unsigned_is_believed() {
    let mut body = batch([item("P1", "ORD-1")]);
    let before = verdict(&body).unwrap();
    *field(&mut body, 0, "paymentMethod") = json!("mc");
    *field(&mut body, 0, "reason") = json!("4111111111111111");
    *field(&mut body, 0, "eventDate") = json!("1999-01-01");
    field(&mut body, 0, "additionalData")["modification.action"] = json!("refund");
    assert_eq!(verdict(&body).unwrap(), before);
}

/// Fields are not escaped, so the account `Shop:ORD-1` with a reference, and the account `Shop`
/// with the reference `ORD-1:…`, have the same signed text.
#[test]
fn a_colon_can_not_be_moved_to_another_field() {
    let mut body = batch([item("P1", "ORD-1:1")]);
    assert_eq!(verdict(&body).unwrap()[0].order_id, None);
    *field(&mut body, 0, "merchantAccountCode") = json!("Shop:ORD-1");
    *field(&mut body, 0, "merchantReference") = json!("1");
    let event = verdict(&body).unwrap().remove(0);
    assert_eq!(event.order_id, None);
    assert!(
        matches!(event.kind, PaymentEventKind::Unreadable { .. }),
        "{event:?}"
    );
}

#[test]
fn colon_of_an_ignored_item_does_not_matter() {
    let mut report = item("settlement_detail_report:2026-11-29 10:00:00.csv", "");
    report["NotificationRequestItem"]["eventCode"] = json!("REPORT_AVAILABLE");
    report["NotificationRequestItem"]["success"] = json!("");
    let event = verdict(&batch([report])).unwrap().remove(0);
    assert!(
        matches!(event.kind, PaymentEventKind::Ignored { reason: None, .. }),
        "{event:?}"
    );
}

#[test]
fn review_at_adyen_is_a_second_event() {
    let mut reviewed = item("P1", "ORD-1");
    reviewed["NotificationRequestItem"]["additionalData"] = json!({"fraudManualReview": "true"});
    let events = verdict(&batch([reviewed])).unwrap();
    assert!(matches!(
        events[0].kind,
        PaymentEventKind::Authorised { .. }
    ));
    assert!(matches!(
        events[1].kind,
        PaymentEventKind::Warning {
            warning: PaymentWarning::ReviewOpened,
            ..
        }
    ));
    assert_ne!(events[0].event_id, events[1].event_id);
}

#[test]
fn numbers_and_texts_are_signed_as_they_are_written() {
    let mut body = batch([item("P1", "ORD-1")]);
    field(&mut body, 0, "amount")["value"] = json!("1999");
    *field(&mut body, 0, "success") = json!(true);
    assert!(verdict(&body).is_ok());
    field(&mut body, 0, "amount")["value"] = json!(1999.0);
    assert_eq!(verdict(&body).unwrap_err(), Rejection::Signature);
}
