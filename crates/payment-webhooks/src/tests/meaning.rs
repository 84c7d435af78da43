//! The translation of each provider's events.

use serde_json::json;

use super::*;
use domain::{
    DisputeStage::{Lost, Opened, Won},
    PaymentEventKind as Kind,
};

fn paid(minor: i64, code: &str, method: Option<&str>) -> Kind {
    Kind::Paid {
        amount: money(minor, code),
        payment_method: method.map(str::to_owned),
    }
}

fn attempt_failed(reason: &str) -> Kind {
    Kind::AttemptFailed {
        reason: reason.to_owned(),
    }
}

fn failed(reason: &str) -> Kind {
    Kind::Failed {
        reason: reason.to_owned(),
    }
}

fn refunded(amount: Money, refund_id: &str) -> Kind {
    Kind::Refunded {
        amount,
        refund_id: Some(refund_id.to_owned()),
    }
}

fn refund_failed(reason: &str, amount: Money, refund_id: &str) -> Kind {
    Kind::RefundFailed {
        reason: reason.to_owned(),
        amount: Some(amount),
        refund_id: Some(refund_id.to_owned()),
    }
}

fn ignored(event_type: &str) -> Kind {
    Kind::Ignored {
        event_type: event_type.to_owned(),
    }
}

fn unconfirmed(event_type: &str) -> Kind {
    Kind::Unconfirmed {
        event_type: event_type.to_owned(),
    }
}

fn stripe(event_type: &str, object: Value) -> PaymentEvent {
    read(
        WebhookProvider::Stripe,
        &json!({"id": "evt_1", "type": event_type, "data": {"object": object}}),
    )
}

/// Returns the order and the transaction of an event.
fn names(event: &PaymentEvent) -> (Option<&str>, Option<&str>) {
    (
        event.order_id.as_ref().map(OrderId::as_str),
        event.transaction_id.as_ref().map(TransactionId::as_str),
    )
}

#[test]
fn stripe_intents() {
    let intent = |more: Value| {
        let mut object = json!({
            "id": "pi_1", "amount": 1_999, "currency": "usd", "payment_method_types": ["card"],
            "metadata": {"order_id": "ORD-1", "payment_id": "pmt-1"},
        });
        object
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        object
    };
    for (event_type, object, kind) in [
        (
            "succeeded",
            intent(json!({"amount_received": 1_999})),
            paid(1_999, "USD", Some("card")),
        ),
        (
            "succeeded",
            intent(json!({"amount_received": 999})),
            paid(999, "USD", Some("card")),
        ),
        (
            "succeeded",
            intent(json!({"currency": "jpy"})),
            paid(1_999, "JPY", Some("card")),
        ),
        (
            "succeeded",
            intent(json!({"payment_method_types": ["card", "link"]})),
            paid(1_999, "USD", None),
        ),
        (
            "payment_failed",
            intent(
                json!({"last_payment_error": {"decline_code": "insufficient_funds", "message": "Your card …"}}),
            ),
            attempt_failed("insufficient_funds"),
        ),
        (
            "payment_failed",
            intent(json!({"last_payment_error": {"code": "expired_card"}})),
            attempt_failed("expired_card"),
        ),
        (
            "payment_failed",
            intent(json!({"last_payment_error": {"code": "x".repeat(99)}})),
            attempt_failed("payment_failed"),
        ),
        (
            "canceled",
            intent(json!({"cancellation_reason": "abandoned"})),
            failed("abandoned"),
        ),
        (
            "canceled",
            intent(json!({"cancellation_reason": null})),
            failed("canceled"),
        ),
        ("processing", intent(json!({})), Kind::Processing),
        (
            "created",
            intent(json!({})),
            ignored("payment_intent.created"),
        ),
    ] {
        let event = stripe(&format!("payment_intent.{event_type}"), object);
        assert_eq!(event.kind, kind);
        assert_eq!(names(&event), (Some("ORD-1"), Some("pi_1")));
        assert_eq!(event.payment_id.unwrap().as_str(), "pmt-1");
        assert_eq!(event.event_id, "evt_1");
    }
}

