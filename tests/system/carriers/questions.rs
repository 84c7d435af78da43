//! The question of an order to its carrier, whether an unconfirmed parcel was delivered.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    SECRET, accepted, bridge_settings, report, start_order, start_scripted, status_violations,
};
use crate::{
    api::order_with_payment,
    harness::Harness,
    recovery,
    write_path::{assert_gapless_audit_log, execute},
};
use domain::{Profile, ShipmentInfo, Span};

/// Starts an order whose delivery is not confirmed within a second.
async fn start_unconfirmed_order(harness: &Harness, id: &str) {
    let mut policy = Profile::Production.policy();
    policy.delivery.after = Span::from_secs(1);
    let order = order_with_payment(&format!("pmt-{id}"));
    harness
        .start_with_rules(id, order, policy, order_client::CURRENT_RULES)
        .await;
}

/// Runs an order whose delivery is not confirmed within a second.
pub(crate) async fn run_unconfirmed_order(harness: &Harness, id: &str) -> contract::OrderView {
    start_unconfirmed_order(harness, id).await;
    harness.wait_for_end(id).await
}

#[tokio::test]
async fn carrier_is_asked_about_an_unconfirmed_delivery() {
    let long_ago = "1999-01-01T00:00:00Z";
    let delivered = json!({"status": "delivered", "tracking_number": "TN-1", "at": long_ago});
    let moving = json!({"status": "in_transit", "at": "2026-11-22T08:00:00Z"});
    for answer in [&delivered, &moving] {
        assert_eq!(status_violations(answer), Vec::<String>::new());
    }
    let answers = [
        accepted("TN-1"),
        // A failed question is asked again.
        (503, json!({"code": "carrier_down"})),
        (200, delivered),
        accepted("TN-2"),
        (200, moving),
        accepted("TN-3"),
        // A bridge without the call.
        (405, json!({})),
    ];
    let (bridge, address) = start_scripted(&answers).await;
    let settings = bridge_settings(&address);
    let harness = Harness::start_with(&settings).await;
    for (id, basis, kinds) in [
        ("asked", "confirmed", &["delivered"][..]),
        ("moving", "not_confirmed_in_time", &["in_transit"]),
        ("unanswered", "not_confirmed_in_time", &[]),
    ] {
        let ended = run_unconfirmed_order(&harness, id).await;
        assert_eq!(ended.status.as_str(), "delivered", "{id}");
        let shipment = ended.shipment_info.unwrap();
        let reported: Vec<_> = shipment
            .events
            .iter()
            .map(|event| event.kind.as_str())
            .collect();
        assert_eq!(reported, kinds, "{id}");
        if basis == "confirmed" {
            // The carrier's time lies before the dispatch.
            assert_eq!(shipment.delivered_at, shipment.shipped_at);
            assert_eq!(
                shipment.events[0].at.to_rfc3339(),
                "1999-01-01T00:00:00+00:00"
            );
        }
        let log = harness.get(&format!("/orders/{id}/events")).await.body;
        let events = log["events"].as_array().unwrap();
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
        assert_eq!(of("shipment_tracked"), kinds.len(), "{id}: {log}");
        let last = events.last().unwrap();
        assert_eq!(last["type"], "order_delivered", "{log}");
        assert_eq!(last["payload"]["basis"], basis, "{log}");
        // The order itself has asked.
        assert!(
            events
                .iter()
                .all(|event| event["actor"] != "webhook:carrier"),
            "{log}"
        );
    }
    let calls = bridge.calls.lock().unwrap().clone();
    let made: Vec<_> = calls
        .iter()
        .map(|call| {
            let shipment = call.path.strip_prefix("/v1/shipments/").unwrap();
            (call.method.as_str(), shipment, call.body.is_null())
        })
        .collect();
    assert_eq!(
        made,
        [
            ("PUT", "asked-PKG-001", false),
            ("GET", "asked-PKG-001", true),
            ("GET", "asked-PKG-001", true),
            ("PUT", "moving-PKG-001", false),
            ("GET", "moving-PKG-001", true),
            ("PUT", "unanswered-PKG-001", false),
            ("GET", "unanswered-PKG-001", true),
        ]
    );
    harness.assert_invariants().await;
}

/// Returns the payload of the event `order_delivered`, which is the last one, and the number of reports.
async fn read_delivery(harness: &Harness, id: &str) -> (Value, usize) {
    let path = format!("/orders/{id}/events?limit=200");
    let log = harness.get(&path).await.body;
    let events = log["events"].as_array().unwrap();
    let reports = events
        .iter()
        .filter(|event| event["type"] == "shipment_tracked");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "order_delivered", "{log}");
    (last["payload"].clone(), reports.count())
}

