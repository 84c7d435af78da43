//! Lost, broken and late calls to Stripe: each order is charged once or not at all.

use serde_json::{Value, json};

use super::{Shop, proxy::Fault, stripe_order};
use crate::harness::worker_start_error;

#[tokio::test]
async fn worker_killed_before_response_charges_once() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    shop.relay
        .fail_next("POST", "/payment_intents", Fault::LoseResponse);
    shop.start_order("t-1", "pm_card_visa").await;
    let charged = async || shop.relay.charge_calls().len();
    shop.harness
        .wait_until("the charge at Stripe", charged, |charges| *charges == 1)
        .await;
    shop.harness.worker.kill().await;
    shop.harness.worker.restart().await.unwrap();
    assert_eq!(
        shop.harness.wait_for_end("t-1").await.status.as_str(),
        "delivered"
    );
    assert_eq!(shop.only_intent().await["status"], "succeeded");
    shop.assert_clean().await;
}

#[tokio::test]
async fn unusable_response_is_retried_with_same_key() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    for status in [429, 500, 503] {
        shop.relay
            .fail_next("POST", "/payment_intents", Fault::Reject(status));
    }
    shop.start_order("t-2", "pm_card_visa").await;
    assert_eq!(
        shop.harness.wait_for_end("t-2").await.status.as_str(),
        "delivered"
    );
    let charges = shop.relay.charge_calls();
    assert_eq!(
        charges.iter().map(|call| call.status).collect::<Vec<_>>(),
        [429, 500, 503, 200]
    );
    assert!(
        charges
            .iter()
            .all(|call| call.key == charges[0].key && call.body == charges[0].body),
        "{charges:?}"
    );
    let unavailable = shop
        .wait_for_audit_event("t-2", "payment_unavailable")
        .await;
    assert_eq!(
        unavailable["reason"],
        "Stripe answered payment_intents.create with 429 api_error"
    );
    shop.only_intent().await;
    shop.assert_clean().await;
}

#[tokio::test]
async fn charge_with_error_response_is_made_once() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    shop.relay
        .fail_next("POST", "/payment_intents", Fault::ExecuteThenFail(500));
    shop.start_order("t-3", "pm_card_visa").await;
    assert_eq!(
        shop.harness.wait_for_end("t-3").await.status.as_str(),
        "delivered"
    );
    // The worker sends the same request with the same key.
    let charges = shop.relay.charge_calls();
    assert_eq!(charges.len(), 2);
    assert_eq!(charges[0].key, charges[1].key);
    assert_eq!(charges[0].body, charges[1].body);
    assert_eq!(shop.only_intent().await["status"], "succeeded");
    shop.assert_clean().await;
}

#[tokio::test]
async fn unknown_charge_is_refunded_when_order_fails() {
    let Some(shop) = Shop::start(&[("PAYMENT_RETRY_FOR", "0s")]).await else {
        return;
    };
    shop.relay
        .fail_next("POST", "/payment_intents", Fault::ExecuteThenFail(502));
    // The first response to the refund is an error, too.
    shop.relay
        .fail_next("POST", "/refunds", Fault::ExecuteThenFail(500));
    shop.start_order("t-4", "pm_card_visa").await;
    let view = shop.harness.wait_for_end("t-4").await;
    assert_eq!(view.failure.unwrap().code.as_str(), "payment_unavailable");
    assert_eq!(view.payment_info.unwrap().status.as_str(), "refunded");
    assert_eq!(shop.only_intent().await["status"], "succeeded");
    assert_eq!(shop.books.list_refunds().await.len(), 1);
    shop.assert_clean().await;
}

