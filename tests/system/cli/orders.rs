//! The order commands.

use std::io::Write;

use super::{assert_matches_snapshot, program};
use crate::harness::Harness;

#[tokio::test]
async fn order_is_started_watched_and_shown() {
    let harness = Harness::start().await;
    let started = harness
        .run_json(&["start-order", "cli-1", "pmt-cli-1", "--json"])
        .await;
    assert_eq!(
        (&started["order_id"], &started["payment_id"]),
        (&"cli-1".into(), &"pmt-cli-1".into())
    );
    let watched =
        Harness::expect_stdout(harness.run_orderflow(&["status", "cli-1", "--watch"]).await);
    assert!(
        watched.lines().last().unwrap().contains("delivered"),
        "{watched}"
    );
    // Either id is accepted.
    let shown = Harness::expect_stdout(harness.run_orderflow(&["show", "order-cli-1"]).await);
    for part in ["cli-1", "delivered", "9.99 USD", "FEDEX-cli-1-PKG-001"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let followed = Harness::expect_stdout(
        harness
            .run_orderflow(&["events", "cli-1", "--follow"])
            .await,
    );
    assert_eq!(followed.lines().count(), 7, "{followed}");
    let late = harness.run_orderflow(&["cancel", "cli-1"]).await;
    let message = String::from_utf8_lossy(&late.stderr).into_owned();
    assert_eq!(
        (late.status.code(), message.lines().count()),
        (Some(1), 1),
        "{message}"
    );
    assert!(message.contains("already_shipped"), "{message}");
}

#[tokio::test]
async fn return_is_requested_decided_and_received() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "cli-rt", "pmt-cli-rt", "--json"])
        .await;
    harness.wait_for_end("cli-rt").await;
    let call = async |words: &[&str]| {
        let words = [&["return", "cli-rt"], words].concat();
        Harness::expect_stdout(harness.run_orderflow(&words).await)
    };
    assert_eq!(call(&["list"]).await, "the order has no returns\n");
    let item = ["--item", "SAMPLE-1=1"];
    let requested = harness
        .run_json(&[&["return", "cli-rt", "request"], &item[..], &["--json"]].concat())
        .await;
    let id = requested["return_id"].as_str().unwrap();
    assert_eq!(
        call(&["reject", id, "--reason", "worn"]).await,
        format!("cli-rt: Return {id} is rejected.\n")
    );
    let requested = harness
        .run_json(&[&["return", "cli-rt", "request"], &item[..], &["--json"]].concat())
        .await;
    let id = requested["return_id"].as_str().unwrap();
    call(&["approve", id]).await;
    let received = call(&[&["receive", id], &item[..], &["--restock"]].concat()).await;
    assert!(
        received.contains(" is received. Its refund is RF-"),
        "{received}"
    );
    let listed = call(&["list"]).await;
    for part in ["SAMPLE-1 0/1", "rejected", "worn", "SAMPLE-1 1/1"] {
        assert!(listed.contains(part), "{part} is not in {listed}");
    }
    let late = harness
        .run_orderflow(&["return", "order-cli-rt", "cancel", id])
        .await;
    let message = String::from_utf8_lossy(&late.stderr).into_owned();
    for part in ["return_state_conflict", "`orderflow return cli-rt list`"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
}

#[tokio::test]
async fn order_commands_print_text_and_json() {
    let harness = Harness::start().await;
    harness
        .run_json(&[
            "start-order",
            "cli-says",
            "--payment-id",
            "pmt-says",
            "--street",
            "123 Main St",
            "--json",
        ])
        .await;
    harness.wait_for_end("cli-says").await;
    let session = harness
        .record_session(&[
            // The alias of start-order, and a repeated start.
            &[
                "start-workflow",
                "cli-says",
                "pmt-says",
                "--street",
                "123 Main St",
            ],
            &["start-workflow", "cli-says", "pmt-other"],
            &["status", "cli-says"],
            &["status", "cli-says", "--json"],
            &["show", "cli-says"],
            &["show", "cli-says", "--json"],
            &["events", "cli-says"],
            &["events", "cli-says", "--json"],
            &["result", "cli-says"],
            &["result", "cli-says", "--wait", "--json"],
            &["show", "cli-unknown"],
        ])
        .await;
    assert_matches_snapshot("order_commands", &session);
}

