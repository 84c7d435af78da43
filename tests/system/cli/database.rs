//! The database commands.

use serde_json::json;

use super::assert_matches_snapshot;
use crate::{harness::Harness, shared_servers::shared_servers};
use domain::Sku;

#[tokio::test]
async fn stock_is_set_and_listed() {
    let harness = Harness::start().await;
    let mut session = harness
        .record_session(&[&["stock", "list"], &["stock", "set", "SAMPLE-1", "5"]])
        .await;
    harness
        .run_json(&["start-order", "stock-1", "pmt-stock-1", "--json"])
        .await;
    assert_eq!(
        harness.wait_for_end("stock-1").await.status.as_str(),
        "delivered"
    );
    session += &harness
        .record_session(&[
            &["stock", "list"],
            // Setting the available quantity does not change the shipped quantity.
            &["stock", "set", "SAMPLE-1", "0", "--json"],
            &["stock", "list", "--json"],
            &["stock", "set", "SAMPLE-1", "-1"],
        ])
        .await;
    assert_matches_snapshot("stock", &session);
    harness.assert_invariants().await;
    // Nothing is left, so the next order fails and is not charged.
    harness
        .run_json(&["start-order", "stock-2", "pmt-stock-2", "--json"])
        .await;
    let refused = harness.wait_for_end("stock-2").await;
    assert_eq!(refused.failure.unwrap().code.as_str(), "out_of_stock");
    assert!(harness.provider_movements("stock-2").await.is_empty());
    harness.assert_invariants().await;
}

#[tokio::test]
async fn stock_is_adjusted_and_its_movements_are_listed() {
    let harness = Harness::start().await;
    let opened = ["stock", "set", "A=1", "5", "--reason", "stocktaking"];
    Harness::expect_stdout(harness.run_orderflow(&opened).await);
    let add = ["stock", "adjust", "A=1", "+30", "--reason", "delivery 4711"];
    let add = [&add[..], &["--key", "delivery-4711", "--json"]].concat();
    let added = harness.run_json(&add).await;
    let expected = json!({"sku": "A=1", "available": 35, "held": 0, "shipped": 0});
    assert_eq!(added, expected);
    let remove = ["stock", "adjust", "A=1", "-3", "--reason", "broken"];
    assert_eq!(
        Harness::expect_stdout(harness.run_orderflow(&remove).await),
        "A=1: 32 available, 0 held by orders, 0 shipped\n"
    );
    let again = harness.run_json(&add).await;
    assert_eq!(
        (&again["available"], &again["already"]),
        (&json!(32), &json!(true)),
        "{again}"
    );
    let reused = ["stock", "adjust", "A=1", "+31", "--reason", "delivery 4711"];
    let reused = [&reused[..], &["--key", "delivery-4711"]].concat();
    let invalid: [(&[&str], i32, &str); 6] = [
        (&reused, 1, "choose another --key"),
        (
            &["stock", "adjust", "A=1", "-33", "--reason", "lost"],
            1,
            "32 units are available",
        ),
        (
            &["stock", "adjust", "unknown", "+1", "--reason", "found"],
            1,
            "orderflow stock set",
        ),
        (
            &["stock", "movements", "unknown"],
            1,
            "orderflow stock list",
        ),
        (&["stock", "adjust", "A=1", "+1"], 2, "--reason"),
        (
            &["stock", "adjust", "A=1", "0", "--reason", "none"],
            2,
            "such as +5 or -3",
        ),
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
    let listed = harness
        .run_json(&["stock", "movements", "A=1", "--json"])
        .await;
    let movements: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|movement| {
            let text = |name: &str| movement[name].as_str().unwrap();
            assert_eq!(text("changed_by"), "cli");
            let available = movement["new_available"].as_i64().unwrap();
            (text("kind"), available, text("reason"))
        })
        .collect();
    assert_eq!(
        movements,
        [
            ("adjust", 32, "broken"),
            ("adjust", 35, "delivery 4711"),
            ("set", 5, "stocktaking")
        ]
    );
    let newest = ["stock", "movements", "A=1", "--limit", "1"];
    let text = Harness::expect_stdout(harness.run_orderflow(&newest).await);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("CHANGED"), "{text}");
    let cells: Vec<_> = lines[1].split_whitespace().skip(1).collect();
    assert_eq!(cells, ["adjust", "-3", "32", "cli", "broken"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn database_queries_are_read_only() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "db-1", "pmt-db-1", "--json"])
        .await;
    harness.wait_for_end("db-1").await;
    let session = harness
        .record_session(&[
            &["db"],
            &["db", "--json"],
            &["db", "select id, state, is_running, total_amount, failure_json from orders"],
            &[
                "db",
                "select id, is_running, total_amount, total_amount / 100.0 as total, retries_json from orders;",
                "--json",
            ],
            &["db", "select seq, type from events order by seq", "--limit", "2"],
            &["db", "select 1 as \"Ä\" where false"],
            &["db", "show transaction_read_only"],
            &["db", "delete from orders"],
            &["db", "with gone as (delete from events returning seq) select * from gone"],
            &["db", "select 1; delete from events"],
            &["db", "explain analyze delete from events"],
            &["db", "select nothing from orders"],
        ])
        .await;
    assert_matches_snapshot("database_queries", &session);
    assert_eq!(harness.audit_event_types("db-1").await.len(), 7);
}