#[test]
fn stripe_checkout_sessions_are_paid_only_when_they_say_so() {
    let session = |status: &str, mode: &str| {
        json!({
            "id": "cs_1", "mode": mode, "payment_intent": "pi_1", "client_reference_id": "ORD-1", "amount_total": 1_999,
            "currency": "usd", "payment_status": status, "metadata": {},
        })
    };
    for (event_type, object, kind) in [
        (
            "completed",
            session("paid", "payment"),
            paid(1_999, "USD", None),
        ),
        (
            "completed",
            session("no_payment_required", "payment"),
            paid(1_999, "USD", None),
        ),
        ("completed", session("unpaid", "payment"), Kind::Processing),
        (
            "completed",
            session("no_payment_required", "setup"),
            ignored("checkout.session.completed"),
        ),
        (
            "async_payment_succeeded",
            session("paid", "payment"),
            paid(1_999, "USD", None),
        ),
        (
            "async_payment_failed",
            session("unpaid", "payment"),
            attempt_failed("async_payment_failed"),
        ),
        (
            "expired",
            session("unpaid", "payment"),
            failed("session_expired"),
        ),
    ] {
        let event = stripe(&format!("checkout.session.{event_type}"), object);
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("pi_1")));
    }
    let odd = stripe("checkout.session.completed", session("later", "payment"));
    assert!(matches!(odd.kind, Kind::Unreadable { .. }));
}

#[test]
fn an_intent_and_its_session_are_one_transaction() {
    let session = json!({
        "id": "cs_1", "payment_intent": {"id": "pi_1"}, "payment_status": "paid", "amount_total": 5, "currency": "eur",
        "metadata": {"order_id": "ORD-1"}, "client_reference_id": "ORD-2",
    });
    let event = stripe("checkout.session.completed", session);
    assert_eq!(names(&event), (Some("ORD-1"), Some("pi_1")));
}

#[test]
fn stripe_refunds_and_disputes() {
    let refund = |status: &str| json!({"id": "re_1", "amount": 500, "currency": "usd", "payment_intent": "pi_1", "charge": "ch_1", "status": status});
    let dispute = |status: &str| json!({"id": "dp_1", "amount": 1_999, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1", "status": status});
    let charge = json!({
        "id": "ch_1", "amount": 1_999, "amount_refunded": 700, "currency": "usd", "payment_intent": "pi_1",
    });
    for (event_type, object, kind) in [
        (
            "charge.refunded",
            charge,
            Kind::Refunded {
                amount: usd(700),
                refund_id: None,
            },
        ),
        (
            "refund.created",
            refund("succeeded"),
            refunded(usd(500), "re_1"),
        ),
        (
            "refund.created",
            refund("pending"),
            ignored("refund.created"),
        ),
        (
            "refund.updated",
            refund("failed"),
            refund_failed("refund_failed", usd(500), "re_1"),
        ),
        (
            "refund.failed",
            refund("failed"),
            refund_failed("refund_failed", usd(500), "re_1"),
        ),
        (
            "charge.refund.updated",
            refund("succeeded"),
            refunded(usd(500), "re_1"),
        ),
        (
            "charge.dispute.created",
            dispute("needs_response"),
            Kind::Disputed { stage: Opened },
        ),
        (
            "charge.dispute.closed",
            dispute("won"),
            Kind::Disputed { stage: Won },
        ),
        (
            "charge.dispute.closed",
            dispute("lost"),
            Kind::Disputed { stage: Lost },
        ),
        (
            "charge.dispute.funds_withdrawn",
            dispute("lost"),
            ignored("charge.dispute.funds_withdrawn"),
        ),
    ] {
        let event = stripe(event_type, object);
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (None, Some("pi_1")), "{event_type}");
    }
}

fn adyen(more: Value) -> PaymentEvent {
    let mut item = json!({
        "pspReference": "P1", "merchantReference": "ORD-1", "merchantAccountCode": "Shop",
        "amount": {"value": 1_999, "currency": "EUR"}, "success": "true", "paymentMethod": "visa",
    });
    item.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    read(
        WebhookProvider::Adyen,
        &json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}),
    )
}

