//! Money that does not stay: ended authorisations, failed captures, returned and refunded payments.

use serde_json::json;

use super::{
    PAYING, create_order,
    events::{Payer, Raw, TOTAL, checkout, run_cases, stripe},
    report, start_shop, work_list_of,
};
use crate::harness::Harness;
use domain::WebhookProvider::{self, Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::SampleKind::Authorised;

/// Orders that wait for their shipping delay, so that each event arrives before dispatch.
const BEFORE_DISPATCH: &[(&str, &str)] = &[("SHIPPING_DELAY", "10m")];
/// Orders that are shipped immediately and stay open.
const AFTER_DISPATCH: &[(&str, &str)] = &[("DELIVERY", "confirm")];

type Report = fn(&Payer<'_>) -> Raw;

/// The events with which a provider reports that the whole payment will never arrive or is gone,
/// with the audit event and the concern of the work list.
const LOSSES: &[(WebhookProvider, Report, &str, &str)] = &[
    // PAY-25
    (
        Adyen,
        |payer| payer.ends(),
        "payment_attempt_failed",
        "authorisation_ended",
    ),
    (
        Adyen,
        |payer| payer.adyen("TECHNICAL_CANCEL", "true", TOTAL),
        "payment_attempt_failed",
        "authorisation_ended",
    ),
    (
        Adyen,
        |payer| payer.adyen("CANCELLATION", "true", TOTAL),
        "payment_attempt_failed",
        "authorisation_ended",
    ),
    // PAY-27
    (
        Adyen,
        |payer| payer.fails_capture(),
        "payment_capture_failed",
        "capture_failed",
    ),
    (
        Standard,
        |payer| payer.fails_capture(),
        "payment_capture_failed",
        "capture_failed",
    ),
    // PAY-28
    (
        Checkout,
        |payer| payer.returns(TOTAL),
        "payment_returned",
        "returned",
    ),
    (
        Standard,
        |payer| payer.returns(TOTAL),
        "payment_returned",
        "returned",
    ),
];

#[tokio::test]
async fn lost_payment_before_dispatch_cancels_order() {
    let harness = start_shop(BEFORE_DISPATCH).await;
    run_cases(LOSSES.iter(), async |(provider, report, audit, _)| {
        let payer = Payer::preparing(&harness, *provider).await;
        let raw = report(&payer);
        assert_eq!(payer.send(&raw).await, "recorded", "{}", raw.event_id);
        payer.wait_for_end("cancelled").await;
        // The customer has the money, so no refund is necessary and no work is left.
        let order = payer.order().await;
        assert_eq!(order["payment_info"]["status"], "declined", "{order}");
        payer.wait_for_attention(&[]).await;
        for kind in [audit, "order_cancelled"] {
            assert_eq!(payer.count_audit_events(kind).await, 1, "{}", raw.event_id);
        }
        for kind in ["payment_refunded", "payment_refund_due"] {
            assert_eq!(payer.count_audit_events(kind).await, 0, "{}", raw.event_id);
        }
    })
    .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn lost_payment_after_dispatch_is_collected_by_an_operator() {
    let harness = start_shop(AFTER_DISPATCH).await;
    run_cases(LOSSES.iter(), async |(provider, report, audit, concern)| {
        let entry = format!("{concern} 50.00");
        let payer = Payer::shipped(&harness, *provider).await;
        let raw = report(&payer);
        assert_eq!(payer.send(&raw).await, "recorded", "{}", raw.event_id);
        assert_eq!(payer.wait_for_audit_event(audit).await, 1);
        payer.wait_for_attention(&[&entry]).await;
        // PAY-27: each interface shows the same status.
        payer.assert_one_status("declined").await;
        payer.deliver().await;
        payer.assert_one_status("declined").await;
        payer.wait_for_attention(&[&entry]).await;

        // The event arrives after the end of the order.
        let payer = Payer::delivered(&harness, *provider).await;
        let raw = report(&payer);
        assert_eq!(payer.send(&raw).await, "recorded", "{}", raw.event_id);
        assert_eq!(payer.wait_for_audit_event(audit).await, 1);
        payer.wait_for_attention(&[&entry]).await;
        assert_eq!(payer.order().await["payment_info"]["status"], "declined");
        assert_eq!(payer.order().await["status"], "delivered");
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-25: what a CAPTURE has confirmed stays.
#[tokio::test]
async fn confirmed_capture_outlives_its_authorisation() {
    let (slow, shipped) = futures::join!(start_shop(BEFORE_DISPATCH), start_shop(AFTER_DISPATCH));
    let ends = ["EXPIRE", "TECHNICAL_CANCEL"];
    let captured_whole = run_cases(ends, async |code| {
        let payer = Payer::shipped(&shipped, Adyen).await;
        payer.send(&payer.adyen("CAPTURE", "true", TOTAL)).await;
        payer.send(&payer.adyen(code, "true", TOTAL)).await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        payer.assert_one_status("captured").await;
    });
    let captured_part = run_cases(ends, async |code| {
        let payer = Payer::shipped(&shipped, Adyen).await;
        payer.send(&payer.adyen("CAPTURE", "true", 2_000)).await;
        payer.send(&payer.adyen(code, "true", TOTAL)).await;
        payer
            .wait_for_books("captured: captured=2000 allocated=2000")
            .await;
        payer
            .wait_for_attention(&["authorisation_ended 30.00"])
            .await;
    });
    let held = async {
        let payer = Payer::preparing(&slow, Adyen).await;
        payer.send(&payer.adyen("CAPTURE", "true", 2_000)).await;
        payer.wait_for_hold().await;
        payer.send(&payer.adyen("EXPIRE", "true", TOTAL)).await;
        payer
            .wait_for_books("captured: captured=2000 allocated=2000")
            .await;
        payer
            .wait_for_attention(&["authorisation_ended 30.00"])
            .await;
        payer.post("signals/reject").await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("refund_due: captured=2000 due=2000")
            .await;
        payer.wait_for_attention(&["refund_due 20.00"]).await;
    };
    futures::join!(captured_whole, captured_part, held);
    slow.assert_invariants().await;
    shipped.assert_invariants().await;
}

/// PAY-26
#[tokio::test]
async fn refused_capture_holds_order_until_it_is_repeated() {
    let (slow, shipped) = futures::join!(start_shop(BEFORE_DISPATCH), start_shop(AFTER_DISPATCH));
    let before = async {
        let payer = Payer::preparing(&slow, Adyen).await;
        let refused = payer.adyen("CAPTURE", "false", TOTAL);
        assert_eq!(payer.send(&refused).await, "recorded");
        payer.wait_for_hold().await;
        payer.wait_for_attention(&["capture_refused 50.00"]).await;
        assert_eq!(payer.count_audit_events("payment_capture_failed").await, 1);
        payer.send(&payer.adyen("CAPTURE", "true", TOTAL)).await;
        payer.wait_for_status("preparing").await;
        payer.wait_for_audit_event("payment_released").await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
    };
    let after = async {
        let payer = Payer::shipped(&shipped, Adyen).await;
        let refused = payer.adyen("CAPTURE", "false", TOTAL);
        assert_eq!(payer.send(&refused).await, "recorded");
        payer.wait_for_attention(&["capture_refused 50.00"]).await;
        let entry = payer.attention_entries().await;
        let next_step = entry[0]["next_step"].as_str().unwrap();
        assert!(
            next_step.contains("correct and repeat the capture"),
            "{next_step}"
        );
        payer.deliver().await;
        payer.send(&payer.adyen("CAPTURE", "true", TOTAL)).await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        payer.wait_for_audit_count("payment_captured", 1).await;
        payer.assert_status("delivered", "captured").await;
    };
    futures::join!(before, after);
    slow.assert_invariants().await;
    shipped.assert_invariants().await;
}

/// PAY-25, PAY-28: a part of the payment is returned or refunded before dispatch.
#[tokio::test]
async fn partly_lost_payment_before_dispatch_holds_order() {
    let harness = start_shop(BEFORE_DISPATCH).await;
    let returned = run_cases([Checkout, Standard], async |provider| {
        let payer = Payer::preparing(&harness, provider).await;
        assert_eq!(payer.send(&payer.returns(2_000)).await, "recorded");
        payer.wait_for_hold().await;
        payer
            .wait_for_books("captured: captured=5000 lost=2000 allocated=3000")
            .await;
        payer.wait_for_attention(&["returned 20.00"]).await;
        payer.post("signals/reject").await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("refund_due: captured=5000 lost=2000 due=3000")
            .await;
        payer.wait_for_attention(&["refund_due 30.00"]).await;
    });
    let refunded = run_cases(PAYING, async |provider| {
        let payer = Payer::preparing(&harness, provider).await;
        assert_eq!(payer.send(&payer.refunds("part", 2_000)).await, "recorded");
        payer.wait_for_hold().await;
        payer
            .wait_for_books("captured: captured=5000 refunded=2000 allocated=3000")
            .await;
        payer.post("cancel").await;
        payer.wait_for_end("cancelled").await;
        payer
            .wait_for_books("refund_due: captured=5000 refunded=2000 due=3000")
            .await;
        payer.wait_for_attention(&["refund_due 30.00"]).await;
        // An operator refunds the rest.
        payer.send(&payer.refunds("rest", 3_000)).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer.wait_for_attention(&[]).await;
    });
    futures::join!(returned, refunded);
    harness.assert_invariants().await;
}

/// PAY-25 for providers whose authorisations are captured after dispatch.
#[tokio::test]
async fn ended_authorisation_before_dispatch_cancels_order() {
    let settings = [("CAPTURE", "on_dispatch"), ("ADYEN_CAPTURE", "manual")];
    let harness = start_shop(&[BEFORE_DISPATCH, &settings].concat()).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::start(&harness, provider).await;
        assert_eq!(
            payer.send(&payer.authorises()).await,
            "applied",
            "{provider}"
        );
        payer.wait_for_status("preparing").await;
        assert_eq!(payer.send(&payer.ends()).await, "recorded", "{provider}");
        payer.wait_for_end("cancelled").await;
        payer.wait_for_books("declined:").await;
        payer.wait_for_attention(&[]).await;
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-25 after dispatch: the simulator cannot capture at these providers, so an operator does.
#[tokio::test]
async fn ended_authorisation_after_dispatch_is_collected_by_an_operator() {
    let settings = [("CAPTURE", "on_dispatch"), ("ADYEN_CAPTURE", "manual")];
    let harness = start_shop(&[AFTER_DISPATCH, &settings].concat()).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::start(&harness, provider).await;
        assert_eq!(
            payer.send(&payer.authorises()).await,
            "applied",
            "{provider}"
        );
        payer.wait_for_status("shipped").await;
        payer.wait_for_attention(&["capture_refused 50.00"]).await;
        assert_eq!(payer.send(&payer.ends()).await, "recorded", "{provider}");
        // The capture cannot be repeated any more.
        payer
            .wait_for_attention(&["authorisation_ended 50.00"])
            .await;
        payer.assert_one_status("declined").await;
        payer.deliver().await;

        let payer = Payer::start(&harness, provider).await;
        assert_eq!(
            payer.send(&payer.authorises()).await,
            "applied",
            "{provider}"
        );
        payer.wait_for_status("shipped").await;
        payer.wait_for_attention(&["capture_refused 50.00"]).await;
        // An operator captures at the provider.
        let captured = match provider {
            Adyen => payer.adyen("CAPTURE", "true", TOTAL),
            _ => payer.pays(),
        };
        payer.send(&captured).await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        payer.assert_one_status("captured").await;
    })
    .await;
    harness.assert_invariants().await;
}

/// After one refused capture, the other parts are asked for, too.
#[tokio::test]
async fn each_part_is_captured_after_dispatch() {
    let settings = [("CAPTURE", "on_dispatch"), ("ADYEN_CAPTURE", "manual")];
    let harness = start_shop(&[AFTER_DISPATCH, &settings].concat()).await;
    let id = create_order(&harness).await;
    for (transaction, amount) in [("pay_first", "20.00"), ("pay_second", "30.00")] {
        report(&harness, (Checkout, Authorised), &id, transaction, amount).await;
    }
    harness.wait_for_status(&id, "shipped").await;
    let entries = async || {
        let mut entries = work_list_of(&harness, &id).await;
        entries.sort();
        entries
    };
    let expected = [
        "capture_refused 20.00 pay_first",
        "capture_refused 30.00 pay_second",
    ];
    harness
        .wait_until("both entries", entries, |entries| *entries == expected)
        .await;
    harness.assert_invariants().await;
}

/// The bank takes the money although the shop has refunded it already.
#[tokio::test]
async fn dispute_lost_after_refund_is_listed() {
    let harness = start_shop(&[]).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::paid(&harness, provider).await;
        payer.wait_for_end("delivered").await;
        payer.send(&payer.refunds("all", TOTAL)).await;
        payer.wait_for_attention(&[]).await;
        payer.send(&payer.disputes(payer.lost())).await;
        payer.wait_for_attention(&["dispute_lost 50.00"]).await;
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-29
#[tokio::test]
async fn payment_that_is_already_refunded_never_ships() {
    let harness = start_shop(&[]).await;
    let square: Report = |payer| payer.square_payment("COMPLETED", TOTAL);
    let stripe: Report = |payer| {
        let mut object = charge(payer);
        object["amount_refunded"] = json!(TOTAL);
        stripe("charge.succeeded", object)
    };
    let checkout: Report = |payer| {
        let mut raw = payer.checkout("payment_captured", "act_paid", TOTAL);
        raw.body["data"]["balances"] = json!({"total_captured": TOTAL, "total_refunded": TOTAL});
        raw
    };
    run_cases(
        [(Square, square), (Stripe, stripe), (Checkout, checkout)],
        async |(provider, report)| {
            let payer = Payer::start(&harness, provider).await;
            let raw = report(&payer);
            payer.send(&raw).await;
            payer.wait_for_end("cancelled").await;
            payer
                .wait_for_books("refunded: captured=5000 refunded=5000")
                .await;
            payer.wait_for_attention(&[]).await;
            let order = payer.order().await;
            assert_eq!(order["payment_info"]["status"], "refunded", "{order}");
            assert_eq!(payer.count_audit_events("shipment_started").await, 0);
            // The customer gets no mail about a payment that is gone.
            assert_eq!(payer.count_audit_events("payment_confirmed").await, 0);
        },
    )
    .await;
    // A part is refunded, so the order waits for the rest.
    let payer = Payer::start(&harness, Square).await;
    payer.send(&payer.square_payment("COMPLETED", 2_000)).await;
    payer
        .wait_for_books("captured: captured=5000 refunded=2000 allocated=3000")
        .await;
    let order = payer.order().await;
    assert_eq!(order["waiting_for"]["reason"], "payment_rest", "{order}");
    harness.assert_invariants().await;
}

/// A charge of Stripe's older API, without an intent.
fn charge(payer: &Payer<'_>) -> serde_json::Value {
    json!({
        "id": payer.transaction, "object": "charge", "amount": TOTAL, "amount_captured": TOTAL,
        "currency": "usd", "payment_intent": null, "captured": true,
        "metadata": {"order_id": payer.order},
    })
}

/// PAY-30
#[tokio::test]
async fn missing_payment_row_is_restored_for_its_refund() {
    let harness = start_shop(&[BEFORE_DISPATCH, &[("PAYMENT", "auto")]].concat()).await;
    let own_charge = async {
        let mut order = super::order_of("50.00", "USD");
        order["payment"] = json!({"payment_id": "pmt-restored"});
        let id = harness.post("/orders", order).await.expect_started();
        harness.wait_for_status(&id, "preparing").await;
        cancel_without_row(&harness, &id).await;
        let kinds = harness.audit_event_types(&id).await;
        assert!(kinds.contains(&"payment_refunded".to_owned()), "{kinds:?}");
        assert_eq!(harness.provider_movements(&id).await, ["capture", "refund"]);
        assert_eq!(rows_of(&harness, &id).await, ["refunded 5000 5000 0"]);
    };
    let by_api = async {
        let id = create_order(&harness).await;
        let paid = json!({"transaction_id": "T-restored", "amount": "50.00"});
        let path = format!("/orders/{id}/payment");
        harness.post(&path, paid).await.expect_status(200);
        harness.wait_for_status(&id, "preparing").await;
        cancel_without_row(&harness, &id).await;
        let kinds = harness.audit_event_types(&id).await;
        assert!(kinds.contains(&"payment_refunded".to_owned()), "{kinds:?}");
        assert_eq!(rows_of(&harness, &id).await, ["refunded 5000 5000 0"]);
    };
    let by_webhook = run_cases(PAYING, async |provider| {
        let payer = Payer::preparing(&harness, provider).await;
        cancel_without_row(&harness, &payer.order).await;
        // The simulator cannot refund at this provider.
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
        payer.wait_for_attention(&["refund_due 50.00"]).await;
        assert_eq!(payer.count_audit_events("payment_refund_due").await, 1);
        assert_eq!(payer.count_audit_events("payment_declined").await, 0);
    });
    futures::join!(own_charge, by_api, by_webhook);
    harness.assert_invariants().await;
}

/// Deletes the order's payments, as a restore to an earlier time does, and cancels the order.
async fn cancel_without_row(harness: &Harness, order_id: &str) {
    let movements = "delete from payment_movements using payments
        where payments.payment_id = payment_movements.payment_id and payments.order_id = $1";
    for statement in [movements, "delete from payments where order_id = $1"] {
        let deleted = sqlx::query(statement)
            .bind(order_id)
            .execute(&harness.pool)
            .await
            .unwrap();
        assert_eq!(deleted.rows_affected(), 1);
    }
    super::cancel(harness, order_id).await;
}

/// Returns status, captured, refunded and due of the order's payments.
async fn rows_of(harness: &Harness, order_id: &str) -> Vec<String> {
    let rows = store::transactions::find(&harness.pool, order_id)
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row.status, row.captured, row.refunded, row.due
            )
        })
        .collect()
}

/// PAY-31
#[tokio::test]
async fn refund_after_dispatch_has_one_state_for_one_tag() {
    let harness = start_shop(AFTER_DISPATCH).await;
    run_cases(PAYING, async |provider| {
        let payer = Payer::shipped(&harness, provider).await;
        assert_eq!(payer.send(&payer.refunds("all", TOTAL)).await, "recorded");
        assert_eq!(
            payer.wait_for_audit_event("payment_refund_reported").await,
            1
        );
        payer.assert_one_status("refunded").await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer.wait_for_attention(&[]).await;

        // A part of the payment, and the failure of this refund.
        let payer = Payer::shipped(&harness, provider).await;
        assert_eq!(payer.send(&payer.refunds("part", 2_000)).await, "recorded");
        assert_eq!(
            payer.wait_for_audit_event("payment_refund_reported").await,
            1
        );
        payer.assert_one_status("captured").await;
        assert_eq!(
            payer.send(&payer.fails_refund("part", 2_000)).await,
            "recorded"
        );
        assert_eq!(payer.wait_for_audit_event("payment_refund_failed").await, 1);
        payer.assert_one_status("captured").await;
        payer
            .wait_for_books("captured: captured=5000 allocated=5000")
            .await;
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-32
#[tokio::test]
async fn reversed_refund_is_due_again() {
    let harness = start_shop(&[]).await;
    let reversals: [(WebhookProvider, Report); 8] = [
        (Adyen, |payer| {
            payer.adyen("REFUNDED_REVERSED", "true", TOTAL)
        }),
        (Adyen, |payer| {
            payer.adyen("VOID_PENDING_REFUND", "true", TOTAL)
        }),
        // The reversal has the reference of the refund.
        (Adyen, |payer| {
            let mut item = payer.adyen_item("REFUND_FAILED", "true", TOTAL);
            item["pspReference"] = json!(format!("all-{}", payer.transaction));
            super::events::adyen(item)
        }),
        (Stripe, |payer| payer.fails_refund("all", TOTAL)),
        (Stripe, |payer| {
            payer.stripe_refund("charge.refund.updated", "canceled", "all", TOTAL)
        }),
        (Standard, |payer| payer.fails_refund("all", TOTAL)),
        (Square, |payer| payer.fails_refund("all", TOTAL)),
        (Checkout, |payer| payer.fails_refund("all", TOTAL)),
    ];
    run_cases(reversals, async |(provider, reverse)| {
        let payer = Payer::start(&harness, provider).await;
        super::cancel(&harness, &payer.order).await;
        assert_eq!(payer.send(&payer.pays()).await, "refund_due", "{provider}");
        payer.wait_for_attention(&["refund_due 50.00"]).await;
        payer.send(&payer.refunds("all", TOTAL)).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer.wait_for_attention(&[]).await;
        let reversed = reverse(&payer);
        assert_eq!(
            payer.send(&reversed).await,
            "recorded",
            "{}",
            reversed.event_id
        );
        payer
            .wait_for_books("refund_due: captured=5000 due=5000")
            .await;
        payer.wait_for_attention(&["refund_due 50.00"]).await;
        // An operator refunds in another way.
        payer.send(&payer.refunds("other", TOTAL)).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
        payer.wait_for_attention(&[]).await;
    })
    .await;
    harness.assert_invariants().await;
}

/// PAY-33
#[tokio::test]
async fn repeated_report_of_one_refund_counts_once() {
    let harness = start_shop(AFTER_DISPATCH).await;
    let one_refund = run_cases(PAYING, async |provider| {
        let payer = Payer::delivered(&harness, provider).await;
        let refund = payer.refunds("one", 2_500);
        payer.send(&refund).await;
        match provider {
            // The id of an event is made of signed fields.
            Adyen => payer.post_event(&refund).await,
            _ => {
                payer.send(&payer.again(&refund)).await;
            }
        }
        if provider == Stripe {
            payer
                .send(&payer.stripe_refund("refund.updated", "succeeded", "one", 2_500))
                .await;
            let mut charge = charge(&payer);
            charge["id"] = json!("ch_1");
            charge["payment_intent"] = json!(payer.transaction);
            charge["amount_refunded"] = json!(2_500);
            payer.send(&stripe("charge.refunded", charge)).await;
        }
        payer
            .wait_for_books("captured: captured=5000 refunded=2500 allocated=2500")
            .await;
        payer.assert_status("delivered", "captured").await;
        // A refund with another id is another refund.
        payer.send(&payer.refunds("two", 2_500)).await;
        payer
            .wait_for_books("refunded: captured=5000 refunded=5000")
            .await;
    });
    let without_id = async {
        let payer = Payer::delivered(&harness, Standard).await;
        let mut refund = payer.refunds("none", 2_500);
        refund.body["data"]
            .as_object_mut()
            .unwrap()
            .remove("refund_id");
        payer.send(&refund).await;
        payer.send(&payer.again(&refund)).await;
        payer
            .wait_for_books("captured: captured=5000 refunded=2500 allocated=2500")
            .await;
    };
    let without_action = async {
        let payer = Payer::delivered(&harness, Checkout).await;
        let refund = checkout(
            "payment_refunded",
            json!({"id": payer.transaction, "amount": 2_500, "currency": "USD"}),
        );
        payer.send(&refund).await;
        payer.send(&payer.again(&refund)).await;
        payer
            .wait_for_books("captured: captured=5000 refunded=2500 allocated=2500")
            .await;
    };
    futures::join!(one_refund, without_id, without_action);
    harness.assert_invariants().await;
}
