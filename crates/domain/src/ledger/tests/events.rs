//! Tests of the movements that payment events report.

use super::*;
use crate::{TransactionId, WebhookProvider};

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::parse("USD").unwrap()).unwrap()
}

pub(super) fn event(kind: PaymentEventKind) -> PaymentEvent {
    PaymentEvent {
        provider: WebhookProvider::Standard,
        event_id: "evt".to_owned(),
        order_id: None,
        transaction_id: TransactionId::parse("T1").ok(),
        aliases: Vec::new(),
        customer: None,
        payment_id: None,
        kind,
    }
}

fn movements(kind: PaymentEventKind) -> Vec<Movement> {
    event(kind).movements(Currency::parse("USD").unwrap())
}

#[test]
fn each_event_reports_its_movement() {
    let id = |text: &str| Some(text.to_owned());
    let reason = String::new;
    let paid = |capture_id, refunded| PaymentEventKind::Paid {
        amount: usd(500),
        payment_method: None,
        capture_id,
        refunded,
    };
    let authorised = |captured| PaymentEventKind::Authorised {
        amount: usd(500),
        payment_method: None,
        captured,
    };
    let capture_failed = |capture_id, refused| PaymentEventKind::CaptureFailed {
        reason: reason(),
        amount: Some(usd(500)),
        capture_id,
        refused,
    };
    let refund_failed = |refund_id| PaymentEventKind::RefundFailed {
        reason: reason(),
        amount: Some(usd(500)),
        refund_id,
    };
    let disputed = |stage, dispute_id, undefended| PaymentEventKind::Disputed {
        stage,
        dispute_id,
        amount: None,
        undefended,
    };
    let warning = |warning, warning_id| PaymentEventKind::Warning {
        warning,
        warning_id,
    };
    for (kind, expected, reference, amount) in [
        (paid(id("ch_1"), None), Captured, "ch_1", Some(500)),
        (paid(None, None), CapturedTotal, "evt", Some(500)),
        (paid(None, Some(usd(0))), CapturedTotal, "evt", Some(500)),
        (authorised(false), Authorised, "evt", Some(500)),
        (authorised(true), AutoCaptured, "evt", Some(500)),
        (
            PaymentEventKind::Voided { reason: reason() },
            Voided,
            "evt",
            None,
        ),
        (
            capture_failed(id("ch_1"), false),
            CaptureFailed,
            "ch_1",
            Some(500),
        ),
        (capture_failed(None, true), CaptureRefused, "evt", Some(500)),
        (
            PaymentEventKind::Refunded {
                amount: usd(200),
                refund_id: id("re_1"),
            },
            Refunded,
            "re_1",
            Some(200),
        ),
        (
            PaymentEventKind::Refunded {
                amount: usd(200),
                refund_id: None,
            },
            RefundedTotal,
            "evt",
            Some(200),
        ),
        (refund_failed(id("re_1")), RefundFailed, "re_1", Some(500)),
        (refund_failed(None), RefundReversed, "evt", Some(500)),
        (
            PaymentEventKind::Returned {
                amount: None,
                return_id: id("r_1"),
            },
            Returned,
            "r_1",
            None,
        ),
        (
            disputed(DisputeStage::Opened, id("d_1"), false),
            DisputeOpened,
            "d_1",
            None,
        ),
        (
            disputed(DisputeStage::Closed, None, false),
            DisputeClosed,
            "",
            None,
        ),
        (
            disputed(DisputeStage::Won, None, true),
            DisputeWon,
            "",
            None,
        ),
        (
            disputed(DisputeStage::Lost, None, false),
            DisputeLost,
            "",
            None,
        ),
        (
            disputed(DisputeStage::Lost, None, true),
            DisputeUndefended,
            "",
            None,
        ),
        (
            warning(PaymentWarning::Fraud, id("issfr_1")),
            FraudWarning,
            "issfr_1",
            None,
        ),
        (
            warning(PaymentWarning::ReviewOpened, id("prv_1")),
            ReviewOpened,
            "prv_1",
            None,
        ),
        (
            warning(PaymentWarning::ReviewClosed, None),
            ReviewClosed,
            "",
            None,
        ),
        (
            PaymentEventKind::Resolved {
                concern: "returned".to_owned(),
                note: String::new(),
                operator: None,
            },
            Resolved,
            "returned",
            None,
        ),
    ] {
        let expected = vec![Movement::new(expected, reference, amount)];
        assert_eq!(movements(kind.clone()), expected, "{kind:?}");
    }
}

#[test]
fn payment_reports_its_refunds_too() {
    let kind = PaymentEventKind::Paid {
        amount: usd(500),
        payment_method: None,
        capture_id: None,
        refunded: Some(usd(200)),
    };
    let expected = [
        Movement::new(CapturedTotal, "evt", Some(500)),
        Movement::new(RefundedTotal, "evt", Some(200)),
    ];
    assert_eq!(movements(kind), expected);
}

#[test]
fn amount_in_another_currency_is_not_counted() {
    let euros = Currency::parse("EUR").unwrap();
    let paid = PaymentEventKind::Paid {
        amount: usd(500),
        payment_method: None,
        capture_id: None,
        refunded: None,
    };
    let authorised = PaymentEventKind::Authorised {
        amount: usd(500),
        payment_method: None,
        captured: true,
    };
    let refunded = PaymentEventKind::Refunded {
        amount: usd(500),
        refund_id: None,
    };
    for kind in [paid, authorised, refunded] {
        assert_eq!(event(kind.clone()).movements(euros), [], "{kind:?}");
    }
    let returned = PaymentEventKind::Returned {
        amount: Some(usd(500)),
        return_id: None,
    };
    assert_eq!(
        event(returned).movements(euros),
        [Movement::new(Returned, "evt", None)]
    );
    let partly = PaymentEventKind::Paid {
        amount: usd(500),
        payment_method: None,
        capture_id: None,
        refunded: Some(Money::from_minor(200, euros).unwrap()),
    };
    assert_eq!(
        movements(partly),
        [Movement::new(CapturedTotal, "evt", Some(500))]
    );
}

#[test]
fn event_without_money_has_no_movement() {
    let reason = String::new;
    for kind in [
        PaymentEventKind::AttemptFailed { reason: reason() },
        PaymentEventKind::Processing,
        PaymentEventKind::CompletedUnpaid {
            reason: reason(),
            amount: Some(usd(500)),
        },
        PaymentEventKind::Unconfirmed {
            event_type: reason(),
        },
        PaymentEventKind::Ignored {
            event_type: reason(),
            reason: None,
        },
        PaymentEventKind::Unreadable { reason: reason() },
    ] {
        assert_eq!(movements(kind.clone()), [], "{kind:?}");
    }
}