#[tokio::test]
async fn verify_names_the_violating_orders() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "verify-1", "pmt-verify-1", "--json"])
        .await;
    harness.wait_for_end("verify-1").await;
    let mut session = harness
        .record_session(&[&["verify"], &["verify", "--json"]])
        .await;
    // The provider's records contain a second charge.
    let movement = store::simulator::Movement {
        transaction_id: "txn_twice".to_owned(),
        kind: "capture".to_owned(),
    };
    store::simulator::move_money(
        &harness.pool,
        "another key",
        &movement,
        "verify-1",
        999,
        "USD",
    )
    .await
    .unwrap();
    session += &harness
        .record_session(&[&["verify"], &["verify", "--json"]])
        .await;
    // The order's mails are deleted; each missing mail is named once.
    store::adhoc_query::run_script(
        &harness.pool,
        "delete from notifications; delete from simulator.payments where transaction_id = 'txn_twice'",
    )
    .await
    .unwrap();
    session += &harness.record_session(&[&["verify"]]).await;
    assert_matches_snapshot("verify", &session);
}

#[tokio::test]
async fn migrate_reports_its_changes() {
    let harness = Harness::start().await;
    let empty = shared_servers()
        .await
        .postgres
        .create_database(&format!("empty_{}", std::process::id()), None)
        .await
        .unwrap();
    let migrate = async |arguments: &[&str]| {
        let output = harness
            .command()
            .args(arguments)
            .env("DATABASE_URL", &empty)
            .output()
            .await
            .unwrap();
        Harness::expect_stdout(output)
    };
    let first = migrate(&["migrate"]).await;
    assert!(
        first.contains("applied 0001 orders") && first.contains("applied 0002 simulator"),
        "{first}"
    );
    let again = migrate(&["migrate"]).await;
    assert!(
        again.contains("already up to date") && again.contains("already registered"),
        "{again}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&migrate(&["migrate", "--json"]).await).unwrap();
    assert_eq!(
        (&json["applied"], &json["failure"]),
        (&json!([]), &serde_json::Value::Null),
        "{json}"
    );
    // The database is migrated although Temporal is unavailable, and both results are reported.
    let unavailable = harness
        .command()
        .arg("migrate")
        .env("TEMPORAL_ADDRESS", "127.0.0.1:9")
        .output()
        .await
        .unwrap();
    assert_eq!(unavailable.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unavailable.stdout).contains("database: schema"),
        "{unavailable:?}"
    );
    assert!(
        String::from_utf8_lossy(&unavailable.stderr).contains("orderflow check"),
        "{unavailable:?}"
    );
}

/// Returns the contents of a database as the sorted lines of its backup, without the header.
async fn contents(harness: &Harness) -> Vec<String> {
    let mut file = Vec::new();
    store::backup::create(&harness.pool, &mut file)
        .await
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8(file)
        .unwrap()
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect();
    // The digest covers the header too, and the order of rows is not defined.
    lines.pop();
    lines.sort();
    lines
}