#[test]
fn adyen_codes() {
    let amount = || money(1_999, "EUR");
    for (code, success, kind) in [
        ("AUTHORISATION", "true", paid(1_999, "EUR", None)),
        ("AUTHORISATION", "false", attempt_failed("refused")),
        ("CAPTURE", "true", paid(1_999, "EUR", None)),
        ("CAPTURE", "false", attempt_failed("capture_refused")),
        ("CAPTURE_FAILED", "true", failed("capture_failed")),
        ("CANCELLATION", "true", failed("cancelled")),
        ("CANCELLATION", "false", ignored("CANCELLATION")),
        ("CANCEL_OR_REFUND", "true", refunded(amount(), "P1")),
        ("REFUND", "true", refunded(amount(), "P1")),
        (
            "REFUND",
            "false",
            refund_failed("refund_refused", amount(), "P1"),
        ),
        (
            "REFUND_FAILED",
            "true",
            refund_failed("refund_failed", amount(), "P1"),
        ),
        (
            "NOTIFICATION_OF_CHARGEBACK",
            "true",
            Kind::Disputed { stage: Opened },
        ),
        ("CHARGEBACK", "true", Kind::Disputed { stage: Opened }),
        ("CHARGEBACK_REVERSED", "true", Kind::Disputed { stage: Won }),
        ("SECOND_CHARGEBACK", "true", Kind::Disputed { stage: Lost }),
        ("REPORT_AVAILABLE", "true", ignored("REPORT_AVAILABLE")),
        ("A_CODE_OF_TOMORROW", "true", ignored("A_CODE_OF_TOMORROW")),
    ] {
        let original = if code == "AUTHORISATION" {
            json!({})
        } else {
            json!({"originalReference": "P0"})
        };
        let mut more = json!({"eventCode": code, "success": success});
        more.as_object_mut()
            .unwrap()
            .extend(original.as_object().unwrap().clone());
        let event = adyen(more);
        assert_eq!(event.kind, kind, "{code} {success}");
        let payment = if code == "AUTHORISATION" { "P1" } else { "P0" };
        assert_eq!(names(&event), (Some("ORD-1"), Some(payment)), "{code}");
        assert_eq!(event.event_id, format!("{code}:P1:{success}"));
    }
}

#[test]
fn adyen_amounts_have_adyens_decimals() {
    let amount = |value: i64, currency: &str| {
        adyen(
            json!({"eventCode": "AUTHORISATION", "amount": {"value": value, "currency": currency}}),
        )
    };
    assert_eq!(amount(1_000, "ISK").kind, paid(10, "ISK", None));
    assert_eq!(amount(1_000, "IDR").kind, paid(100_000, "IDR", None));
    assert!(matches!(amount(1_001, "CLP").kind, Kind::Unreadable { .. }));
    assert!(matches!(amount(1_000, "XXX").kind, Kind::Unreadable { .. }));
    assert_eq!(amount(0, "EUR").kind, ignored("AUTHORISATION"));
}

#[test]
fn another_notification_of_adyen_is_no_payment() {
    let event = read(
        WebhookProvider::Adyen,
        &json!({"type": "merchant.created", "environment": "test"}),
    );
    assert_eq!(event.kind, ignored("merchant.created"));
    assert!(event.event_id.starts_with("sha256-"));
}

fn standard(event_type: &str, amount: &str) -> PaymentEvent {
    let body = format!(
        r#"{{"type": "{event_type}", "timestamp": "2026-11-21T12:00:00Z", "data": {{"order_id": "ORD-1",
            "transaction_id": "tx_1", "amount": {amount}, "currency": "USD", "payment_method": "card"}}}}"#
    );
    told(
        WebhookProvider::Standard,
        &signed_body(WebhookProvider::Standard, body),
    )
    .unwrap()
    .remove(0)
}

