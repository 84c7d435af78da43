//! `endpoints` and `listen`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::assert_matches_snapshot;
use crate::{endpoints::SETTINGS, harness::Harness};

#[tokio::test]
async fn listen_prints_messages_and_deletes_its_endpoint() {
    let harness = Harness::start_with(&SETTINGS).await;
    let mut listener = harness
        .command()
        .args(["listen", "--json"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let read = async || harness.run_json(&["endpoints", "list", "--json"]).await;
    let endpoints = harness
        .wait_until("the endpoint", read, |list| {
            !list.as_array().unwrap().is_empty()
        })
        .await;
    assert_eq!(endpoints[0]["description"], "orderflow listen");
    let id = harness.complete_order("listen").await;
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut types = Vec::new();
    while types.len() < 4 {
        let line = lines.next_line().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["data"]["order_id"], json!(id));
        types.push(message["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(types, crate::endpoints::HAPPY);
    let interrupt = ["-INT".to_owned(), listener.id().unwrap().to_string()];
    let sent = Command::new("kill").args(interrupt).status().await;
    assert!(sent.unwrap().success());
    assert!(listener.wait().await.unwrap().success());
    let left = harness.run_json(&["endpoints", "list", "--json"]).await;
    assert_eq!(left, json!([]));
}

#[tokio::test]
async fn listen_needs_private_addresses() {
    let harness = Harness::start().await;
    let refused = harness.run_orderflow(&["listen"]).await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{message}");
    assert!(message.contains("ENDPOINT_ADDRESSES=any"), "{message}");
}

#[tokio::test]
async fn disabled_endpoint_is_reported_and_enabled() {
    let harness = Harness::start_with(&SETTINGS).await;
    let empty = harness.record_session(&[&["endpoints", "list"]]).await;
    harness
        .post(
            "/webhook-endpoints",
            json!({"url": "https://shop.example/hooks", "events": ["order.failed"]}),
        )
        .await
        .expect_status(201);
    let id = harness.run_json(&["endpoints", "list", "--json"]).await[0]["id"].clone();
    let id = id.as_str().unwrap();
    sqlx::query(
        "update webhook_endpoints set is_enabled = false, disabled_at = now(),
             disabled_reason = 'the receiver responded 500'",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    let check = harness.run_orderflow(&["check"]).await;
    let line = String::from_utf8_lossy(&check.stdout).into_owned();
    let line = line
        .lines()
        .find(|line| line.contains("endpoints"))
        .unwrap();
    assert!(
        line.starts_with("FAILED") && line.contains("1 disabled"),
        "{line}"
    );
    let session = harness
        .record_session(&[
            &["endpoints", "list"],
            &["endpoints", "test", id],
            &["endpoints", "enable", id],
            &["endpoints", "deliveries", id],
            &["endpoints", "deliveries", "ep_unknown"],
        ])
        .await;
    assert_matches_snapshot("endpoints", &(empty + &session));
}
