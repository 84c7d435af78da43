//! Test webhook events of payment providers, and their outcomes.

use std::process::Output;

use serde_json::{Value, json};

use super::{assert_matches_snapshot, format_session_entry};
use crate::{harness::Harness, webhooks};

const WAITS: &[&str] = &["--profile", "checkout", "--json"];

/// Starts a harness with webhook secrets and a short settlement grace.
async fn start_harness() -> Harness {
    webhooks::start_with_webhooks(&[("SETTLEMENT_GRACE", "1s")]).await
}

impl Harness {
    async fn with_secrets(&self, arguments: &[&str]) -> Output {
        self.command()
            .envs(webhooks::webhook_settings())
            .args(arguments)
            .output()
            .await
            .unwrap()
    }

    async fn sent(&self, arguments: &[&str]) -> Value {
        let arguments = [&["webhook", "send"], arguments, &["--json"]].concat();
        serde_json::from_str(&Self::expect_stdout(self.with_secrets(&arguments).await)).unwrap()
    }

    /// Returns the one-line error of a command that must fail.
    #[track_caller]
    fn refused(output: &Output) -> String {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), message.lines().count()),
            (Some(1), 1),
            "{message}"
        );
        message
    }

    /// Waits for the outcome of an event and returns the event.
    async fn came_of(&self, event_id: &str) -> Value {
        let look = async || {
            let output = self
                .run_orderflow(&["webhooks", "show", event_id, "--json"])
                .await;
            serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
        };
        let is_known = |seen: &Value| {
            seen["outcome"]
                .as_str()
                .is_some_and(|outcome| outcome != "pending")
        };
        self.wait_until(&format!("the outcome of {event_id}"), look, is_known)
            .await
    }
}

