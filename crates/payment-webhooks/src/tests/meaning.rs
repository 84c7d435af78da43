//! The translation of each provider's events.

use serde_json::json;

use super::*;
use crate::AdyenCapture;
use domain::{
    DisputeStage::{self, Closed, Lost, Opened, Won},
    PaymentEventKind as Kind, PaymentWarning,
};

fn paid(minor: i64, code: &str, method: Option<&str>) -> Kind {
    Kind::Paid {
        amount: money(minor, code),
        payment_method: method.map(str::to_owned),
        capture_id: None,
        refunded: None,
    }
}

fn captured(amount: Money, capture_id: &str) -> Kind {
    Kind::Paid {
        amount,
        payment_method: None,
        capture_id: Some(capture_id.to_owned()),
        refunded: None,
    }
}

fn authorised(amount: Money, method: Option<&str>, captured: bool) -> Kind {
    Kind::Authorised {
        amount,
        payment_method: method.map(str::to_owned),
        captured,
    }
}

fn capture_failed(reason: &str, amount: Money, capture_id: &str, refused: bool) -> Kind {
    Kind::CaptureFailed {
        reason: reason.to_owned(),
        amount: Some(amount),
        capture_id: Some(capture_id.to_owned()),
        refused,
    }
}

fn disputed(stage: DisputeStage, dispute_id: &str, amount: Option<Money>) -> Kind {
    Kind::Disputed {
        stage,
        dispute_id: Some(dispute_id.to_owned()),
        amount,
        undefended: false,
    }
}

fn undefended(dispute_id: &str, amount: Option<Money>) -> Kind {
    Kind::Disputed {
        stage: Lost,
        dispute_id: Some(dispute_id.to_owned()),
        amount,
        undefended: true,
    }
}

fn warning(warning: PaymentWarning, warning_id: &str) -> Kind {
    Kind::Warning {
        warning,
        warning_id: Some(warning_id.to_owned()),
    }
}

fn attempt_failed(reason: &str) -> Kind {
    Kind::AttemptFailed {
        reason: reason.to_owned(),
    }
}

fn voided(reason: &str) -> Kind {
    Kind::Voided {
        reason: reason.to_owned(),
    }
}

fn refunded(amount: Money, refund_id: &str) -> Kind {
    Kind::Refunded {
        amount,
        refund_id: Some(refund_id.to_owned()),
    }
}

/// A sum of refunds.
fn refunded_so_far(amount: Money) -> Kind {
    Kind::Refunded {
        amount,
        refund_id: None,
    }
}

fn refund_failed(reason: &str, amount: Money, refund_id: Option<&str>) -> Kind {
    Kind::RefundFailed {
        reason: reason.to_owned(),
        amount: Some(amount),
        refund_id: refund_id.map(str::to_owned),
    }
}

fn ignored(event_type: &str) -> Kind {
    Kind::Ignored {
        event_type: event_type.to_owned(),
        reason: None,
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
            voided("abandoned"),
        ),
        (
            "canceled",
            intent(json!({"cancellation_reason": null})),
            voided("canceled"),
        ),
        (
            "amount_capturable_updated",
            intent(json!({"amount_capturable": 1_999, "amount_received": 0})),
            authorised(usd(1_999), Some("card"), false),
        ),
        (
            "succeeded",
            intent(json!({"amount_received": 500_000, "currency": "ugx"})),
            paid(5_000, "UGX", Some("card")),
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
            session("no_payment_required", "subscription"),
            Kind::CompletedUnpaid {
                reason: "no_payment_required".to_owned(),
                amount: Some(usd(1_999)),
            },
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
            voided("session_expired"),
        ),
    ] {
        let event = stripe(&format!("checkout.session.{event_type}"), object);
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("pi_1")));
    }
    let odd = stripe("checkout.session.completed", session("later", "payment"));
    assert!(matches!(odd.kind, Kind::Unreadable { .. }));
}

fn aliases(event: &PaymentEvent) -> Vec<&str> {
    event.aliases.iter().map(TransactionId::as_str).collect()
}

