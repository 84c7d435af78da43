//! The distinctive behaviour of each profile. Timeouts of hours and days are tested in
//! `time_skipping.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use domain::OrderId;

/// Starts the local stack with the defaults of each profile.
async fn start_stack() -> Harness {
    Harness::start_with(&[("DELIVERY", "")]).await
}

async fn start_in_profile(harness: &Harness, profile: &str, mut order: Value) -> String {
    order["profile"] = json!(profile);
    harness.post("/orders", order).await.expect_started()
}

/// Returns the time of each audit event.
async fn audit_times(harness: &Harness, id: &str) -> Vec<(String, DateTime<Utc>)> {
    let events = store::audit_events::list(&harness.pool, &OrderId::parse(id).unwrap(), 0, 1_000)
        .await
        .unwrap()
        .unwrap();
    events
        .into_iter()
        .map(|event| (event.kind.to_string(), event.ts))
        .collect()
}

fn time_between(times: &[(String, DateTime<Utc>)], from: &str, to: &str) -> TimeDelta {
    let at = |kind: &str| {
        times
            .iter()
            .find(|(entry, _)| entry == kind)
            .unwrap_or_else(|| panic!("{kind}: {times:?}"))
            .1
    };
    at(to) - at(from)
}

#[tokio::test]
async fn production_reviews_expensive_orders_and_awaits_delivery_confirmation() {
    let harness = start_stack().await;
    let mut expensive = order_with_payment("pmt-dear");
    expensive["items"][0]["unit_price"] = json!("10000.00");
    let expensive = start_in_profile(&harness, "production", expensive).await;
    let mut cheap = order_with_payment("pmt-cheap");
    cheap["items"][0]["unit_price"] = json!("9999.99");
    let cheap = start_in_profile(&harness, "production", cheap).await;
    harness.wait_for_status(&cheap, "shipped").await;
    // ORD-07: about 5 dollars. The limit of dollars is not that of dongs.
    let mut in_dong = order_with_payment("pmt-dong");
    in_dong["currency"] = json!("VND");
    in_dong["items"][0]["unit_price"] = json!(120_000);
    let in_dong = start_in_profile(&harness, "production", in_dong).await;
    harness.wait_for_status(&in_dong, "shipped").await;
    let read = async || harness.get(&format!("/orders/{expensive}")).await.body;
    harness
        .wait_until("the review", read, |body| body["step"] == "manual_review")
        .await;
    harness
        .post(
            &format!("/orders/{expensive}/signals/approve"),
            json!({"reviewer": "ann"}),
        )
        .await
        .expect_status(200);
    harness.wait_for_status(&expensive, "shipped").await;
    for id in [&expensive, &cheap] {
        assert_eq!(
            harness.get(&format!("/orders/{id}/status")).await.body["is_running"],
            true
        );
        harness
            .post(
                &format!("/orders/{id}/signals/confirm-delivery"),
                json!({"signed_by": "bob"}),
            )
            .await
            .expect_status(200);
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    }
    // Without a payment id, the order waits for a confirmation.
    let unpaid = start_in_profile(&harness, "production", sample_order()).await;
    let read = async || harness.get(&format!("/orders/{unpaid}")).await.body;
    harness
        .wait_until("the wait for a payment", read, |body| body["step"] == "pay")
        .await;
    harness
        .post(&format!("/orders/{unpaid}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&unpaid).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn lifecycle_delays_each_step_and_completes_unattended() {
    let harness = start_stack().await;
    let id = start_in_profile(&harness, "lifecycle", sample_order()).await;
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let times = audit_times(&harness, &id).await;
    assert!(
        time_between(&times, "review_started", "review_timed_out") >= TimeDelta::seconds(3),
        "{times:?}"
    );
    assert!(
        time_between(&times, "review_timed_out", "payment_captured") >= TimeDelta::seconds(2),
        "{times:?}"
    );
    assert!(
        time_between(&times, "shipment_started", "order_shipped") >= TimeDelta::seconds(2),
        "{times:?}"
    );
    assert!(
        time_between(&times, "order_shipped", "order_delivered") >= TimeDelta::seconds(2),
        "{times:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn approval_waits_for_review_and_ends_at_dispatch() {
    let harness = start_stack().await;
    let id = start_in_profile(&harness, "approval", sample_order()).await;
    let read = async || harness.get(&format!("/orders/{id}")).await.body;
    harness
        .wait_until("the review", read, |body| body["step"] == "manual_review")
        .await;
    assert_eq!(harness.provider_movements(&id).await, [] as [&str; 0]);
    harness
        .post(&format!("/orders/{id}/signals/approve"), json!({}))
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(
        (view.status.as_str(), view.step.as_str()),
        ("shipped", "done")
    );
    let times = audit_times(&harness, &id).await;
    let policy = store::audit_events::list(&harness.pool, &OrderId::parse(&id).unwrap(), 0, 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(policy[0].payload["policy"]["deadline"], "1m", "{times:?}");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn quick_proceeds_unreviewed_after_eight_seconds() {
    let harness = start_stack().await;
    let left_alone = start_in_profile(&harness, "quick", sample_order()).await;
    let approved = start_in_profile(&harness, "quick", sample_order()).await;
    harness
        .post(&format!("/orders/{approved}/signals/approve"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end(&approved).await.status.as_str(),
        "shipped"
    );
    assert!(
        !harness
            .audit_event_types(&approved)
            .await
            .contains(&"review_timed_out".to_owned())
    );
    assert_eq!(
        harness.wait_for_end(&left_alone).await.status.as_str(),
        "shipped"
    );
    let times = audit_times(&harness, &left_alone).await;
    assert!(
        time_between(&times, "review_started", "review_timed_out") >= TimeDelta::seconds(8),
        "{times:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn checkout_never_charges_and_delivers_unattended() {
    let harness = start_stack().await;
    // Even with a payment id, the shop's own gateway charges.
    let id = start_in_profile(&harness, "checkout", order_with_payment("pmt-shop")).await;
    let paid =
        json!({"transaction_id": "txn-shop", "amount": 99.99, "payment_method": "credit_card"});
    harness
        .post(&format!("/orders/{id}/payment"), paid)
        .await
        .expect_status(200);
    let view = harness.wait_for_end(&id).await;
    assert_eq!(view.status.as_str(), "delivered");
    let payment = view.payment_info.unwrap();
    assert_eq!(
        (payment.payment_id.as_str(), payment.status.as_str()),
        ("pmt-shop", "captured")
    );
    assert_eq!(harness.provider_movements(&id).await, [] as [&str; 0]);
    let times = audit_times(&harness, &id).await;
    assert!(
        time_between(&times, "order_shipped", "order_delivered") >= TimeDelta::seconds(2),
        "{times:?}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn setting_overrides_profile_and_invalid_value_stops_worker() {
    let harness = Harness::start_with(&[
        ("ORDER_PROFILE", "lifecycle"),
        ("MANUAL_REVIEW_TIMEOUT", "0"),
        ("DELIVERY", "auto:0s"),
    ]);
    let harness = harness.await;
    let id = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    let trail = store::audit_events::list(&harness.pool, &OrderId::parse(&id).unwrap(), 0, 1)
        .await
        .unwrap()
        .unwrap();
    let policy = &trail[0].payload["policy"];
    assert_eq!(
        (&policy["review"]["timeout"], &policy["shipping_delay"]),
        (&json!("0s"), &json!("2s"))
    );
    for (name, value) in [
        ("ORDER_PROFILE", "fast"),
        ("REVIEW", "sometimes"),
        ("MANUAL_REVIEW_TIMEOUT", "soon"),
        ("PAYMENT", "cash"),
        ("COMPLETE_ON", "return"),
        ("DELIVERY", "auto:never"),
        ("ORDER_DEADLINE", "-1s"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "mysql"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_orderflow-under-test"));
        command
            .args(["serve", "api"])
            .envs(harness.environment.iter().cloned())
            .env(name, value);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}={value} was accepted");
        let line = error
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name}: {error}"));
        // The URL of a database contains a password and is not printed.
        assert!(
            (line.contains(value) || name == "DATABASE_URL") && line.contains("; allowed: "),
            "{line}"
        );
    }
}