#[test]
fn standard_events_have_decimal_amounts() {
    for (event_type, amount, kind) in [
        (
            "payment.succeeded",
            "199.99",
            paid(19_999, "USD", Some("card")),
        ),
        (
            "payment.succeeded",
            "\"199.99\"",
            paid(19_999, "USD", Some("card")),
        ),
        (
            "payment.succeeded",
            "199",
            paid(19_900, "USD", Some("card")),
        ),
        ("payment.failed", "199.99", attempt_failed("payment_failed")),
        ("payment.refunded", "10.5", refunded(usd(1_050), "msg_1")),
        (
            "payment.disputed",
            "199.99",
            Kind::Disputed { stage: Opened },
        ),
        ("user.created", "1", ignored("user.created")),
    ] {
        let event = standard(event_type, amount);
        assert_eq!(event.kind, kind, "{event_type} {amount}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("tx_1")));
        assert_eq!(event.event_id, "msg_1");
    }
    for amount in [
        "199.999",
        "1e2",
        "-1",
        "null",
        "{}",
        "\"\"",
        "\"1,99\"",
        "1.0000000000000001",
        "999999999999999999",
    ] {
        assert!(
            matches!(
                standard("payment.succeeded", amount).kind,
                Kind::Unreadable { .. }
            ),
            "{amount}"
        );
    }
}

#[test]
fn square_payments_are_paid_when_completed() {
    let square = |event_type: &str, name: &str, object: Value| {
        read(
            WebhookProvider::Square,
            &json!({"type": event_type, "event_id": "e1", "data": {"object": {name: object}}}),
        )
    };
    let payment = |status: &str| {
        json!({
            "id": "sq_1", "reference_id": "ORD-1", "status": status, "source_type": "CARD",
            "amount_money": {"amount": 1_999, "currency": "USD"}, "tip_money": {"amount": 100, "currency": "USD"},
        })
    };
    for (status, kind) in [
        ("COMPLETED", paid(1_999, "USD", Some("CARD"))),
        ("APPROVED", Kind::Processing),
        ("FAILED", attempt_failed("failed")),
        ("CANCELED", attempt_failed("canceled")),
    ] {
        let event = square("payment.updated", "payment", payment(status));
        assert_eq!(event.kind, kind, "{status}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("sq_1")));
        assert_eq!(event.event_id, "e1");
    }
    let refund = json!({"id": "r1", "payment_id": "sq_1", "status": "COMPLETED", "amount_money": {"amount": 5, "currency": "USD"}});
    let event = square("refund.updated", "refund", refund);
    assert_eq!(
        (event.kind.clone(), names(&event)),
        (refunded(usd(5), "r1"), (None, Some("sq_1")))
    );
    let dispute = json!({"id": "d1", "state": "LOST", "disputed_payment": {"payment_id": "sq_1"}});
    let event = square("dispute.state.updated", "dispute", dispute);
    assert_eq!(
        (event.kind.clone(), names(&event)),
        (Kind::Disputed { stage: Lost }, (None, Some("sq_1")))
    );
    assert_eq!(
        square("catalog.version.updated", "x", json!({})).kind,
        ignored("catalog.version.updated")
    );
}

#[test]
fn checkout_events() {
    for (event_type, kind) in [
        ("payment_captured", paid(1_999, "USD", None)),
        ("payment_declined", attempt_failed("declined")),
        ("payment_approved", Kind::Processing),
        ("payment_voided", failed("voided")),
        ("payment_refunded", refunded(usd(1_999), "evt_1")),
        (
            "payment_refund_declined",
            refund_failed("refund_declined", usd(1_999), "evt_1"),
        ),
        ("dispute_won", Kind::Disputed { stage: Won }),
        ("card_verified", ignored("card_verified")),
    ] {
        let data = json!({"id": "pay_1", "payment_id": "pay_1", "reference": "ORD-1", "amount": 1_999, "currency": "USD"});
        let event = read(
            WebhookProvider::Checkout,
            &json!({"id": "evt_1", "type": event_type, "data": data}),
        );
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("pay_1")));
    }
}

