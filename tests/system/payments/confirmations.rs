//! Confirmations by API that an order refuses: each states who refunds the money.

use serde_json::{Value, json};

use super::{
    NOTHING, TOTAL, audit_payloads, cancel, confirm, create_order, expect_end, ledger_of,
    run_cases, start_shop, wait_for_audit_event, work_list_of,
};
use crate::harness::Harness;

/// Asserts that the code of a refused confirmation agrees with the ledger.
async fn expect_agreement(harness: &Harness, id: &str, transaction_id: &str, refused: &Value) {
    let payment = refused["payment_status"].as_str().unwrap_or_default();
    let known = ledger_of(harness, transaction_id).await;
    match refused["code"].as_str().unwrap_or_default() {
        "order_closed" => {
            assert_eq!(payment, "not_taken", "{refused}");
            assert_eq!(known, [], "{refused}");
            let entry = format!("report_refused 50.00 {transaction_id}");
            let list = async || work_list_of(harness, id).await;
            harness
                .wait_until("the entry", list, |list| *list == [entry.clone()])
                .await;
        }
        "payment_refunded" => {
            let with_orderflow = ["refunding", "refunded", "refund_due"];
            assert!(with_orderflow.contains(&payment), "{refused}");
            assert_eq!((known.len(), known[0].allocated), (1, 0), "{refused}");
        }
        code => panic!("{code}: {refused}"),
    }
}

/// ORD-01
#[tokio::test]
async fn refused_confirmation_states_who_refunds() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let race = async |number: usize| {
        let id = create_order(&harness).await;
        let transaction = format!("T-race-{number}");
        let path = format!("/orders/{id}/cancel");
        let cancelled = harness.post(&path, json!({}));
        let confirmed = confirm(&harness, &id, &transaction, 50.0);
        let (confirmed, cancelled) = if number.is_multiple_of(2) {
            futures::join!(confirmed, cancelled)
        } else {
            let (cancelled, confirmed) = futures::join!(cancelled, confirmed);
            (confirmed, cancelled)
        };
        cancelled.expect_status(200);
        expect_end(&harness, &id, "cancelled").await;
        if confirmed.status == 409 {
            expect_agreement(&harness, &id, &transaction, &confirmed.body).await;
        } else {
            confirmed.expect_status(200);
            assert_eq!(ledger_of(&harness, &transaction).await[0].allocated, 0);
        }
    };
    run_cases((0..8).map(race)).await;
    // The order has the payment when it is cancelled, and the caller repeats the confirmation.
    let id = create_order(&harness).await;
    confirm(&harness, &id, "T-taken", 50.0)
        .await
        .expect_status(200);
    cancel(&harness, &id).await;
    let refused = confirm(&harness, &id, "T-taken", 50.0).await;
    let refused = refused.expect_problem(409, "payment_refunded");
    assert_eq!(refused["payment_status"], "refunded", "{refused}");
    expect_agreement(&harness, &id, "T-taken", &refused).await;
    let refused = confirm(&harness, &id, "T-other", 50.0).await;
    let refused = refused.expect_problem(409, "order_closed");
    assert_eq!(refused["payment_status"], "not_taken", "{refused}");
    harness.assert_invariants().await;
}

/// ORD-02
#[tokio::test]
async fn every_refused_confirmation_leaves_a_trace() {
    let harness = start_shop(&[("SHIPPING_DELAY", "60s")]).await;
    let id = create_order(&harness).await;
    confirm(&harness, &id, "T1", 50.0).await.expect_status(200);
    let refused = confirm(&harness, &id, "T2", 50.0).await;
    let refused = refused.expect_problem(409, "already_paid");
    assert_eq!(refused["payment_status"], "not_taken", "{refused}");
    assert_eq!(
        work_list_of(&harness, &id).await,
        ["report_refused 50.00 T2"]
    );
    let refusals = audit_payloads(&harness, &id, "request_refused").await;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(
        (
            &refusals[0]["transaction_id"],
            refusals[0]["amount"].as_f64()
        ),
        (&json!("T2"), Some(50.0))
    );
    cancel(&harness, &id).await;
    harness.assert_invariants().await;
}

/// ORD-03
#[tokio::test]
async fn repeat_with_another_amount_is_refused() {
    let harness = start_shop(&[]).await;
    let id = create_order(&harness).await;
    confirm(&harness, &id, "T1", TOTAL).await.expect_status(200);
    let repeat = async |amount: &str| confirm(&harness, &id, "T1", amount).await;
    let refuse = async |amount: &str| {
        let refused = repeat(amount).await;
        let refused = refused.expect_problem(422, "transaction_mismatch");
        assert_eq!(refused["detail"], "T1 is recorded with 50.00 USD.");
        assert_eq!(refused["payment_status"], "taken", "{refused}");
    };
    assert_eq!(repeat("50.0").await.expect_status(200)["already"], true);
    refuse("1.00").await;
    expect_end(&harness, &id, "delivered").await;
    refuse("2.00").await;
    assert_eq!(repeat("50").await.expect_status(200)["already"], true);
    wait_for_audit_event(&harness, &id, "request_refused").await;
    let read = async || audit_payloads(&harness, &id, "request_refused").await;
    let refusals = harness
        .wait_until("both refusals", read, |found: &Vec<Value>| found.len() == 2)
        .await;
    for (refusal, amount) in refusals.iter().zip([1.0, 2.0]) {
        assert_eq!(refusal["code"], "transaction_mismatch", "{refusal}");
        assert_eq!(refusal["amount"].as_f64(), Some(amount), "{refusal}");
        assert_eq!(refusal["recorded_amount"].as_f64(), Some(50.0), "{refusal}");
    }
    assert_eq!(work_list_of(&harness, &id).await, NOTHING);
    harness.assert_invariants().await;
}
