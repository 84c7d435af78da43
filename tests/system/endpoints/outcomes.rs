//! Failed attempts, disabled endpoints, repeated messages and changed secrets.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{HAPPY, SETTINGS, receiver::Answer};
use crate::harness::Harness;

impl Harness {
    pub(super) async fn wait_until_disabled(&self, path: &str) -> Value {
        let read = async || self.get(path).await.body;
        self.wait_until("a disabled endpoint", read, |endpoint| {
            endpoint["is_enabled"] == false
        })
        .await
    }
}

#[tokio::test]
async fn failing_message_delays_only_its_order() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    let first = harness.complete_order("first").await;
    harness.wait_for_deliveries(&endpoint, "delivered", 4).await;
    // Each message of one order fails twice; its later messages wait for it.
    let second = "second-order";
    endpoint.receiver.decide(move |attempt, _| {
        if attempt.order_id() == second && attempt.kind() == "order.created" {
            Answer::Reject(503)
        } else {
            Answer::Accept
        }
    });
    harness
        .post(
            &format!("/orders/{second}/start"),
            json!({"payment_id": "pmt-second"}),
        )
        .await
        .expect_started();
    harness.wait_for_end(second).await;
    let third = harness.complete_order("third").await;
    harness.wait_for_deliveries(&endpoint, "delivered", 8).await;
    let accepted = endpoint.receiver.types_by_order();
    assert_eq!(accepted[&first], HAPPY);
    assert_eq!(accepted[&third], HAPPY);
    assert_eq!(accepted.get(second), None);
    endpoint.receiver.decide(|_, _| Answer::Accept);
    harness
        .wait_for_deliveries(&endpoint, "delivered", 12)
        .await;
    assert_eq!(endpoint.receiver.types_by_order()[second], HAPPY);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn dead_receiver_delays_no_other() {
    let harness = Harness::start_with(&SETTINGS).await;
    let dead = harness.create_endpoint(&["*"]).await;
    dead.receiver.decide(|_, _| Answer::Hang);
    let alive = harness.create_endpoint(&["*"]).await;
    // More messages than the connections of one endpoint.
    for _ in 0..40 {
        harness
            .post(&format!("{}/test", dead.path()), json!({}))
            .await
            .expect_status(202);
    }
    let read = async || dead.receiver.count_attempts();
    harness
        .wait_until("calls that hang", read, |count| *count >= 16)
        .await;
    harness.complete_order("alive").await;
    harness.wait_for_deliveries(&alive, "delivered", 4).await;
    assert_eq!(dead.receiver.count_attempts(), 16);
}