#[tokio::test]
async fn confirmation_ends_the_question() {
    // The carrier answers no question, so only the confirmation or the time limit ends it.
    let answers = [accepted("TN-1"), (503, json!({"code": "carrier_down"}))];
    let (bridge, address) = start_scripted(&answers).await;
    let harness = Harness::start_with(&bridge_settings(&address)).await;
    let id = "confirmed-late";
    start_unconfirmed_order(&harness, id).await;
    let questions = async || bridge.questions();
    harness
        .wait_until("a question", questions, |asked| *asked > 0)
        .await;
    harness
        .post(&format!("/orders/{id}/signals/confirm-delivery"), json!({}))
        .await
        .expect_status(200);
    let ended = harness.wait_for_end(id).await;
    assert_eq!(ended.status.as_str(), "delivered");
    let (delivery, reports) = read_delivery(&harness, id).await;
    assert_eq!(
        (delivery["basis"].as_str(), reports),
        (Some("confirmed"), 0)
    );
    // The time limit would end the question without this request. The history has it after the database.
    let history = async || harness.fetch_history_event_types(id).await;
    let is_cancelled = |history: &Vec<String>| {
        let requested = "EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED";
        history.iter().any(|kind| kind == requested)
    };
    harness
        .wait_until("the end of the question", history, is_cancelled)
        .await;
    harness.assert_invariants().await;
}

/// The new run knows the parcel from the database.
#[tokio::test]
async fn carrier_is_asked_about_a_recovered_order() {
    let delivered = (200, json!({"status": "delivered"}));
    let answers = [accepted("TN-1"), delivered];
    let (bridge, address) = start_scripted(&answers).await;
    let [url, secret] = bridge_settings(&address);
    let settings = [url, secret, ("DELIVERY", "confirm")];
    let harness = Harness::start_with(&settings).await;
    let id = "recovered-shipped";
    start_order(&harness, id).await;
    recovery::wait_for_event(&harness, id, "order_shipped").await;
    recovery::terminate(&harness, id).await;
    // The new run reads its policy there, and waits for a second instead of 14 days.
    execute(
        &harness,
        r#"update events set payload_json = jsonb_set(payload_json, '{policy, delivery, after}', '"1s"') where seq = 1"#,
    )
    .await;
    recovery::recover(&harness, "recovered", 1).await;
    let ended = harness.wait_for_end(id).await;
    assert_eq!(ended.status.as_str(), "delivered");
    let (delivery, reports) = read_delivery(&harness, id).await;
    assert_eq!(
        (delivery["basis"].as_str(), reports),
        (Some("confirmed"), 1)
    );
    let parcel = format!("{id}-PKG-001");
    assert_eq!(
        bridge.calls(),
        [(Method::PUT, parcel.clone()), (Method::GET, parcel)]
    );
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

/// Runs an order about which the bridge sends reports before the dispatch, so that the question is later.
async fn run_reported_order(harness: &Harness, id: &str, reports: usize) {
    let mut policy = Profile::Production.policy();
    policy.delivery.after = Span::from_secs(1);
    policy.shipping_delay = Span::from_secs(3_600);
    let order = order_with_payment(&format!("pmt-{id}"));
    harness
        .start_with_rules(id, order, policy, order_client::CURRENT_RULES)
        .await;
    harness.wait_for_reason(id, "shipping_delay").await;
    let now = chrono::Utc::now().to_rfc3339();
    let parcel = format!("{id}-PKG-001");
    for number in 0..reports {
        let sent = ("in_transit", &*parcel, &*now);
        let message = format!("{id}-{number}");
        assert_eq!(report(harness, &message, sent).await, 200);
    }
    // A change of the address ends the delay.
    let path = format!("/orders/{id}/signals/update-address");
    harness
        .post(&path, json!({"street": "2 Side St"}))
        .await
        .expect_status(200);
    let ended = harness.wait_for_end(id).await;
    assert_eq!(ended.status.as_str(), "delivered");
}

#[tokio::test]
async fn answer_is_compared_with_the_reports() {
    let moving = json!({"status": "in_transit"});
    let delivered = json!({"status": "delivered", "at": "1999-01-01T00:00:00Z"});
    let answers = [
        accepted("TN-1"),
        (200, moving),
        accepted("TN-2"),
        (200, delivered),
    ];
    let (bridge, address) = start_scripted(&answers).await;
    let [url, secret] = bridge_settings(&address);
    let settings = [url, secret, ("WEBHOOK_SECRETS_CARRIER", SECRET)];
    let harness = Harness::start_with(&settings).await;
    for (id, sent, basis, recorded) in [
        // The answer is the report that the order has.
        ("reports-known", 1, "not_confirmed_in_time", 1),
        // The order keeps this number of reports, and all are newer than the delivery.
        (
            "reports-full",
            ShipmentInfo::MAX_EVENTS,
            "confirmed",
            ShipmentInfo::MAX_EVENTS + 1,
        ),
    ] {
        run_reported_order(&harness, id, sent).await;
        let (delivery, reports) = read_delivery(&harness, id).await;
        assert_eq!(
            (&delivery["basis"], reports),
            (&json!(basis), recorded),
            "{id}"
        );
    }
    assert_eq!(bridge.questions(), 2);
    harness.assert_invariants().await;
}