#[tokio::test]
async fn test_event_pays_an_order_once() {
    let harness = start_harness().await;
    harness
        .run_json(&[&["start-order", "wh-cli-1", "pmt-wh-cli-1"], WAITS].concat())
        .await;
    harness.wait_for_status("wh-cli-1", "pending").await;
    let send = [
        "webhook",
        "send",
        "standard",
        "wh-cli-1",
        "--event-id",
        "evt-wh-1",
        "--transaction-id",
        "tx-wh-1",
    ];
    let mut session = format_session_entry(&send, &harness.with_secrets(&send).await);
    assert_eq!(
        harness.wait_for_end("wh-cli-1").await.status.as_str(),
        "delivered"
    );
    assert_eq!(harness.came_of("evt-wh-1").await["outcome"], "applied");
    // A repeated event with a new signature is a duplicate, and so is another event of the same
    // payment.
    session += &format_session_entry(&send, &harness.with_secrets(&send).await);
    let duplicate = harness
        .sent(&["standard", "wh-cli-1", "--event-id", "evt-wh-2"])
        .await;
    assert_eq!(
        duplicate["transaction_id"], "tx-wh-1",
        "the transaction id of the order's own payment"
    );
    assert_eq!(harness.came_of("evt-wh-2").await["outcome"], "known");
    session += &harness
        .record_session(&[
            &["webhooks", "list", "--order", "wh-cli-1"],
            &["webhooks", "show", "evt-wh-1"],
            &["webhooks", "show", "evt-wh-1", "--json"],
            &["webhooks", "list", "--outcome", "refund_due"],
            &["webhooks", "show", "evt-wh-3"],
            &["webhooks", "replay", "evt-wh-3"],
            &["webhooks", "show", "evt-wh-1", "--provider", "stripe"],
        ])
        .await;
    assert_matches_snapshot("webhook_events", &session);
    let all = harness.run_json(&["webhooks", "list", "--json"]).await;
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    let newest = harness
        .run_json(&["webhooks", "list", "--limit", "1", "--json"])
        .await;
    assert_eq!(newest[0]["event_id"], "evt-wh-2");
    let of_transaction = harness
        .run_json(&["webhooks", "list", "--order", "tx-wh-1", "--json"])
        .await;
    assert_eq!(of_transaction.as_array().unwrap().len(), 2);
    let of_workflow = harness
        .run_json(&["webhooks", "list", "--order", "order-wh-cli-1", "--json"])
        .await;
    assert_eq!(of_workflow.as_array().unwrap().len(), 2);

    // A replay does not repeat the effects.
    let audit_events = harness.audit_event_types("wh-cli-1").await;
    let again = harness
        .run_json(&["webhooks", "replay", "evt-wh-1", "--json"])
        .await;
    assert_eq!(again["outcome_before"], "applied");
    assert!(
        ["applied", "known"].contains(&again["outcome"].as_str().unwrap()),
        "{again}"
    );
    assert_eq!(harness.audit_event_types("wh-cli-1").await, audit_events);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn every_provider_pays_or_informs_operators() {
    let harness = start_harness().await;
    for provider in ["stripe", "adyen", "standard", "square", "checkout"] {
        let id = format!("wh-by-{provider}");
        harness
            .run_json(&[&["start-order", id.as_str()], WAITS].concat())
            .await;
        harness.wait_for_status(&id, "pending").await;
        let sent = harness.sent(&[provider, &id]).await;
        assert_eq!(
            (&sent["status"], &sent["amount"]),
            (&json!(200), &json!(9.99)),
            "{provider}"
        );
        assert_eq!(
            harness.wait_for_end(&id).await.status.as_str(),
            "delivered",
            "{provider}"
        );
        let event_id = sent["event_id"].as_str().unwrap();
        assert_eq!(
            harness.came_of(event_id).await["outcome"],
            "applied",
            "{provider}"
        );
    }
    harness
        .run_json(&[&["start-order", "wh-by-none"], WAITS].concat())
        .await;
    for provider in ["mollie", "gocardless", "shopify"] {
        let message = Harness::expect_stdout(
            harness
                .with_secrets(&["webhook", "send", provider, "wh-by-none"])
                .await,
        );
        assert!(
            message.contains("shown to operators and pays nothing"),
            "{message}"
        );
        let sent = harness.sent(&[provider, "wh-by-none"]).await;
        let event_id = sent["event_id"].as_str().unwrap();
        assert_eq!(
            harness.came_of(event_id).await["outcome"],
            "unconfirmed",
            "{provider}"
        );
    }
    assert_eq!(
        harness.get("/orders/wh-by-none").await.body["status"],
        "pending"
    );
    let listed = harness
        .run_json(&["webhooks", "list", "--outcome", "unconfirmed", "--json"])
        .await;
    assert_eq!(listed.as_array().unwrap().len(), 6, "{listed}");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn failed_attempts_and_disputes_are_recorded() {
    let harness = start_harness().await;
    harness
        .run_json(&[&["start-order", "wh-cli-2"], WAITS].concat())
        .await;
    harness.wait_for_status("wh-cli-2", "pending").await;
    // After a failed attempt, the order waits for the next one.
    let failed = harness
        .sent(&["checkout", "wh-cli-2", "--event", "failed"])
        .await;
    let event_id = failed["event_id"].as_str().unwrap();
    assert_eq!(harness.came_of(event_id).await["outcome"], "recorded");
    assert_eq!(
        harness.get("/orders/wh-cli-2").await.body["status"],
        "pending"
    );
    let again = harness
        .run_json(&["webhooks", "replay", event_id, "--json"])
        .await;
    assert_eq!(
        (&again["outcome"], &again["is_new"]),
        (&json!("recorded"), &json!(false)),
        "the order has the event already"
    );
    let message = Harness::expect_stdout(
        harness
            .run_orderflow(&["webhooks", "replay", event_id])
            .await,
    );
    assert!(
        message.contains("the order already had this event"),
        "{message}"
    );
    harness.sent(&["checkout", "wh-cli-2"]).await;
    assert_eq!(
        harness.wait_for_end("wh-cli-2").await.status.as_str(),
        "delivered"
    );
    let disputed = harness
        .sent(&["checkout", "wh-cli-2", "--event", "disputed"])
        .await;
    let event_id = disputed["event_id"].as_str().unwrap();
    assert_eq!(harness.came_of(event_id).await["outcome"], "recorded");
    let message =
        Harness::expect_stdout(harness.run_orderflow(&["webhooks", "show", event_id]).await);
    assert!(message.contains("answer the dispute of"), "{message}");
    assert!(
        harness
            .audit_event_types("wh-cli-2")
            .await
            .contains(&"payment_disputed".to_owned())
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn payment_without_our_refund_is_refund_due() {
    let stripe = [
        ("PAYMENT_PROVIDER", "stripe"),
        ("STRIPE_API_KEY", "sk_test_cli"),
        ("STRIPE_API_BASE", "http://127.0.0.1:9"),
    ];
    let harness =
        webhooks::start_with_webhooks(&[&stripe[..], &[("SETTLEMENT_GRACE", "1s")]].concat()).await;
    let send = [
        "standard",
        "wh-cli-due",
        "--amount",
        "12.50",
        "--currency",
        "eur",
        "--event-id",
        "evt-wh-due",
    ];
    harness
        .sent(&[&send[..], &["--transaction-id", "tx-wh-due"]].concat())
        .await;
    assert_eq!(harness.came_of("evt-wh-due").await["outcome"], "refund_due");
    let session = harness
        .record_session(&[
            &["webhooks", "list", "--outcome", "refund_due"],
            &["webhooks", "show", "evt-wh-due"],
            &["webhooks", "replay", "evt-wh-due"],
        ])
        .await;
    assert_matches_snapshot("payment_refund_due", &session);
    // An operator repays the money where no event reports it, and closes the entry.
    let list = ["money", "list", "--json"];
    let entries = harness.run_json(&list).await;
    assert_eq!(
        (&entries[0]["amount"], &entries[0]["currency"]),
        (&json!(12.5), &json!("EUR")),
        "{entries}"
    );
    let id = entries[0]["id"].as_str().unwrap();
    let resolve = ["money", "resolve", id, "--note", "repaid by hand", "--json"];
    assert_eq!(harness.run_json(&resolve).await["closed"], json!(true));
    assert_eq!(harness.run_json(&list).await, json!([]));
    let shown = harness.run_json(&["money", "show", id, "--json"]).await;
    let movements = shown["payments"][0]["movements"].as_array().unwrap();
    assert!(
        movements
            .iter()
            .any(|movement| movement["kind"] == "resolved"),
        "{shown}"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn webhook_send_errors_name_the_next_step() {
    // The API has secrets for two providers only, and one of them differs from the command's.
    let harness = Harness::start_with(&[
        ("WEBHOOK_SECRETS_STRIPE", "whsec_stripe"),
        ("WEBHOOK_SECRETS_GOCARDLESS", "another"),
    ])
    .await;
    harness
        .run_json(&[&["start-order", "wh-cli-3"], WAITS].concat())
        .await;
    harness.wait_for_status("wh-cli-3", "pending").await;
    let mut session = String::new();
    let invalid: &[&[&str]] = &[
        &["webhook", "send", "mollie", "wh-cli-3", "--event", "failed"],
        &["webhook", "send", "adyen", "wh-cli-3"],
        &["webhook", "send", "gocardless", "wh-cli-3"],
        &["webhook", "send", "stripe", "wh-cli-unknown"],
        &["webhook", "send", "stripe", "wh-cli-3", "--amount", "1.234"],
        &[
            "webhook",
            "send",
            "stripe",
            "wh-cli-3",
            "--amount",
            "1.234",
            "--currency",
            "lyd",
        ],
    ];
    for arguments in invalid {
        let output = harness.with_secrets(arguments).await;
        Harness::refused(&output);
        session += &format_session_entry(arguments, &output);
    }
    let send = ["webhook", "send", "square", "wh-cli-3"];
    for (name, value) in [
        ("WEBHOOK_SECRETS_SQUARE", ""),
        ("WEBHOOK_URL_SQUARE", ""),
        ("WEBHOOK_SECRETS_FILE", "/nowhere/secrets"),
        ("ORDERFLOW_URL", "http://127.0.0.1:9"),
    ] {
        let mut command = harness.command();
        let output = command
            .envs(webhooks::webhook_settings())
            .env(name, value)
            .args(send)
            .output()
            .await
            .unwrap();
        Harness::refused(&output);
        session += &format_session_entry(&send, &output);
    }
    let adyen = ["webhook", "send", "adyen", "wh-cli-3"];
    let mut command = harness.command();
    let output = command
        .env("WEBHOOK_SECRETS_ADYEN", "not-hex-topsecret")
        .args(adyen)
        .output()
        .await
        .unwrap();
    assert!(!Harness::refused(&output).contains("topsecret"));
    session += &format_session_entry(&adyen, &output);
    assert_matches_snapshot("webhook_send_errors", &session);
    assert_eq!(
        harness.run_json(&["webhooks", "list", "--json"]).await,
        json!([])
    );
}

#[tokio::test]
async fn secrets_are_read_as_the_api_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    std::fs::write(&file, "WEBHOOK_SECRETS_STRIPE=whsec_new,whsec_old\n").unwrap();
    let settings = [
        ("WEBHOOK_SECRETS_FILE", file.to_str().unwrap()),
        ("WEBHOOK_SECRETS_STRIPE", "whsec_environment"),
        ("WEBHOOK_ENVIRONMENT", "test"),
    ];
    let harness = Harness::start_with(&settings).await;
    harness
        .run_json(&[&["start-order", "wh-cli-4"], WAITS].concat())
        .await;
    harness.wait_for_status("wh-cli-4", "pending").await;
    let send = ["webhook", "send", "stripe", "wh-cli-4"];
    Harness::expect_stdout(
        harness
            .command()
            .envs(settings)
            .args(send)
            .output()
            .await
            .unwrap(),
    );
    assert_eq!(
        harness.wait_for_end("wh-cli-4").await.status.as_str(),
        "delivered"
    );
}