#[tokio::test]
async fn signals_change_the_order() {
    let harness = Harness::start().await;
    let start = async |id: &str, profile: &str| {
        harness
            .run_json(&["start-order", id, "--profile", profile, "--json"])
            .await
    };
    start("cli-2", "approval").await;
    Harness::expect_stdout(harness.run_orderflow(&["approve", "cli-2"]).await);
    assert_eq!(
        harness.wait_for_end("cli-2").await.status.as_str(),
        "shipped"
    );
    start("cli-3", "approval").await;
    Harness::expect_stdout(
        harness
            .run_orderflow(&["reject", "cli-3", "--reason", "fraud"])
            .await,
    );
    assert_eq!(
        harness
            .wait_for_end("cli-3")
            .await
            .cancellation_reason
            .as_deref(),
        Some("fraud")
    );
    start("cli-4", "checkout").await;
    Harness::expect_stdout(
        harness
            .run_orderflow(&["update-address", "cli-4", "--street", "1 A", "--city", "B"])
            .await,
    );
    let paid = [
        "confirm-payment",
        "cli-4",
        "--transaction-id",
        "cli-tx",
        "--amount",
        "9.99",
        "--method",
        "card",
    ];
    Harness::expect_stdout(harness.run_orderflow(&paid).await);
    let view = harness.wait_for_end("cli-4").await;
    assert_eq!(
        (
            view.status.as_str(),
            view.shipping_address.unwrap().street.as_str()
        ),
        ("delivered", "1 A")
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{}", crate::api::sample_order()).unwrap();
    let path = file.path().to_str().unwrap();
    let started = harness
        .run_json(&[
            "start-order",
            "cli-5",
            "--file",
            path,
            "--profile",
            "checkout",
            "--json",
        ])
        .await;
    assert_eq!(started["total_amount"], 99.99);
    Harness::expect_stdout(
        harness
            .run_orderflow(&["cancel", "cli-5", "--reason", "changed my mind"])
            .await,
    );
    assert_eq!(
        harness.wait_for_end("cli-5").await.status.as_str(),
        "cancelled"
    );
    // Temporal's search is eventually consistent.
    let listed = async || {
        Harness::expect_stdout(
            harness
                .run_orderflow(&["list", "--limit", "200", "--status", "cancelled"])
                .await,
        )
    };
    harness
        .wait_until("the list", listed, |list| {
            list.contains("cli-5") && list.contains("cli-3")
        })
        .await;
}

/// Sends every signal to an order that waits for it, and to orders that reject it.
#[tokio::test]
async fn signals_print_the_response() {
    let harness = Harness::start_with(&[("DELIVERY", "confirm")]).await;
    let start = async |id: &str, profile: &str| {
        harness
            .run_json(&["start-order", id, "--profile", profile, "--json"])
            .await
    };
    let waits = async |id: &str, step: &str| {
        let look = async || harness.get(&format!("/orders/{id}")).await.body;
        harness
            .wait_until(step, look, |order| order["step"] == step)
            .await
    };
    for id in ["approved", "rejected", "regretted"] {
        start(id, "approval").await;
        waits(id, "manual_review").await;
    }
    start("paid", "checkout").await;
    waits("paid", "pay").await;
    let mut session = harness
        .record_session(&[
            &["approve", "approved", "--reviewer", "ann"],
            &["reject", "rejected", "--reason", "fraud", "--json"],
            &["update-address", "regretted", "--street", "2 Side St"],
            &["cancel", "regretted", "--reason", "changed my mind"],
            &["result", "paid"],
            &["cancel-payment", "paid"],
            &[
                "confirm-payment",
                "paid",
                "--transaction-id",
                "tx-1",
                "--amount",
                "1.00",
            ],
        ])
        .await;
    harness
        .run_json(&[
            "confirm-payment",
            "paid",
            "--transaction-id",
            "tx-1",
            "--amount",
            "9.99",
            "--json",
        ])
        .await;
    // Without a profile, so that deliveries must be confirmed.
    harness
        .run_json(&["start-order", "delivered", "pmt-delivered", "--json"])
        .await;
    harness.wait_for_status("delivered", "shipped").await;
    session += &harness
        .record_session(&[&["confirm-delivery", "delivered", "--signed-by", "J. Doe"]])
        .await;
    harness.wait_for_end("delivered").await;
    // A payment is cancelled while the order waits to ship.
    harness
        .run_json(&[
            "start-order",
            "taken-back",
            "pmt-taken-back",
            "--profile",
            "lifecycle",
            "--json",
        ])
        .await;
    harness.wait_for_status("taken-back", "preparing").await;
    session += &harness
        .record_session(&[
            &["cancel-payment", "taken-back"],
            &["cancel", "taken-back", "--json"],
        ])
        .await;
    for id in ["rejected", "regretted", "taken-back"] {
        assert_eq!(harness.wait_for_end(id).await.status.as_str(), "cancelled");
    }
    // Repeated signals, and signals that a closed order rejects.
    harness.wait_for_end("paid").await;
    session += &harness
        .record_session(&[
            &["cancel", "regretted"],
            &["approve", "regretted"],
            &["cancel", "delivered"],
            &["approve", "taken-back"],
            &["start-order", "delivered", "pmt-other"],
            &[
                "confirm-payment",
                "paid",
                "--transaction-id",
                "tx-1",
                "--amount",
                "9.99",
            ],
        ])
        .await;
    assert_matches_snapshot("signal_responses", &session);
    harness.wait_for_end("paid").await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn list_is_filtered_by_customer() {
    let harness = Harness::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let customer = format!("O'Neil-{}", harness.orders_task_queue);
    let mut order = crate::api::sample_order();
    order["customer"]["id"] = customer.clone().into();
    write!(file, "{order}").unwrap();
    harness
        .run_json(&[
            "start-order",
            "cli-list",
            "--file",
            file.path().to_str().unwrap(),
            "--json",
        ])
        .await;
    harness.wait_for_end("cli-list").await;
    let list = async || {
        Harness::expect_stdout(
            harness
                .run_orderflow(&["list", "--customer", &customer, "--json"])
                .await,
        )
    };
    let listed = harness
        .wait_until("the list", list, |list| list.contains("delivered"))
        .await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["order_id"]),
        (1, &"cli-list".into()),
        "{listed}"
    );
    let session = harness
        .record_session(&[
            &["list", "--customer", &customer],
            &["list", "--customer", "nobody"],
            &["list", "--limit", "0"],
        ])
        .await;
    assert_matches_snapshot("list_by_customer", &session);
}