#[test]
fn best_id_of_a_stripe_payment_is_its_transaction() {
    let money = json!({"amount_total": 5, "amount_paid": 5, "amount_received": 5, "amount": 5, "currency": "eur"});
    for (event_type, object, transaction, others) in [
        (
            "checkout.session.completed",
            json!({"id": "cs_1", "payment_intent": {"id": "pi_1"}, "payment_status": "paid"}),
            "pi_1",
            &["cs_1"][..],
        ),
        (
            "checkout.session.completed",
            json!({"id": "cs_1", "payment_intent": null, "invoice": "in_1", "payment_status": "paid"}),
            "in_1",
            &["cs_1"],
        ),
        (
            "checkout.session.completed",
            json!({"id": "cs_1", "payment_status": "paid"}),
            "cs_1",
            &[],
        ),
        (
            "payment_intent.succeeded",
            json!({"id": "pi_1", "invoice": "in_1", "latest_charge": "ch_1"}),
            "pi_1",
            &["in_1", "ch_1"],
        ),
        (
            "invoice.paid",
            json!({"id": "in_1", "payment_intent": "pi_1"}),
            "pi_1",
            &["in_1"],
        ),
        (
            "invoice.paid",
            json!({"id": "in_1", "payments": {"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]}}),
            "pi_1",
            &["in_1"],
        ),
        ("invoice.paid", json!({"id": "in_1"}), "in_1", &[]),
        (
            "invoice_payment.paid",
            json!({"id": "inpay_1", "invoice": "in_1", "payment": {"type": "payment_intent", "payment_intent": "pi_1"}}),
            "pi_1",
            &["in_1"],
        ),
        (
            "charge.succeeded",
            json!({"id": "ch_1", "payment_intent": null, "invoice": "in_1"}),
            "ch_1",
            &["in_1"],
        ),
    ] {
        let mut body = money.clone();
        body.as_object_mut()
            .unwrap()
            .extend(object.as_object().unwrap().clone());
        let event = stripe(event_type, body);
        assert_eq!(event.kind, paid(5, "EUR", None), "{event_type}");
        assert_eq!(names(&event), (None, Some(transaction)), "{event_type}");
        assert_eq!(aliases(&event), others, "{event_type}");
    }
    let both = stripe(
        "checkout.session.completed",
        json!({"id": "cs_1", "metadata": {"order_id": "ORD-1"}, "client_reference_id": "ORD-2"}),
    );
    assert_eq!(names(&both), (Some("ORD-1"), Some("cs_1")));
}

#[test]
fn session_without_intent_ends_only_itself() {
    let event = stripe(
        "checkout.session.expired",
        json!({"id": "cs_1", "payment_intent": null, "client_reference_id": "ORD-1"}),
    );
    assert_eq!(event.kind, voided("session_expired"));
    assert_eq!(names(&event), (Some("ORD-1"), Some("cs_1")));
    assert!(event.aliases.is_empty());
}

#[test]
fn stripe_invoice_pays_only_with_one_payment_at_stripe() {
    let invoice = |more: Value| {
        let mut object = json!({
            "id": "in_1", "amount_paid": 5_000, "currency": "usd", "payment_intent": "pi_1",
            "metadata": {"order_id": "ORD-1"},
        });
        object
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        stripe("invoice.paid", object)
    };
    let event = invoice(json!({}));
    assert_eq!(event.kind, paid(5_000, "USD", None));
    assert_eq!(names(&event), (Some("ORD-1"), Some("pi_1")));
    assert_eq!(
        invoice(json!({"paid_out_of_band": true})).kind,
        unconfirmed("invoice.paid")
    );
    assert_eq!(
        invoice(json!({"payments": {"data": [{}, {}]}})).kind,
        unconfirmed("invoice.paid")
    );
    assert!(matches!(
        invoice(json!({"amount_paid": 0})).kind,
        Kind::CompletedUnpaid { .. }
    ));
}

#[test]
fn stripe_charge_without_intent_is_a_payment() {
    let charge = |event_type: &str, more: Value| {
        let mut object = json!({
            "id": "ch_1", "amount": 5_000, "currency": "usd", "payment_intent": null,
            "metadata": {"order_id": "ORD-1"}, "payment_method_details": {"type": "card"},
        });
        object
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        stripe(event_type, object)
    };
    let method = Some("card");
    for (event_type, more, kind) in [
        (
            "charge.succeeded",
            json!({"captured": true}),
            paid(5_000, "USD", method),
        ),
        ("charge.succeeded", json!({}), paid(5_000, "USD", method)),
        (
            "charge.succeeded",
            json!({"captured": false, "amount_captured": 0}),
            authorised(usd(5_000), method, false),
        ),
        (
            "charge.captured",
            json!({"amount_captured": 2_000}),
            paid(2_000, "USD", method),
        ),
        (
            "charge.failed",
            json!({"failure_code": "card_declined"}),
            attempt_failed("card_declined"),
        ),
        ("charge.expired", json!({}), voided("charge_expired")),
        ("charge.pending", json!({}), Kind::Processing),
    ] {
        let event = charge(event_type, more.clone());
        assert_eq!(event.kind, kind, "{event_type} {more}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("ch_1")));
        let of_intent = charge(event_type, json!({"payment_intent": "pi_1"}));
        assert_eq!(of_intent.kind, ignored(event_type));
    }
}

#[test]
fn released_rest_of_stripe_capture_is_no_refund() {
    // 50.00 were authorised and 20.00 captured, so Stripe counts 30.00 as refunded.
    let charge = |event_type: &str, captured: i64, refunded: i64| {
        stripe(
            event_type,
            json!({
                "id": "ch_1", "amount": 5_000, "amount_captured": captured, "amount_refunded": refunded,
                "currency": "usd", "payment_intent": null, "captured": true,
            }),
        )
        .kind
    };
    for (captured, refunded, expected) in [
        (5_000, 700, 700),
        (2_000, 3_700, 700),
        (2_000, 5_000, 2_000),
    ] {
        assert_eq!(
            charge("charge.refunded", captured, refunded),
            refunded_so_far(usd(expected)),
            "{captured} {refunded}"
        );
    }
    for (captured, refunded) in [(2_000, 3_000), (0, 5_000), (2_000, 0)] {
        let kind = charge("charge.refunded", captured, refunded);
        assert!(matches!(kind, Kind::Ignored { .. }), "{kind:?}");
    }
    for (refunded, expected) in [(3_000, None), (3_700, Some(usd(700))), (0, None)] {
        assert_eq!(
            charge("charge.captured", 2_000, refunded),
            Kind::Paid {
                amount: usd(2_000),
                payment_method: None,
                capture_id: None,
                refunded: expected,
            }
        );
    }
    let expired = json!({
        "id": "re_1", "amount": 5_000, "currency": "usd", "charge": "ch_1", "status": "succeeded",
        "reason": "expired_uncaptured_charge",
    });
    assert_eq!(
        stripe("refund.created", expired).kind,
        ignored("refund.created")
    );
}

#[test]
fn thin_stripe_event_is_unconfirmed() {
    let thin = |event_type: &str, id: &str| {
        read(
            WebhookProvider::Stripe,
            &json!({
                "id": "evt_1", "object": "v2.core.event", "type": event_type,
                "related_object": {"id": id, "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
            }),
        )
    };
    let event = thin("v1.payment_intent.succeeded", "pi_1");
    assert_eq!(event.kind, unconfirmed("v1.payment_intent.succeeded"));
    assert_eq!(names(&event), (None, Some("pi_1")));
    assert_eq!(
        thin("v1.billing.meter.error", "mtr_1").kind,
        ignored("v1.billing.meter.error")
    );
    assert_eq!(
        thin("v2.core.account.updated", "acct_1").kind,
        ignored("v2.core.account.updated")
    );
}

#[test]
fn stripe_warnings_hold_the_payment() {
    for (event_type, object, kind) in [
        (
            "radar.early_fraud_warning.created",
            json!({"id": "issfr_1", "charge": "ch_1", "payment_intent": "pi_1"}),
            warning(PaymentWarning::Fraud, "issfr_1"),
        ),
        (
            "review.opened",
            json!({"id": "prv_1", "charge": "ch_1", "payment_intent": "pi_1", "reason": "rule"}),
            warning(PaymentWarning::ReviewOpened, "prv_1"),
        ),
        (
            "review.closed",
            json!({"id": "prv_1", "payment_intent": "pi_1", "reason": "refunded_as_fraud"}),
            warning(PaymentWarning::ReviewClosed, "prv_1"),
        ),
    ] {
        let event = stripe(event_type, object);
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (None, Some("pi_1")));
    }
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
            refund_failed("refund_failed", usd(500), Some("re_1")),
        ),
        (
            "refund.failed",
            refund("failed"),
            refund_failed("refund_failed", usd(500), Some("re_1")),
        ),
        (
            "charge.refund.updated",
            refund("succeeded"),
            refunded(usd(500), "re_1"),
        ),
    ] {
        let event = stripe(event_type, object);
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (None, Some("pi_1")), "{event_type}");
    }
    for (event_type, status, stage) in [
        ("created", "needs_response", Opened),
        ("created", "warning_needs_response", Opened),
        ("updated", "under_review", Opened),
        ("updated", "warning_under_review", Opened),
        ("updated", "lost", Lost),
        ("funds_withdrawn", "needs_response", Opened),
        ("funds_reinstated", "won", Won),
        ("closed", "won", Won),
        ("closed", "lost", Lost),
        ("closed", "warning_closed", Won),
        ("closed", "prevented", Won),
        ("closed", "charge_refunded", Closed),
    ] {
        let event = stripe(&format!("charge.dispute.{event_type}"), dispute(status));
        assert_eq!(
            event.kind,
            disputed(stage, "dp_1", Some(usd(1_999))),
            "{event_type} {status}"
        );
        assert_eq!(names(&event), (None, Some("pi_1")));
    }
    let odd = stripe("charge.dispute.closed", dispute("later"));
    assert!(matches!(odd.kind, Kind::Unreadable { .. }));
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
        ("AUTHORISATION", "true", authorised(amount(), None, true)),
        ("AUTHORISATION", "false", attempt_failed("refused")),
        ("PENDING", "true", Kind::Processing),
        ("CAPTURE", "true", captured(amount(), "P1")),
        (
            "CAPTURE",
            "false",
            capture_failed("capture_refused", amount(), "P1", true),
        ),
        (
            "CAPTURE_FAILED",
            "true",
            capture_failed("capture_failed", amount(), "P1", false),
        ),
        ("CANCELLATION", "true", voided("cancelled")),
        ("CANCELLATION", "false", ignored("CANCELLATION")),
        ("TECHNICAL_CANCEL", "true", voided("technical_cancel")),
        ("EXPIRE", "true", voided("expired")),
        ("OFFER_CLOSED", "true", voided("offer_closed")),
        ("CANCEL_OR_REFUND", "true", refunded(amount(), "P1")),
        ("REFUND", "true", refunded(amount(), "P1")),
        (
            "REFUND",
            "false",
            refund_failed("refund_refused", amount(), Some("P1")),
        ),
        (
            "REFUND_FAILED",
            "true",
            refund_failed("refund_failed", amount(), Some("P1")),
        ),
        (
            "REFUNDED_REVERSED",
            "true",
            refund_failed("refund_reversed", amount(), None),
        ),
        (
            "VOID_PENDING_REFUND",
            "true",
            refund_failed("refund_voided", amount(), None),
        ),
        ("ORDER_OPENED", "true", ignored("ORDER_OPENED")),
        ("ORDER_CLOSED", "true", ignored("ORDER_CLOSED")),
        (
            "NOTIFICATION_OF_FRAUD",
            "true",
            warning(PaymentWarning::Fraud, "P0"),
        ),
        (
            "NOTIFICATION_OF_FRAUD",
            "",
            warning(PaymentWarning::Fraud, "P0"),
        ),
        (
            "NOTIFICATION_OF_FRAUD",
            "false",
            warning(PaymentWarning::Fraud, "P0"),
        ),
        (
            "MANUAL_REVIEW_ACCEPT",
            "true",
            warning(PaymentWarning::ReviewClosed, "P0"),
        ),
        ("A_CODE_OF_TOMORROW", "", ignored("A_CODE_OF_TOMORROW")),
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
fn adyen_disputes_have_rounds() {
    let amount = Some(money(1_999, "EUR"));
    for (code, kind) in [
        ("REQUEST_FOR_INFORMATION", disputed(Opened, "P0", amount)),
        ("NOTIFICATION_OF_CHARGEBACK", disputed(Opened, "P0", amount)),
        ("CHARGEBACK", disputed(Opened, "P0", amount)),
        ("INFORMATION_SUPPLIED", disputed(Opened, "P0", amount)),
        ("ISSUER_COMMENTS", disputed(Opened, "P0", amount)),
        ("CHARGEBACK_REVERSED", disputed(Won, "P0", amount)),
        (
            "ISSUER_RESPONSE_TIMEFRAME_EXPIRED",
            disputed(Won, "P0", amount),
        ),
        ("DISPUTE_DEFENSE_PERIOD_ENDED", undefended("P0", amount)),
        ("SECOND_CHARGEBACK", disputed(Lost, "P0#1", amount)),
        ("PREARBITRATION_OPENED", disputed(Opened, "P0#2", amount)),
        ("PREARBITRATION_ACCEPTED", disputed(Lost, "P0#2", amount)),
        ("PREARBITRATION_LOST", disputed(Lost, "P0#2", amount)),
        ("PREARBITRATION_WON", disputed(Won, "P0#2", amount)),
        ("SCHEME_ARBITRATION_LOST", disputed(Lost, "P0#3", amount)),
        ("SCHEME_ARBITRATION_WON", disputed(Won, "P0#3", amount)),
    ] {
        for success in ["true", ""] {
            let event =
                adyen(json!({"eventCode": code, "success": success, "originalReference": "P0"}));
            assert_eq!(event.kind, kind, "{code} {success}");
            assert_eq!(names(&event), (Some("ORD-1"), Some("P0")), "{code}");
        }
    }
}

#[test]
fn adyen_with_manual_capture_only_authorises() {
    let deployment = Deployment {
        adyen_capture: AdyenCapture::Manual,
        ..Deployment::new(Environment::Test)
    };
    let item = |code: &str, original: &str| {
        let item = json!({
            "pspReference": "P1", "originalReference": original, "merchantReference": "ORD-1",
            "merchantAccountCode": "Shop", "amount": {"value": 1_999, "currency": "EUR"},
            "success": "true", "eventCode": code,
        });
        let body =
            json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]});
        let message = signed_body(WebhookProvider::Adyen, body.to_string());
        told_to(&deployment, WebhookProvider::Adyen, &message).unwrap()
    };
    let amount = money(1_999, "EUR");
    let events = item("AUTHORISATION", "");
    assert_eq!(events[0].kind, authorised(amount, None, false));
    let events = item("CAPTURE", "P0");
    assert_eq!(events[0].kind, captured(amount, "P1"));
    // A cancel or a refund: both, because an unsigned field alone would tell them apart.
    let events = item("CANCEL_OR_REFUND", "P0");
    assert_eq!(events[0].kind, refunded(amount, "P1"));
    assert_eq!(events[1].kind, voided("cancelled_or_refunded"));
    assert_ne!(events[0].event_id, events[1].event_id);
}