#[test]
fn three_providers_confirm_nothing_by_themselves() {
    let mollie = read(
        WebhookProvider::Mollie,
        &json!({"resource": "event", "id": "event_1", "type": "payment-link.paid", "entityId": "pl_1"}),
    );
    assert_eq!(
        (mollie.kind.clone(), mollie.event_id.as_str()),
        (unconfirmed("payment-link.paid"), "event_1")
    );
    assert_eq!(names(&mollie), (None, Some("pl_1")));
    let older = read(
        WebhookProvider::Mollie,
        &json!({"id": "tr_1", "event_type": "payment-link.paid"}),
    );
    assert_eq!(
        (older.event_id.as_str(), names(&older)),
        ("payment-link.paid:tr_1", (None, Some("tr_1")))
    );

    let body = json!({"events": [
        {"id": "EV1", "resource_type": "payments", "action": "confirmed", "links": {"payment": "PM1"},
            "resource_metadata": {"order_id": "ORD-1"}},
        {"id": "EV2", "resource_type": "mandates", "action": "created", "links": {"mandate": "MD1"}},
    ]});
    let events = told(
        WebhookProvider::GoCardless,
        &signed_body(WebhookProvider::GoCardless, body.to_string()),
    )
    .unwrap();
    assert_eq!(events[0].kind, unconfirmed("payments.confirmed"));
    assert_eq!(names(&events[0]), (Some("ORD-1"), Some("PM1")));
    assert_eq!(
        (events[1].event_id.as_str(), names(&events[1])),
        ("EV2", (None, None))
    );

    let mut shopify = signed_body(
        WebhookProvider::Shopify,
        r#"{"id": 820982911946154508, "total_price": "199.00"}"#,
    );
    shopify
        .headers
        .push(("x-shopify-topic", "orders/paid".to_owned()));
    shopify
        .headers
        .push(("x-shopify-event-id", "e-1".to_owned()));
    let event = told(WebhookProvider::Shopify, &shopify).unwrap().remove(0);
    assert_eq!(
        (event.kind.clone(), event.event_id.as_str()),
        (unconfirmed("orders/paid"), "e-1")
    );
    assert_eq!(names(&event), (None, Some("820982911946154508")));
}

#[test]
fn a_payment_that_names_no_transaction_is_not_taken() {
    let event = stripe(
        "payment_intent.succeeded",
        json!({"amount": 1, "currency": "usd", "metadata": {"order_id": "ORD-1"}}),
    );
    assert!(matches!(event.kind, Kind::Unreadable { .. }), "{event:?}");
}

#[test]
fn a_reference_that_is_no_order_id_names_no_order() {
    for reference in ["", "an order", "ORD/1", "ü", &"x".repeat(65)] {
        let event = adyen(json!({"eventCode": "AUTHORISATION", "merchantReference": reference}));
        assert_eq!(event.order_id, None, "{reference}");
        assert!(matches!(event.kind, Kind::Paid { .. }));
    }
}

#[test]
fn a_card_number_in_a_field_for_words_is_dropped() {
    let body = json!({"type": "payment.succeeded", "data": {
        "order_id": "ORD-1", "transaction_id": "tx_1", "amount": 1, "currency": "USD",
        "payment_method": "4111 1111 1111 1111",
    }});
    assert_eq!(
        read(WebhookProvider::Standard, &body).kind,
        paid(100, "USD", None)
    );
}

/// The samples of `orderflow webhook send` translate into the requested kind of event.
#[test]
fn each_sample_says_what_it_is_a_sample_of() {
    for provider in WebhookProvider::ALL {
        for kind in SampleKind::ALL {
            let Some(message) = sampled(*provider, kind, usd(1_999)) else {
                assert!(*provider == WebhookProvider::Mollie && kind != SampleKind::Paid);
                continue;
            };
            let event = told(*provider, &message).unwrap().remove(0);
            if !matches!(event.kind, Kind::Unconfirmed { .. }) {
                let expected = match (kind, &event.kind) {
                    (SampleKind::Paid, Kind::Paid { amount, .. })
                    | (SampleKind::Refunded, Kind::Refunded { amount, .. }) => {
                        *amount == usd(1_999)
                    }
                    (SampleKind::Failed, Kind::AttemptFailed { .. }) => true,
                    (SampleKind::Disputed, Kind::Disputed { stage }) => *stage == Opened,
                    _ => false,
                };
                assert!(expected, "{provider} {kind:?} {event:?}");
                assert_eq!(event.transaction_id.unwrap().as_str(), "tx_1");
            }
            let by_transaction = *provider == WebhookProvider::Square
                && matches!(kind, SampleKind::Refunded | SampleKind::Disputed);
            assert_eq!(
                event.order_id.is_some(),
                !by_transaction,
                "{provider} {kind:?}"
            );
        }
    }
}