#[tokio::test]
async fn endpoint_without_success_is_disabled_and_enabled() {
    let retry = [("ENDPOINT_RETRY_FOR", "2s")];
    let harness = Harness::start_with(&[&SETTINGS[..], &retry].concat()).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    endpoint.receiver.decide(|_, _| Answer::Reject(500));
    let id = harness.complete_order("disabled").await;
    let disabled = harness.wait_until_disabled(&endpoint.path()).await;
    assert_eq!(disabled["disabled_reason"], "the receiver responded 500");
    assert!(disabled["disabled_at"].is_string(), "{disabled}");
    let log = harness.read_log("worker");
    assert!(log.contains("an endpoint is disabled"), "{log}");
    // Nothing is lost, and a disabled endpoint gets no further messages.
    harness.complete_order("while-disabled").await;
    let waiting = harness.wait_for_deliveries(&endpoint, "pending", 4).await;
    assert_eq!(waiting.len(), 4);
    for path in [
        "test".to_owned(),
        format!(
            "deliveries/{}/redeliver",
            waiting[0]["id"].as_str().unwrap()
        ),
    ] {
        harness
            .post(&format!("{}/{path}", endpoint.path()), json!({}))
            .await
            .expect_problem(409, "endpoint_disabled");
    }
    endpoint.receiver.decide(|_, _| Answer::Accept);
    let enabled = harness
        .post(&format!("{}/enable", endpoint.path()), json!({}))
        .await
        .expect_status(200);
    assert_eq!(enabled["is_enabled"], true);
    harness.wait_for_deliveries(&endpoint, "delivered", 4).await;
    assert_eq!(endpoint.receiver.types_by_order()[&id], HAPPY);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn rejected_message_of_a_working_endpoint_fails_alone() {
    let retry = [("ENDPOINT_RETRY_FOR", "3s")];
    let harness = Harness::start_with(&[&SETTINGS[..], &retry].concat()).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    endpoint.receiver.decide(|attempt, _| {
        if attempt.kind() == "order.paid" {
            Answer::Reject(400)
        } else {
            Answer::Accept
        }
    });
    let id = harness.complete_order("rejected").await;
    // The endpoint accepts other messages in the meantime.
    let read = async || {
        harness
            .post(&format!("{}/test", endpoint.path()), json!({}))
            .await;
        let deliveries = harness.list_deliveries(&endpoint).await;
        let failed = deliveries
            .into_iter()
            .filter(|delivery| delivery["status"] == "failed");
        failed.collect::<Vec<_>>()
    };
    let failed = harness
        .wait_until("a failed message", read, |failed| !failed.is_empty())
        .await;
    assert_eq!(failed[0]["type"], "order.paid");
    assert_eq!(failed[0]["response_status"], 400);
    let delivered = async || endpoint.receiver.types_by_order().get(&id).cloned();
    harness
        .wait_until("the later messages", delivered, |types| {
            types.as_deref()
                == Some(&["order.created", "order.shipped", "order.delivered"].map(str::to_owned))
        })
        .await;
    let read = harness.get(&endpoint.path()).await.expect_status(200);
    assert_eq!(read["is_enabled"], true);
    // After a correction, the failed message is sent again.
    endpoint.receiver.decide(|_, _| Answer::Accept);
    let path = format!(
        "{}/deliveries/{}/redeliver",
        endpoint.path(),
        failed[0]["id"].as_str().unwrap()
    );
    let again = harness.post(&path, json!({})).await.expect_status(202);
    assert_eq!(again["status"], "pending");
    let delivered = async || endpoint.receiver.types_by_order()[&id].len();
    harness
        .wait_until("the failed message", delivered, |count| *count == 4)
        .await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn response_gone_disables_the_endpoint() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    endpoint.receiver.decide(|_, _| Answer::Reject(410));
    harness
        .post(&format!("{}/test", endpoint.path()), json!({}))
        .await
        .expect_status(202);
    let disabled = harness.wait_until_disabled(&endpoint.path()).await;
    assert_eq!(
        disabled["disabled_reason"],
        "the receiver responded 410 Gone"
    );
    assert_eq!(endpoint.receiver.count_attempts(), 1);
}

#[tokio::test]
async fn redirect_is_a_failure_and_not_followed() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    endpoint.receiver.decide(|attempt, count| {
        if attempt.path == "/hooks" && count == 0 {
            Answer::Redirect
        } else {
            Answer::Accept
        }
    });
    harness
        .post(&format!("{}/test", endpoint.path()), json!({}))
        .await
        .expect_status(202);
    let delivered = harness.wait_for_deliveries(&endpoint, "delivered", 1).await;
    assert_eq!(delivered[0]["attempts"], 2);
    let paths: Vec<_> = endpoint.receiver.attempts();
    assert!(
        paths.iter().all(|attempt| attempt.path == "/hooks"),
        "{paths:?}"
    );
}

#[tokio::test]
async fn message_that_is_sent_again_is_the_same() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["order.shipped"]).await;
    harness.complete_order("again").await;
    let delivered = harness.wait_for_deliveries(&endpoint, "delivered", 1).await;
    let path = format!(
        "{}/deliveries/{}/redeliver",
        endpoint.path(),
        delivered[0]["id"].as_str().unwrap()
    );
    harness.post(&path, json!({})).await.expect_status(202);
    let read = async || endpoint.receiver.count_attempts();
    harness
        .wait_until("the repeated message", read, |count| *count == 2)
        .await;
    let attempts = endpoint.receiver.attempts();
    assert_eq!(attempts[0].message_id, attempts[1].message_id);
    assert_eq!(attempts[0].body, attempts[1].body);
    for id in ["0", "x", "99999999", "-1"] {
        harness
            .post(
                &format!("{}/deliveries/{id}/redeliver", endpoint.path()),
                json!({}),
            )
            .await
            .expect_problem(404, "delivery_not_found");
    }
}