#[tokio::test]
async fn backup_restores_all_data() {
    let harness = Harness::start().await;
    for id in ["kept-1", "kept-2"] {
        harness
            .run_json(&[
                "start-order",
                id,
                &format!("pmt-{id}"),
                "--street",
                "1 \\. \\N \"'Ä",
                "--json",
            ])
            .await;
        harness.wait_for_end(id).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.backup");
    let file = path.to_str().unwrap();
    let before = contents(&harness).await;
    let created = harness
        .run_json(&["backup", "create", file, "--json"])
        .await;
    let orders = created["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|table| table["table"] == "public.orders");
    assert_eq!(orders.unwrap()["rows"], 2, "{created}");
    let overwritten = harness.run_orderflow(&["backup", "create", file]).await;
    assert_eq!(overwritten.status.code(), Some(1));
    Harness::expect_stdout(
        harness
            .run_orderflow(&["backup", "create", file, "--yes"])
            .await,
    );

    // A restore removes later orders, and therefore requires --yes.
    harness
        .run_json(&["start-order", "later", "pmt-later", "--json"])
        .await;
    harness.wait_for_end("later").await;
    let refused = harness.run_orderflow(&["backup", "restore", file]).await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && message.contains("not empty"),
        "{message}"
    );
    assert!(harness.audit_event_types("later").await.len() == 7);
    Harness::expect_stdout(
        harness
            .run_orderflow(&["backup", "restore", file, "--yes"])
            .await,
    );
    assert_eq!(contents(&harness).await, before);
    harness.assert_invariants().await;
    // Sequences continue after the restored ids, and the service continues to work.
    harness
        .run_json(&["start-order", "next", "pmt-next", "--json"])
        .await;
    assert_eq!(
        harness.wait_for_end("next").await.status.as_str(),
        "delivered"
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn damaged_backup_changes_nothing() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "moved-1", "pmt-moved-1", "--json"])
        .await;
    harness.wait_for_end("moved-1").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.backup");
    let file = path.to_str().unwrap();
    Harness::expect_stdout(harness.run_orderflow(&["backup", "create", file]).await);
    let name = format!("restored_{}", std::process::id());
    let empty = shared_servers()
        .await
        .postgres
        .create_database(&name, None)
        .await
        .unwrap();
    let restore = async |file: &str| {
        harness
            .command()
            .args(["backup", "restore", file])
            .env("DATABASE_URL", &empty)
            .output()
            .await
            .unwrap()
    };
    // A truncated file, a changed file and a file that is not a backup are rejected, and nothing is
    // written.
    let whole = std::fs::read_to_string(&path).unwrap();
    let damaged = folder.path().join("damaged");
    for text in [
        &whole[..whole.len() / 2],
        &whole.replace("moved-1", "moved-2"),
        "no backup\n",
        "",
    ] {
        std::fs::write(&damaged, text).unwrap();
        let refused = restore(damaged.to_str().unwrap()).await;
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            refused.status.code() == Some(1) && message.lines().count() == 1,
            "{message}"
        );
        assert!(message.contains("nothing was changed"), "{message}");
    }
    Harness::expect_stdout(restore(file).await);
    let pool = store::connect(&empty).await.unwrap();
    let order = domain::OrderId::parse("moved-1").unwrap();
    assert_eq!(
        store::orders::read_order(&pool, &order)
            .await
            .unwrap()
            .unwrap()
            .status
            .as_str(),
        "delivered"
    );
    let stock = store::inventory::read_stock(&pool, &Sku::parse("SAMPLE-1").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stock.shipped, 1);
    assert_eq!(store::verify::find_violations(&pool).await.unwrap(), []);
}

#[tokio::test]
async fn shell_without_psql_names_the_package() {
    let harness = Harness::start().await;
    let empty = tempfile::tempdir().unwrap();
    let without = harness
        .command()
        .args(["db", "shell"])
        .env("PATH", empty.path())
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(
        (without.status.code(), message.lines().count()),
        (Some(1), 1),
        "{message}"
    );
    assert!(
        message.contains("postgresql-client") && message.contains("orderflow db"),
        "{message}"
    );
    // A psql that prints its arguments: the password is not one of them, since other users can read
    // arguments.
    let psql = empty.path().join("psql");
    std::fs::write(&psql, "#!/bin/sh\necho \"$PGPASSWORD|$*\"\nexit 3\n").unwrap();
    std::fs::set_permissions(&psql, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let url = "postgres://app:s%40cret@127.0.0.1:9/app?sslmode=disable";
    let arguments = ["db", "shell", "--", "-c", "select 1"];
    let with = harness
        .command()
        .args(arguments)
        .env("PATH", empty.path())
        .env("DATABASE_URL", url)
        .output();
    let with = with.await.unwrap();
    let arguments_and_password = String::from_utf8_lossy(&with.stdout).into_owned();
    assert_eq!(
        arguments_and_password.trim(),
        "s@cret|postgres://app@127.0.0.1:9/app?sslmode=disable -c select 1"
    );
    assert_eq!(with.status.code(), Some(3));
}