#[tokio::test]
async fn list_shows_the_newest_closed_order_first() {
    let harness = Harness::start().await;
    let customer = format!("C-{}", harness.orders_task_queue);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut order = crate::api::sample_order();
    order["customer"]["id"] = customer.clone().into();
    write!(file, "{order}").unwrap();
    let path = file.path().to_str().unwrap();
    // The profile `lifecycle` pauses before it ships, so that both orders can still be cancelled.
    for order_id in ["older", "newer"] {
        let start = ["start-order", order_id, "--file", path];
        let start = [&start[..], &["--profile", "lifecycle", "--json"]].concat();
        harness.run_json(&start).await;
    }
    harness.run_json(&["cancel", "newer", "--json"]).await;
    harness.wait_for_end("newer").await;
    harness.run_json(&["cancel", "older", "--json"]).await;
    harness.wait_for_end("older").await;
    let list = async || {
        let listed = harness
            .run_json(&["list", "--customer", &customer, "--json"])
            .await;
        let listed = listed.as_array().unwrap().clone();
        listed
            .iter()
            .map(|order| format!("{} {}", order["order_id"], order["is_running"]))
            .collect::<Vec<_>>()
    };
    let closed = |listed: &Vec<String>| {
        listed.len() == 2 && listed.iter().all(|order| order.ends_with("false"))
    };
    let listed = harness.wait_until("both closed", list, closed).await;
    assert_eq!(listed, ["\"newer\" false", "\"older\" false"]);
}