#[test]
fn rejected_review_at_adyen_is_a_fraud_warning() {
    let item = json!({
        "pspReference": "P1", "merchantReference": "ORD-1", "merchantAccountCode": "Shop",
        "amount": {"value": 1_999, "currency": "EUR"}, "eventCode": "MANUAL_REVIEW_REJECT",
        "success": "true",
    });
    let body = json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]});
    let message = signed_body(WebhookProvider::Adyen, body.to_string());
    let kinds: Vec<_> = told(WebhookProvider::Adyen, &message)
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, [warning(PaymentWarning::Fraud, "P1")]);
}

#[test]
fn adyen_money_needs_success() {
    for code in ["AUTHORISATION", "CAPTURE", "REFUND", "EXPIRE"] {
        let event = adyen(json!({"eventCode": code, "success": "", "originalReference": "P0"}));
        assert!(matches!(event.kind, Kind::Unreadable { .. }), "{code}");
    }
}

#[test]
fn test_button_of_adyen_is_recorded_each_time() {
    let press = |date: &str, references: Value| {
        let mut more = json!({"eventCode": "AUTHORISATION", "eventDate": date});
        more.as_object_mut()
            .unwrap()
            .extend(references.as_object().unwrap().clone());
        adyen(more)
    };
    let references =
        json!({"pspReference": "test_AUTHORISATION_1", "merchantReference": "testMerchantRef1"});
    let first = press("2026-11-29T10:00:00+01:00", references.clone());
    let second = press("2026-11-29T10:00:05+01:00", references.clone());
    let repeated = press("2026-11-29T10:00:05+01:00", references);
    for event in [&first, &second] {
        assert_eq!(
            event.kind,
            Kind::Ignored {
                event_type: "AUTHORISATION".to_owned(),
                reason: Some("a test of Adyen's Customer Area".to_owned()),
            }
        );
    }
    assert_ne!(first.event_id, second.event_id);
    assert_eq!(second.event_id, repeated.event_id);
    for real in [
        json!({"pspReference": "test_1"}),
        json!({"merchantReference": "testMerchantRefA"}),
    ] {
        let event = press("", real);
        assert!(matches!(event.kind, Kind::Authorised { .. }), "{event:?}");
    }
}