#[tokio::test]
async fn late_duplicate_of_abandoned_charge_is_rejected() {
    let Some(shop) = Shop::start(&[("PAYMENT_RETRY_FOR", "0s")]).await else {
        return;
    };
    shop.relay
        .fail_next("POST", "/payment_intents", Fault::Reject(503));
    shop.start_order("t-5", "pm_card_visa").await;
    let view = shop.harness.wait_for_end("t-5").await;
    assert_eq!(view.failure.unwrap().code.as_str(), "payment_unavailable");
    assert_eq!(view.payment_info.unwrap().status.as_str(), "declined");
    // The key is used up by an intent that captured nothing.
    let charges = shop.relay.charge_calls();
    assert_eq!(charges.len(), 2);
    assert_eq!(charges[0].key, charges[1].key);
    assert!(
        charges[0].body.contains("confirm=true") && !charges[1].body.contains("confirm"),
        "{charges:?}"
    );
    assert_eq!(shop.only_intent().await["status"], "canceled");
    assert_eq!(shop.books.list_refunds().await, Vec::<Value>::new());
    // The lost request arrives after all.
    let late = reqwest::Client::new().post(format!("{}/v1/payment_intents", shop.relay.url));
    let late = late
        .header("idempotency-key", charges[0].key.as_deref().unwrap())
        .body(charges[0].body.clone());
    assert_eq!(late.send().await.unwrap().status(), 400);
    shop.assert_clean().await;
}

#[tokio::test]
async fn refund_rejected_by_stripe_is_due() {
    let Some(shop) = Shop::start(&[("SHIPPING_DELAY", "1h")]).await else {
        return;
    };
    shop.start_order("t-6", "pm_card_visa").await;
    shop.wait_for_audit_event("t-6", "payment_captured").await;
    shop.relay.fail_next("POST", "/refunds", Fault::Reject(400));
    shop.harness
        .post("/orders/t-6/signals/cancel", json!({}))
        .await
        .expect_status(200);
    let view = shop.harness.wait_for_end("t-6").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.payment_info.unwrap().status.as_str()
        ),
        ("cancelled", "refund_due")
    );
    assert!(
        shop.harness
            .audit_event_types("t-6")
            .await
            .contains(&"payment_refund_due".to_owned())
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn rejected_api_key_is_logged_once() {
    let Some(shop) = Shop::start(&[]).await else {
        return;
    };
    for _ in 0..3 {
        shop.relay
            .fail_next("POST", "/payment_intents", Fault::Reject(401));
    }
    shop.start_order("t-7", "pm_card_visa").await;
    assert_eq!(
        shop.harness.wait_for_end("t-7").await.status.as_str(),
        "delivered"
    );
    assert_eq!(
        shop.harness
            .read_log("worker")
            .matches("Stripe rejects STRIPE_API_KEY")
            .count(),
        1
    );
    shop.assert_clean().await;
}

#[tokio::test]
async fn failing_calls_charge_each_order_once() {
    let Some(shop) = Shop::start(&[("FLAKY", "fail:0.4")]).await else {
        return;
    };
    let ids: Vec<_> = (0..6).map(|number| format!("t-8-{number}")).collect();
    for id in &ids {
        shop.harness
            .post(
                &format!("/orders/{id}/start"),
                stripe_order(id, "pm_card_visa"),
            )
            .await
            .expect_status(202);
    }
    let mut delivered = 0;
    for id in &ids {
        let view = shop.harness.wait_for_end(id).await;
        delivered += usize::from(view.status.as_str() == "delivered");
    }
    let captured = shop
        .books
        .list_intents()
        .await
        .into_iter()
        .filter(|intent| intent["status"] == "succeeded")
        .count();
    assert_eq!(captured - shop.books.list_refunds().await.len(), delivered);
    shop.assert_clean().await;
}

#[tokio::test]
async fn invalid_payment_setting_fails_in_one_line() {
    let stderr = worker_start_error(&[("PAYMENT_PROVIDER", "paypal")]).await;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("PAYMENT_PROVIDER=paypal: unknown value; allowed: simulator, stripe"),
        "{stderr}"
    );
    let stderr = worker_start_error(&[("PAYMENT_PROVIDER", "stripe")]).await;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("PAYMENT_PROVIDER=stripe requires it"),
        "{stderr}"
    );
    let stderr = worker_start_error(&[
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", "pk_live_secret"),
    ])
    .await;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("allowed: a restricted key")
            && !stderr.contains("secret,")
            && !stderr.contains("pk_live"),
        "{stderr}"
    );
}