#[tokio::test]
async fn file_errors_name_the_next_step() {
    let harness = Harness::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.json"), "{").unwrap();
    std::fs::write(folder.path().join("list.json"), "[]").unwrap();
    let mut session = String::new();
    for arguments in [
        &["start-order", "--file", "missing.json"][..],
        &["start-order", "--file", "bad.json"],
        &["start-order", "--file", "list.json"],
        &["backup", "create", "missing/orders.backup"],
        &["backup", "restore", "missing.backup"],
    ] {
        let output = harness
            .command()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        session += &super::format_session_entry(arguments, &output);
    }
    assert_matches_snapshot("file_errors", &session);
}

/// The error has the cause and never the password.
#[tokio::test]
async fn unreachable_database_error_has_the_cause() {
    let harness = Harness::start().await;
    let (server, name) = harness.database_url.rsplit_once('/').unwrap();
    let (scheme, host) = server.split_once("://").unwrap();
    let (user, host) = host.rsplit_once('@').unwrap();
    let user = user.split(':').next().unwrap();
    for (url, cause) in [
        (
            "postgres://app:hush@127.0.0.1:9/app".to_owned(),
            "connection refused",
        ),
        (
            "postgres://app:hush@nowhere.invalid/app".to_owned(),
            "the host is unknown",
        ),
        (
            format!("{scheme}://{user}:hush@{host}/{name}"),
            "wrong password",
        ),
        (format!("{server}/nothing"), "the database does not exist"),
    ] {
        let output = harness
            .command()
            .args(["db", "select 1"])
            .env("DATABASE_URL", &url)
            .output()
            .await
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), message.lines().count()),
            (Some(1), 1),
            "{message}"
        );
        assert!(
            message.contains(cause)
                && message.contains("DATABASE_URL")
                && !message.contains("hush"),
            "{cause}: {message}"
        );
    }
}

#[tokio::test]
async fn check_reports_each_dependency() {
    let harness = Harness::start().await;
    assert_matches_snapshot(
        "check",
        &harness
            .record_session(&[&["check"], &["check", "--json"]])
            .await,
    );
    let mut broken = program();
    let broken = broken
        .arg("check")
        .env("ORDERFLOW_URL", &harness.url)
        .env("TEMPORAL_ADDRESS", "127.0.0.1:9")
        .env("DATABASE_URL", "postgres://app:secret@127.0.0.1:9/app")
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert_eq!(broken.status.code(), Some(1), "{message}");
    assert!(!message.contains("secret"), "{message}");
    // Every check prints a line; a skipped check names its dependency.
    let checks = [
        "database",
        "migrations",
        "mail",
        "endpoints",
        "temporal",
        "search attributes",
        "task queue",
        "task queue",
        "api",
    ];
    let count = |verdict: &str| {
        message
            .lines()
            .filter(|line| line.starts_with(verdict))
            .count()
    };
    assert_eq!(
        (
            message.lines().count(),
            count("FAILED"),
            count("--"),
            count("ok")
        ),
        (checks.len(), 2, 6, 1),
        "{message}"
    );
    for (line, check) in message.lines().zip(checks) {
        assert!(line[8..].starts_with(check), "{check}: {line}");
    }
    assert!(
        message.contains("connection refused; start the stack"),
        "{message}"
    );
    // Temporal is available, but the namespace does not exist.
    let elsewhere = harness
        .command()
        .arg("check")
        .env("TEMPORAL_NAMESPACE", "nope")
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&elsewhere.stdout).into_owned();
    assert_eq!(
        (elsewhere.status.code(), message.lines().count()),
        (Some(1), checks.len()),
        "{message}"
    );
    assert!(
        message.contains("namespace nope: the namespace does not exist; set TEMPORAL_NAMESPACE"),
        "{message}"
    );
    assert!(!message.contains("find the order"), "{message}");
    // A database without a schema: the failed checks name `orderflow migrate`.
    let name = format!("bare_{}", std::process::id());
    let bare = crate::shared_servers::shared_servers()
        .await
        .postgres
        .create_database(&name, None)
        .await
        .unwrap();
    let bare = harness
        .command()
        .arg("check")
        .env("DATABASE_URL", bare)
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&bare.stdout).into_owned();
    for check in ["migrations", "mail", "endpoints"] {
        let line = message.lines().find(|line| line.contains(check)).unwrap();
        assert!(
            line.starts_with("FAILED") && line.contains("`orderflow migrate`"),
            "{line}"
        );
    }
    let nowhere = program()
        .args(["status", "x"])
        .env("ORDERFLOW_URL", "http://127.0.0.1:9")
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert_eq!(
        (nowhere.status.code(), message.lines().count()),
        (Some(1), 1),
        "{message}"
    );
    assert!(message.contains("orderflow up"), "{message}");
}

