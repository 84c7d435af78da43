//! Disputes, warnings of fraud and reviews: their states, and the hold of an order before dispatch.

use serde_json::json;

use super::{
    PAYING,
    events::{Payer, Raw, TOTAL, adyen, checkout, run_cases, square, stripe},
    start_shop,
};
use crate::harness::Harness;
use domain::WebhookProvider::{self, Adyen, Checkout, Square, Standard, Stripe};

const BEFORE_DISPATCH: &[(&str, &str)] = &[("SHIPPING_DELAY", "10m")];

type Report = fn(&Payer<'_>) -> Raw;

/// Sequences of states of one dispute in a provider's vocabulary, with the state that must remain and
/// the entries of the work list.
const SEQUENCES: &[(WebhookProvider, &[&str], &str, &[&str])] = &[
    // PAY-36: the end is reported before the begin.
    (
        Stripe,
        &["lost", "needs_response"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Stripe, &["won", "needs_response"], "won", &[]),
    (
        Stripe,
        &["lost", "under_review"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Adyen, &["CHARGEBACK_REVERSED", "CHARGEBACK"], "won", &[]),
    (
        Adyen,
        &["SECOND_CHARGEBACK", "CHARGEBACK"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Standard,
        &["lost", "opened"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Standard, &["won", "opened"], "won", &[]),
    (Standard, &["closed", "opened"], "closed", &[]),
    (
        Square,
        &["LOST", "EVIDENCE_REQUIRED"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Square, &["WON", "PROCESSING"], "won", &[]),
    (
        Checkout,
        &["lost", "received"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Checkout, &["won", "evidence_required"], "won", &[]),
    // PAY-36: a later loss replaces a provisional win, in either order of the reports.
    (
        Adyen,
        &["CHARGEBACK_REVERSED", "SECOND_CHARGEBACK"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Adyen,
        &["SECOND_CHARGEBACK", "CHARGEBACK_REVERSED"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Checkout,
        &["won", "arbitration_lost"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Checkout,
        &["arbitration_lost", "won"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    // PAY-37
    (
        Stripe,
        &["needs_response"],
        "opened",
        &["dispute_open 50.00"],
    ),
    (Stripe, &["needs_response", "prevented"], "won", &[]),
    (
        Stripe,
        &["warning_needs_response", "warning_closed"],
        "won",
        &[],
    ),
    (
        Stripe,
        &["needs_response", "charge_refunded"],
        "closed",
        &[],
    ),
    (
        Adyen,
        &["NOTIFICATION_OF_CHARGEBACK"],
        "opened",
        &["dispute_open 50.00"],
    ),
    (
        Adyen,
        &[
            "CHARGEBACK",
            "CHARGEBACK_REVERSED",
            "SCHEME_ARBITRATION_LOST",
        ],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Adyen, &["CHARGEBACK", "SCHEME_ARBITRATION_WON"], "won", &[]),
    (
        Adyen,
        &["CHARGEBACK", "PREARBITRATION_ACCEPTED"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Adyen, &["CHARGEBACK", "PREARBITRATION_WON"], "won", &[]),
    (
        Adyen,
        &["CHARGEBACK", "DISPUTE_DEFENSE_PERIOD_ENDED"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Adyen,
        &["CHARGEBACK_REVERSED", "DISPUTE_DEFENSE_PERIOD_ENDED"],
        "won",
        &[],
    ),
    (
        Adyen,
        &["DISPUTE_DEFENSE_PERIOD_ENDED", "CHARGEBACK_REVERSED"],
        "won",
        &[],
    ),
    (
        Square,
        &["EVIDENCE_REQUIRED"],
        "opened",
        &["dispute_open 50.00"],
    ),
    (
        Square,
        &["EVIDENCE_REQUIRED", "ACCEPTED"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Square,
        &["INQUIRY_EVIDENCE_REQUIRED", "INQUIRY_CLOSED"],
        "closed",
        &[],
    ),
    (Checkout, &["received"], "opened", &["dispute_open 50.00"]),
    (Checkout, &["received", "canceled"], "won", &[]),
    (Checkout, &["received", "resolved"], "closed", &[]),
    (
        Checkout,
        &["received", "accepted"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (
        Checkout,
        &["received", "expired"],
        "lost",
        &["dispute_lost 50.00"],
    ),
    (Checkout, &["expired", "won"], "won", &[]),
];

#[tokio::test]
async fn final_dispute_state_does_not_fall_back() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms"), ("RATE_LIMIT", "off")]).await;
    run_cases(
        SEQUENCES.iter(),
        async |(provider, states, last, entries)| {
            let payer = Payer::paid(&harness, *provider).await;
            payer.wait_for_end("delivered").await;
            for state in *states {
                let raw = payer.disputes(state);
                assert_eq!(
                    payer.send(&raw).await,
                    "recorded",
                    "{states:?} {}",
                    raw.body
                );
            }
            payer
                .wait_for_audit_count("payment_disputed", states.len())
                .await;
            let order = payer.order().await;
            assert_eq!(
                order["payment_info"]["dispute"], *last,
                "{provider} {states:?}"
            );
            assert_eq!(order["status"], "delivered");
            payer.wait_for_attention(entries).await;
            let books = if *last == "lost" {
                "captured: captured=5000 lost=5000"
            } else {
                "captured: captured=5000 allocated=5000"
            };
            payer.wait_for_books(books).await;
        },
    )
    .await;
    harness.assert_invariants().await;
}

/// PAY-38: events about B's transaction that name the open order A.
#[tokio::test]
async fn event_belongs_to_the_order_of_its_transaction() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms")]).await;
    run_cases(PAYING, async |provider| {
        let paid = Payer::paid(&harness, provider).await;
        paid.wait_for_end("delivered").await;
        let mut other = Payer::start(&harness, provider).await;
        let before = other.audit_kinds().await;
        other.transaction.clone_from(&paid.transaction);
        let dispute = match provider {
            Stripe => {
                let mut raw = other.disputes(other.opened());
                raw.body["data"]["object"]["metadata"] = json!({"order_id": other.order});
                raw
            }
            _ => other.disputes(other.opened()),
        };
        let mut refund = other.refunds("all", TOTAL);
        if provider == Stripe {
            refund.body["data"]["object"]["metadata"] = json!({"order_id": other.order});
        }
        for (raw, kind) in [
            (dispute, "payment_disputed"),
            (refund, "payment_refund_reported"),
        ] {
            assert_eq!(other.send(&raw).await, "recorded", "{}", raw.body);
            assert_eq!(paid.wait_for_audit_event(kind).await, 1, "{provider}");
        }
        let order = paid.order().await;
        assert_eq!(order["payment_info"]["dispute"], "opened", "{order}");
        assert_eq!(order["payment_info"]["status"], "refunded", "{order}");
        let order = other.order().await;
        assert_eq!(order["waiting_for"]["reason"], "payment", "{order}");
        assert_eq!(other.audit_kinds().await, before);
        other.wait_for_attention(&[]).await;
    })
    .await;
    harness.assert_invariants().await;
}

/// An early fraud warning of Stripe.
fn fraud_warning(payer: &Payer<'_>) -> Raw {
    match payer.provider {
        Stripe => stripe(
            "radar.early_fraud_warning.created",
            json!({
                "id": format!("issfr_{}", payer.transaction), "object": "radar.early_fraud_warning",
                "actionable": true, "payment_intent": payer.transaction, "fraud_type": "misc",
            }),
        ),
        _ => payer.adyen("NOTIFICATION_OF_FRAUD", "", 0),
    }
}

fn stripe_review(payer: &Payer<'_>, event_type: &str) -> Raw {
    stripe(
        event_type,
        json!({
            "id": format!("prv_{}", payer.transaction), "object": "review",
            "open": event_type == "review.opened", "payment_intent": payer.transaction, "reason": "rule",
        }),
    )
}

/// The reasons to hold an order, with the concern, and the event that removes the reason.
const HOLDS: &[(WebhookProvider, Report, &str, Report)] = &[
    (
        Stripe,
        |payer| payer.disputes(payer.opened()),
        "dispute_open",
        |payer| payer.disputes(payer.won()),
    ),
    (
        Adyen,
        |payer| payer.disputes(payer.opened()),
        "dispute_open",
        |payer| payer.disputes(payer.won()),
    ),
    (
        Standard,
        |payer| payer.disputes(payer.opened()),
        "dispute_open",
        |payer| payer.disputes(payer.won()),
    ),
    (
        Square,
        |payer| payer.disputes(payer.opened()),
        "dispute_open",
        |payer| payer.disputes(payer.won()),
    ),
    (
        Checkout,
        |payer| payer.disputes(payer.opened()),
        "dispute_open",
        |payer| payer.disputes(payer.won()),
    ),
    (
        Stripe,
        |payer| stripe_review(payer, "review.opened"),
        "review_open",
        |payer| stripe_review(payer, "review.closed"),
    ),
];

#[tokio::test]
async fn suspicion_before_dispatch_holds_order() {
    let harness = start_shop(BEFORE_DISPATCH).await;
    let released = run_cases(HOLDS.iter(), async |(provider, report, concern, settle)| {
        let payer = Payer::preparing(&harness, *provider).await;
        assert_eq!(payer.send(&report(&payer)).await, "recorded");
        payer.wait_for_hold().await;
        assert_eq!(payer.order().await["step"], "manual_review");
        payer
            .wait_for_attention(&[&format!("{concern} 50.00")])
            .await;
        // The reason is gone, so the order continues by itself.
        assert_eq!(payer.send(&settle(&payer)).await, "recorded");
        payer.wait_for_audit_event("payment_released").await;
        payer.wait_for_status("preparing").await;
        assert_eq!(
            payer.order().await["waiting_for"]["reason"],
            "shipping_delay"
        );
        payer.wait_for_attention(&[]).await;
    });
    let warnings: [(WebhookProvider, Report, &str); 2] = [
        (Stripe, fraud_warning, "fraud_warning"),
        (Adyen, fraud_warning, "fraud_warning"),
    ];
    let reasons: Vec<_> = HOLDS
        .iter()
        .map(|(provider, report, concern, _)| (*provider, *report, *concern))
        .chain(warnings)
        .collect();
    let decided = run_cases(reasons.iter(), async |(provider, report, concern)| {
        let entry = format!("{concern} 50.00");
        // A reviewer approves. The same reason does not hold the order again.
        let payer = Payer::preparing(&harness, *provider).await;
        assert_eq!(payer.send(&report(&payer)).await, "recorded");
        payer.wait_for_hold().await;
        payer.wait_for_attention(&[&entry]).await;
        let approved = payer.post("signals/approve").await;
        // ORD-36: the step after the decision.
        assert_eq!(approved["step"], "prepare", "{approved}");
        payer.wait_for_audit_event("payment_released").await;
        payer.wait_for_status("preparing").await;
        assert_eq!(payer.count_audit_events("review_approved").await, 1);
        assert_eq!(payer.count_audit_events("payment_held").await, 1);
        payer.wait_for_attention(&[&entry]).await;

        // A reviewer rejects.
        let payer = Payer::preparing(&harness, *provider).await;
        assert_eq!(payer.send(&report(&payer)).await, "recorded");
        payer.wait_for_hold().await;
        payer.post("signals/reject").await;
        payer.wait_for_end("cancelled").await;
        assert_eq!(payer.count_audit_events("review_rejected").await, 1);
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
        payer
            .wait_for_attention(&[&entry, "refund_due 50.00"])
            .await;
        // After the refund, a warning needs no decision. A dispute does: the bank can take the money, too.
        payer.send(&payer.refunds("all", TOTAL)).await;
        let is_dispute = *concern == "dispute_open";
        let left: &[&str] = if is_dispute { &[&entry] } else { &[] };
        payer.wait_for_attention(left).await;

        // A caller cancels the held order.
        let payer = Payer::preparing(&harness, *provider).await;
        payer.send(&report(&payer)).await;
        payer.wait_for_hold().await;
        payer.post("cancel").await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
    });
    let lost = run_cases(PAYING, async |provider| {
        let payer = Payer::preparing(&harness, provider).await;
        payer.send(&payer.disputes(payer.opened())).await;
        payer.wait_for_hold().await;
        // The money is gone.
        payer.send(&payer.disputes(payer.lost())).await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("captured: captured=5000 lost=5000")
            .await;
        assert_eq!(payer.count_audit_events("payment_refund_due").await, 0);
    });
    futures::join!(released, decided, lost);
    harness.assert_invariants().await;
}

/// Adyen reviews the payment: the authorisation and the decision report it.
#[tokio::test]
async fn adyen_review_holds_order_until_its_decision() {
    let (quick, slow) = futures::join!(
        start_shop(&[("DELIVERY", "auto:50ms")]),
        start_shop(BEFORE_DISPATCH),
    );
    let accepted = async {
        let payer = start_review(&quick).await;
        payer
            .send(&payer.adyen("MANUAL_REVIEW_ACCEPT", "true", TOTAL))
            .await;
        payer.wait_for_end("delivered").await;
        payer.wait_for_attention(&[]).await;
    };
    let refused = async {
        let payer = start_review(&slow).await;
        payer
            .send(&payer.adyen("MANUAL_REVIEW_REJECT", "true", TOTAL))
            .await;
        // The decision is a warning, which holds the order as well.
        payer
            .wait_for_attention(&["fraud_warning 50.00", "review_open 50.00"])
            .await;
        payer.wait_for_hold().await;
        payer.post("signals/reject").await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
    };
    futures::join!(accepted, refused);
    quick.assert_invariants().await;
    slow.assert_invariants().await;
}

/// Creates an order whose payment Adyen reviews.
async fn start_review(harness: &Harness) -> Payer<'_> {
    let payer = Payer::start(harness, Adyen).await;
    let mut item = payer.adyen_item("AUTHORISATION", "true", TOTAL);
    item["additionalData"] = json!({"fraudManualReview": "true"});
    assert_eq!(payer.send(&adyen(item)).await, "applied");
    payer.wait_for_hold().await;
    payer.wait_for_attention(&["review_open 50.00"]).await;
    payer
}

/// The report arrives before the payment, so the order is held before its first shipment.
#[tokio::test]
async fn suspicion_before_payment_holds_paid_order() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms"), ("SETTLEMENT_GRACE", "0s")]).await;
    run_cases(HOLDS.iter(), async |(provider, report, concern, settle)| {
        let held = async || {
            let payer = Payer::start(&harness, *provider).await;
            payer.send(&report(&payer)).await;
            assert_eq!(payer.send(&payer.pays()).await, "applied");
            payer.wait_for_hold().await;
            payer
                .wait_for_attention(&[&format!("{concern} 50.00")])
                .await;
            payer
        };
        let payer = held().await;
        payer.send(&settle(&payer)).await;
        payer.wait_for_end("delivered").await;
        payer.wait_for_attention(&[]).await;

        let payer = held().await;
        payer.post("signals/approve").await;
        payer.wait_for_end("delivered").await;
        payer
            .wait_for_attention(&[&format!("{concern} 50.00")])
            .await;
        payer.send(&settle(&payer)).await;
        payer.wait_for_attention(&[]).await;
    })
    .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn suspicion_does_not_hold_order_when_switched_off() {
    let settings = [
        ("DELIVERY", "auto:50ms"),
        ("SETTLEMENT_GRACE", "0s"),
        ("HOLD_ON_DISPUTE", "off"),
    ];
    let harness = start_shop(&settings).await;
    run_cases(HOLDS.iter(), async |(provider, report, concern, _)| {
        let payer = Payer::start(&harness, *provider).await;
        payer.send(&report(&payer)).await;
        assert_eq!(payer.send(&payer.pays()).await, "applied");
        payer.wait_for_end("delivered").await;
        assert_eq!(payer.count_audit_events("payment_held").await, 0);
        payer
            .wait_for_attention(&[&format!("{concern} 50.00")])
            .await;
    })
    .await;
    harness.assert_invariants().await;
}

/// After dispatch, warnings are in the work list and change no order.
#[tokio::test]
async fn suspicion_after_dispatch_is_on_the_work_list() {
    let harness = start_shop(&[("DELIVERY", "confirm")]).await;
    let settled = run_cases(HOLDS.iter(), async |(provider, report, concern, settle)| {
        let payer = Payer::shipped(&harness, *provider).await;
        assert_eq!(payer.send(&report(&payer)).await, "recorded");
        payer
            .wait_for_attention(&[&format!("{concern} 50.00")])
            .await;
        payer.assert_one_status("captured").await;
        payer.deliver().await;
        assert_eq!(payer.count_audit_events("payment_held").await, 0);
        assert_eq!(payer.send(&settle(&payer)).await, "recorded");
        payer.wait_for_attention(&[]).await;
    });
    let warned = run_cases([Stripe, Adyen], async |provider| {
        let payer = Payer::shipped(&harness, provider).await;
        let warning = fraud_warning(&payer);
        assert_eq!(payer.send(&warning).await, "recorded");
        assert_eq!(payer.wait_for_audit_event("payment_warning").await, 1);
        payer.wait_for_attention(&["fraud_warning 50.00"]).await;
        payer.deliver().await;
        payer.assert_status("delivered", "captured").await;
    });
    futures::join!(settled, warned);
    harness.assert_invariants().await;
}

/// Disputes of two transactions, and two disputes of one transaction, are separate.
#[tokio::test]
async fn disputes_with_different_ids_are_separate() {
    let harness = start_shop(&[("DELIVERY", "auto:50ms")]).await;
    let part = |payer: &Payer<'_>, id: &str, state: &str| match payer.provider {
        Stripe => stripe(
            "charge.dispute.closed",
            json!({
                "id": id, "object": "dispute", "amount": 2_000, "currency": "usd",
                "payment_intent": payer.transaction, "status": state.to_lowercase(),
            }),
        ),
        Square => square(
            "dispute.state.updated",
            "dispute",
            json!({
                "id": id, "state": state, "amount_money": {"amount": 2_000, "currency": "USD"},
                "disputed_payment": {"payment_id": payer.transaction},
            }),
        ),
        _ => checkout(
            &format!("dispute_{}", state.to_lowercase()),
            json!({"id": id, "payment_id": payer.transaction, "amount": 2_000, "currency": "USD"}),
        ),
    };
    run_cases([Stripe, Square, Checkout], async |provider| {
        let payer = Payer::paid(&harness, provider).await;
        payer.wait_for_end("delivered").await;
        payer.send(&part(&payer, "dispute-1", "WON")).await;
        payer.wait_for_attention(&[]).await;
        payer.send(&part(&payer, "dispute-2", "LOST")).await;
        payer.wait_for_attention(&["dispute_lost 20.00"]).await;
        payer.send(&part(&payer, "dispute-3", "LOST")).await;
        payer.wait_for_attention(&["dispute_lost 40.00"]).await;
        payer
            .wait_for_books("captured: captured=5000 lost=4000 allocated=1000")
            .await;
        assert_eq!(payer.order().await["payment_info"]["dispute"], "lost");
    })
    .await;
    harness.assert_invariants().await;
}