#[tokio::test]
async fn test_message_reaches_a_receiver_of_other_types() {
    // A message of a test has no delay.
    let settings = [("ENDPOINT_ADDRESSES", "any"), ("ENDPOINT_DELAY", "1h")];
    let harness = Harness::start_with(&settings).await;
    let endpoint = harness.create_endpoint(&["order.failed"]).await;
    let sent = harness
        .post(&format!("{}/test", endpoint.path()), json!({}))
        .await
        .expect_status(202);
    assert_eq!(
        (&sent["type"], &sent["order_id"]),
        (&json!("endpoint.test"), &Value::Null)
    );
    let read = async || endpoint.receiver.accepted();
    let accepted = harness
        .wait_until("the test", read, |accepted| !accepted.is_empty())
        .await;
    assert_eq!(accepted[0].kind(), "endpoint.test");
    assert_eq!(accepted[0].json["data"]["endpoint_id"], json!(endpoint.id));
    assert_eq!(json!(accepted[0].message_id), sent["message_id"]);
}

#[tokio::test]
async fn previous_secret_signs_for_a_day() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    let rotate = async || {
        harness
            .post(&format!("{}/rotate-secret", endpoint.path()), json!({}))
            .await
            .expect_status(200)
    };
    let rotated = rotate().await;
    let secret = rotated["secret"].as_str().unwrap();
    assert_ne!(secret, endpoint.secret);
    let end: DateTime<Utc> = rotated["previous_valid_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let hours = (end - Utc::now()).num_minutes() as f64 / 60.0;
    assert!((23.9..=24.0).contains(&hours), "{hours}");
    // The receiver has the old secret only, then the new one only.
    for (number, trusted) in [endpoint.secret.as_str(), secret].into_iter().enumerate() {
        endpoint.receiver.trust(&[trusted]);
        harness
            .post(&format!("{}/test", endpoint.path()), json!({}))
            .await
            .expect_status(202);
        harness
            .wait_for_deliveries(&endpoint, "delivered", number + 1)
            .await;
    }
    let attempts = endpoint.receiver.attempts();
    assert!(
        attempts.iter().all(|attempt| attempt.signatures.len() == 2),
        "{attempts:?}"
    );
    assert_eq!(endpoint.receiver.count_refused(), 0);
    // A second rotation ends the first secret, and time ends the second one.
    let last = rotate().await["secret"].as_str().unwrap().to_owned();
    sqlx::query(
        "update webhook_endpoint_secrets set expires_at = now() where expires_at is not null",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    endpoint.receiver.trust(&[&last]);
    harness
        .post(&format!("{}/test", endpoint.path()), json!({}))
        .await
        .expect_status(202);
    harness.wait_for_deliveries(&endpoint, "delivered", 3).await;
    let attempts = endpoint.receiver.attempts();
    assert_eq!(attempts[2].signatures.len(), 1);
}

#[tokio::test]
async fn call_without_a_response_ends_and_is_repeated() {
    let harness = Harness::start_with(&SETTINGS).await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    endpoint.receiver.decide(|_, count| match count {
        0 => Answer::Hang,
        _ => Answer::Accept,
    });
    let sent = Instant::now();
    harness
        .post(&format!("{}/test", endpoint.path()), json!({}))
        .await
        .expect_status(202);
    let delivered = harness.wait_for_deliveries(&endpoint, "delivered", 1).await;
    assert_eq!(delivered[0]["attempts"], 2);
    assert!(sent.elapsed() >= Duration::from_secs(15));
}

/// A receiver can ask for a pause, up to the longest one.
#[tokio::test]
async fn busy_receiver_gets_the_pause_it_asks_for() {
    let settings = [
        ("ENDPOINT_ADDRESSES", "any"),
        ("ENDPOINT_FIRST_PAUSE", "100ms"),
        ("ENDPOINT_LONGEST_PAUSE", "1h"),
    ];
    let harness = Harness::start_with(&settings).await;
    for (status, asked, least) in [(429, 1_200, 1_200), (503, 1_000_000, 3_600)] {
        let endpoint = harness.create_endpoint(&["*"]).await;
        endpoint
            .receiver
            .decide(move |_, _| Answer::Busy(status, asked));
        harness
            .post(&format!("{}/test", endpoint.path()), json!({}))
            .await
            .expect_status(202);
        let read = async || harness.list_deliveries(&endpoint).await.remove(0);
        let is_answered = |delivery: &Value| delivery["response_status"] == status;
        let delivery = harness.wait_until("a response", read, is_answered).await;
        let time =
            |name: &str| -> DateTime<Utc> { delivery[name].as_str().unwrap().parse().unwrap() };
        let next = time("next_attempt_at");
        assert!(
            next >= time("created_at") + TimeDelta::seconds(least)
                && next <= Utc::now() + TimeDelta::hours(1),
            "{delivery}"
        );
        assert_eq!(endpoint.receiver.count_attempts(), 1);
    }
}
