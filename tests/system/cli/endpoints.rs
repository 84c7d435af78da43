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

#[tokio::test]
async fn endpoint_is_created_changed_and_deleted() {
    let harness = Harness::start().await;
    let url = "https://shop.example/hooks";
    let create = ["endpoints", "create", url, "--description", "the shop"];
    let text = Harness::expect_stdout(harness.run_orderflow(&create).await);
    let receiver = format!("receives messages at {url}.");
    for part in [receiver.as_str(), "printed only now", "whsec_"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let id = text.split(' ').next().unwrap();
    let list = ["endpoints", "list", "--json"];
    let listed = harness.run_json(&list).await;
    assert_eq!(
        (&listed[0]["id"], &listed[0]["events"]),
        (&json!(id), &json!(["*"]))
    );
    assert!(!listed.to_string().contains("whsec_"), "{listed}");

    let change = ["endpoints", "change", id, "--events"];
    let change = [
        &change[..],
        &["order.paid,order.failed", "--description", "", "--json"],
    ]
    .concat();
    let changed = harness.run_json(&change).await;
    assert_eq!(
        [&changed["url"], &changed["events"], &changed["description"]],
        [
            &json!(url),
            &json!(["order.paid", "order.failed"]),
            &json!(null)
        ]
    );
    let moved = ["endpoints", "change", id, "--url", "https://shop.example/2"];
    let text = Harness::expect_stdout(harness.run_orderflow(&moved).await);
    assert!(
        text.contains("order.paid,order.failed at https://shop.example/2"),
        "{text}"
    );

    let rotate = ["endpoints", "rotate-secret", id];
    let rotated = harness.run_json(&[&rotate[..], &["--json"]].concat()).await;
    let secret = rotated["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{rotated}");
    let text = Harness::expect_stdout(harness.run_orderflow(&rotate).await);
    assert!(text.contains("printed only now"), "{text}");
    assert!(text.contains("whsec_") && !text.contains(secret), "{text}");

    let delete = ["endpoints", "delete", id];
    let unconfirmed = harness.run_orderflow(&delete).await;
    let message = String::from_utf8_lossy(&unconfirmed.stderr).into_owned();
    assert_eq!(unconfirmed.status.code(), Some(1), "{message}");
    assert!(message.contains("confirm with --yes"), "{message}");
    assert_eq!(harness.run_json(&list).await[0]["id"], id);
    let confirmed = [&delete[..], &["--yes", "--json"]].concat();
    assert_eq!(
        harness.run_json(&confirmed).await,
        json!({"id": id, "deleted": true})
    );
    assert_eq!(harness.run_json(&list).await, json!([]));
}

#[tokio::test]
async fn refused_endpoint_commands_name_the_next_step() {
    let harness = Harness::start().await;
    let private = "http://127.0.0.1:9/hooks";
    let invalid: [(&[&str], i32, &str); 6] = [
        (&["endpoints", "create", private], 1, "/url must"),
        (
            &[
                "endpoints",
                "create",
                "https://shop.example",
                "--events",
                "x",
            ],
            2,
            "order.created",
        ),
        (&["endpoints", "change", "ep_1"], 2, "--url"),
        (
            &["endpoints", "delete", "ep_1", "--yes"],
            1,
            "`orderflow endpoints list`",
        ),
        (
            &["endpoints", "rotate-secret", "../stock"],
            2,
            "endpoint id",
        ),
        (&["endpoints", "redeliver", "ep_1", "0"], 2, "DELIVERY_ID"),
    ];
    for (arguments, code, part) in invalid {
        let refused = harness.run_orderflow(arguments).await;
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(
            (refused.status.code(), message.lines().count()),
            (Some(code), 1),
            "{arguments:?}: {message}"
        );
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}

#[tokio::test]
async fn message_is_sent_to_its_endpoint_again() {
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
    let id = endpoints[0]["id"].as_str().unwrap();
    harness.run_json(&["endpoints", "test", id, "--json"]).await;
    let delivered = ["endpoints", "deliveries", id, "--status", "delivered"];
    let delivered = [&delivered[..], &["--json"]].concat();
    let read = async || harness.run_json(&delivered).await;
    let deliveries = harness
        .wait_until("the delivery of the test", read, |list| {
            !list.as_array().unwrap().is_empty()
        })
        .await;
    let delivery = deliveries[0]["id"].as_str().unwrap();
    let again = ["endpoints", "redeliver", id, delivery];
    let text = Harness::expect_stdout(harness.run_orderflow(&again).await);
    assert!(text.contains("is sent again"), "{text}");
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["type"], "endpoint.test", "{message}");
    }
    let unknown = ["endpoints", "redeliver", id, "999999999"];
    let refused = harness.run_orderflow(&unknown).await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    let next = format!("`orderflow endpoints deliveries {id}`");
    assert!(message.contains(&next), "{message}");
}