#[test]
fn adyen_amounts_have_adyens_decimals() {
    let amount = |value: i64, currency: &str| {
        adyen(
            json!({"eventCode": "AUTHORISATION", "amount": {"value": value, "currency": currency}}),
        )
    };
    let authorised = |minor, code| authorised(money(minor, code), None, true);
    assert_eq!(amount(1_000, "ISK").kind, authorised(10, "ISK"));
    assert_eq!(amount(1_000, "IDR").kind, authorised(100_000, "IDR"));
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
        ("payment.refunded", "10.5", refunded_so_far(usd(1_050))),
        (
            "payment.authorized",
            "199.99",
            authorised(usd(19_999), Some("card"), false),
        ),
        ("payment.canceled", "199.99", voided("canceled")),
        ("payment.processing", "199.99", Kind::Processing),
        (
            "payment.returned",
            "199.99",
            Kind::Returned {
                amount: Some(usd(19_999)),
                return_id: Some("tx_1".to_owned()),
            },
        ),
        (
            "payment.disputed",
            "199.99",
            Kind::Disputed {
                stage: Opened,
                dispute_id: None,
                amount: Some(usd(19_999)),
                undefended: false,
            },
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
fn standard_events_name_their_parts() {
    let standard = |event_type: &str, more: Value| {
        let mut data = json!({
            "order_id": "ORD-1", "transaction_id": "tx_1", "amount": 10, "currency": "USD",
        });
        data.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        read(
            WebhookProvider::Standard,
            &json!({"type": event_type, "data": data}),
        )
        .kind
    };
    let ten = usd(1_000);
    for (event_type, more, kind) in [
        (
            "payment.captured",
            json!({"capture_id": "c1"}),
            captured(ten, "c1"),
        ),
        ("payment.captured", json!({}), paid(1_000, "USD", None)),
        (
            "payment.refunded",
            json!({"refund_id": "r1"}),
            refunded(ten, "r1"),
        ),
        (
            "payment.refund_failed",
            json!({"refund_id": "r1"}),
            refund_failed("refund_failed", ten, Some("r1")),
        ),
        (
            "payment.disputed",
            json!({"stage": "won", "dispute_id": "d1"}),
            disputed(Won, "d1", Some(ten)),
        ),
        (
            "payment.disputed",
            json!({"stage": "lost", "dispute_id": "d1"}),
            disputed(Lost, "d1", Some(ten)),
        ),
        (
            "payment.disputed",
            json!({"stage": "closed", "dispute_id": "d1"}),
            disputed(Closed, "d1", Some(ten)),
        ),
    ] {
        assert_eq!(
            standard(event_type, more.clone()),
            kind,
            "{event_type} {more}"
        );
    }
    for (event_type, more) in [
        ("payment.disputed", json!({"stage": "later"})),
        ("payment.refund_failed", json!({})),
    ] {
        assert!(
            matches!(standard(event_type, more), Kind::Unreadable { .. }),
            "{event_type}"
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
        ("APPROVED", authorised(usd(1_999), Some("CARD"), false)),
        ("PENDING", Kind::Processing),
        ("FAILED", voided("failed")),
        ("CANCELED", voided("canceled")),
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
    let mut completed = payment("COMPLETED");
    completed["refunded_money"] = json!({"amount": 1_999, "currency": "USD"});
    let event = square("payment.updated", "payment", completed);
    assert_eq!(
        event.kind,
        Kind::Paid {
            amount: usd(1_999),
            payment_method: Some("CARD".to_owned()),
            capture_id: None,
            refunded: Some(usd(1_999)),
        }
    );
    for (state, stage) in [
        ("INQUIRY_EVIDENCE_REQUIRED", Opened),
        ("INQUIRY_PROCESSING", Opened),
        ("INQUIRY_CLOSED", Closed),
        ("EVIDENCE_REQUIRED", Opened),
        ("PROCESSING", Opened),
        ("WON", Won),
        ("LOST", Lost),
        ("ACCEPTED", Lost),
    ] {
        let dispute = json!({
            "id": "d1", "state": state, "disputed_payment": {"payment_id": "sq_1"},
            "amount_money": {"amount": 5, "currency": "USD"},
        });
        for event_type in ["dispute.state.updated", "dispute.evidence.created"] {
            let event = square(event_type, "dispute", dispute.clone());
            assert_eq!(event.kind, disputed(stage, "d1", Some(usd(5))), "{state}");
            assert_eq!(names(&event), (None, Some("sq_1")));
        }
    }
    assert_eq!(
        square("catalog.version.updated", "x", json!({})).kind,
        ignored("catalog.version.updated")
    );
}

fn checkout(event_type: &str, data: Value) -> PaymentEvent {
    let mut all = json!({"reference": "ORD-1", "amount": 1_999, "currency": "USD"});
    all.as_object_mut()
        .unwrap()
        .extend(data.as_object().unwrap().clone());
    read(
        WebhookProvider::Checkout,
        &json!({"id": "evt_1", "type": event_type, "data": all}),
    )
}

#[test]
fn checkout_events() {
    let amount = || usd(1_999);
    for (event_type, kind) in [
        ("payment_captured", captured(amount(), "act_1")),
        ("payment_declined", attempt_failed("declined")),
        ("payment_approved", authorised(amount(), None, false)),
        ("payment_pending", Kind::Processing),
        ("payment_voided", voided("voided")),
        ("payment_canceled", voided("canceled")),
        ("payment_expired", voided("expired")),
        (
            "payment_capture_declined",
            capture_failed("capture_declined", amount(), "act_1", true),
        ),
        ("payment_refunded", refunded(amount(), "act_1")),
        (
            "payment_refund_declined",
            refund_failed("refund_declined", amount(), Some("act_1")),
        ),
        (
            "payment_returned",
            Kind::Returned {
                amount: Some(amount()),
                return_id: Some("act_1".to_owned()),
            },
        ),
        ("card_verified", ignored("card_verified")),
    ] {
        let event = checkout(event_type, json!({"id": "pay_1", "action_id": "act_1"}));
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("pay_1")));
    }
    for (event_type, kind) in [
        ("payment_captured", paid(1_999, "USD", None)),
        ("payment_refunded", refunded_so_far(amount())),
    ] {
        let event = checkout(event_type, json!({"id": "pay_1"}));
        assert_eq!(event.kind, kind, "{event_type} without an action");
    }
}

#[test]
fn checkout_disputes() {
    let amount = Some(usd(1_999));
    for (event_type, kind) in [
        ("received", disputed(Opened, "dsp_1", amount)),
        ("evidence_required", disputed(Opened, "dsp_1", amount)),
        ("evidence_submitted", disputed(Opened, "dsp_1", amount)),
        (
            "evidence_acknowledged_by_scheme",
            disputed(Opened, "dsp_1", amount),
        ),
        ("won", disputed(Won, "dsp_1", amount)),
        ("canceled", disputed(Won, "dsp_1", amount)),
        ("lost", disputed(Lost, "dsp_1", amount)),
        ("accepted", disputed(Lost, "dsp_1", amount)),
        ("expired", undefended("dsp_1", amount)),
        ("resolved", disputed(Closed, "dsp_1", amount)),
        (
            "arbitration_sent_to_scheme",
            disputed(Opened, "dsp_1#1", amount),
        ),
        ("arbitration_won", disputed(Won, "dsp_1#1", amount)),
        ("arbitration_lost", disputed(Lost, "dsp_1#1", amount)),
    ] {
        let event = checkout(
            &format!("dispute_{event_type}"),
            json!({"id": "dsp_1", "payment_id": "pay_1"}),
        );
        assert_eq!(event.kind, kind, "{event_type}");
        assert_eq!(names(&event), (Some("ORD-1"), Some("pay_1")));
    }
}

#[test]
fn gocardless_failures_are_recognisable() {
    for action in [
        "failed",
        "charged_back",
        "chargeback_cancelled",
        "late_failure_settled",
        "cancelled",
    ] {
        let body = json!({"events": [{
            "id": "EV1", "resource_type": "payments", "action": action,
            "links": {"payment": "PM1"}, "resource_metadata": {"order_id": "ORD-1"},
        }]});
        let event = read(WebhookProvider::GoCardless, &body);
        assert_eq!(event.kind, unconfirmed(&format!("payments.{action}")));
    }
}

#[test]
fn payment_of_zero_is_ignored() {
    for event in [
        checkout("payment_approved", json!({"id": "pay_1", "amount": 0})),
        standard("payment.succeeded", "0"),
    ] {
        assert!(matches!(event.kind, Kind::Ignored { .. }), "{event:?}");
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
        assert!(matches!(event.kind, Kind::Authorised { .. }));
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