#[tokio::test]
async fn orders_are_found_by_text_and_status() {
    let harness = Harness::start().await;
    for id in ["find-1", "find-2"] {
        harness
            .run_json(&[
                "start-order",
                id,
                "--payment-id",
                &format!("pmt-{id}"),
                "--street",
                "123 Main St",
                "--json",
            ])
            .await;
        harness.wait_for_end(id).await;
    }
    let found = harness.run_json(&["find", "FIND-1", "--json"]).await;
    assert_eq!(found[0]["order_id"], "find-1");
    assert_eq!(found.as_array().unwrap().len(), 1);
    let filters = [
        "find",
        "--status",
        "delivered,shipped",
        "--sort",
        "-updated_at",
        "--limit",
        "1",
        "--json",
    ];
    let newest = harness.run_json(&filters).await;
    assert_eq!(newest[0]["order_id"], "find-2");
    assert_eq!(newest.as_array().unwrap().len(), 1);
    let text = Harness::expect_stdout(harness.run_orderflow(&["find", "find"]).await);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("ORDER"), "{text}");
    assert!(lines[1].starts_with("find-2 ") && lines[1].contains("delivered"));
    let none = Harness::expect_stdout(harness.run_orderflow(&["find", "nobody"]).await);
    assert_eq!(none.trim(), "no orders found");
    let refused = harness
        .run_orderflow(&["find", "--created-after", "noon"])
        .await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("created_after"), "{message}");
}

#[tokio::test]
async fn order_is_found_by_its_reference() {
    let harness = Harness::start().await;
    for id in ["referenced", "other"] {
        let payment_id = format!("pmt-{id}");
        harness
            .run_json(&["start-order", id, &payment_id, "--json"])
            .await;
        harness.wait_for_end(id).await;
    }
    let update = ["update", "referenced", "--reference", "ERP 4711/a"];
    Harness::expect_stdout(harness.run_orderflow(&update).await);
    let find = ["find", "--reference", "erp 4711/A", "--json"];
    let read = async || harness.run_json(&find).await;
    let found = harness
        .wait_until("the order with the reference", read, |found| {
            found[0]["order_id"] == "referenced"
        })
        .await;
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    // A part of the reference is found as a text, not as a reference.
    let part = harness
        .run_json(&["find", "--reference", "ERP", "--json"])
        .await;
    assert_eq!(part, serde_json::json!([]));
    let text = harness.run_json(&["find", "ERP", "--json"]).await;
    assert_eq!(text[0]["order_id"], "referenced", "{text}");
}
