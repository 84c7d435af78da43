//! `orderflow purge`: the deletion of orders that ended long ago.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
    settlements::WebhookSender,
    webhooks::start_with_webhooks,
    write_path::{assert_gapless_audit_log, execute},
};
use domain::WebhookProvider::Stripe;
use payment_webhooks::SampleKind::{Disputed, Paid};

/// The tables with rows of an order, which a purge empties.
const TABLES: [(&str, &str); 7] = [
    ("orders", "id"),
    ("events", "order_id"),
    ("notifications", "order_id"),
    ("reservations", "order_id"),
    ("shipments", "order_id"),
    ("webhook_deliveries", "order_id"),
    ("simulator.parcels", "order_id"),
];

async fn count(harness: &Harness, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {query}")))
        .fetch_one(&harness.pool)
        .await
        .unwrap()
}

/// Returns the tables that have rows of this order.
async fn tables_with_rows(harness: &Harness, order_id: &str) -> Vec<&'static str> {
    let mut tables = Vec::new();
    for (table, column) in TABLES {
        if count(harness, &format!("{table} where {column} = '{order_id}'")).await > 0 {
            tables.push(table);
        }
    }
    tables
}

/// Makes the order and its rows 200 days old, after the worker has skipped its mails.
async fn age(harness: &Harness, order_id: &str) {
    let pending = format!("notifications where order_id = '{order_id}' and status = 'pending'");
    let mails = async || count(harness, &pending).await;
    harness
        .wait_until("the outcome of the mails", mails, |mails| *mails == 0)
        .await;
    let columns = [
        ("orders", "id", &["created_at", "updated_at"][..]),
        ("events", "order_id", &["ts"]),
        ("notifications", "order_id", &["created_at"]),
        ("payments", "order_id", &["created_at", "updated_at"]),
        (
            "webhook_deliveries",
            "order_id",
            &["received_at", "updated_at"],
        ),
    ];
    for (table, key, times) in columns {
        let times = times
            .iter()
            .map(|time| format!("{time} = {time} - interval '200 days'"));
        let times = times.collect::<Vec<_>>().join(", ");
        execute(
            harness,
            &format!("update {table} set {times} where {key} = '{order_id}'"),
        )
        .await;
    }
}

async fn start(harness: &Harness, order_id: &str) {
    let order = order_with_payment(&format!("pmt-{order_id}"));
    harness
        .post(&format!("/orders/{order_id}/start"), order)
        .await
        .expect_status(202);
}

async fn purge(harness: &Harness, options: &[&str]) -> Value {
    let arguments = [&["purge", "--older-than", "180d", "--json"], options].concat();
    harness.run_json(&arguments).await
}

/// Returns everything that the database stores.
async fn contents(harness: &Harness) -> Vec<String> {
    let mut file = Vec::new();
    store::backup::create(&harness.pool, &mut file)
        .await
        .unwrap();
    let text = String::from_utf8(file).unwrap();
    // The first and the last line have the time and a digest of it.
    let mut lines: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
    lines.pop();
    lines.sort();
    lines
}

#[tokio::test]
async fn old_orders_vanish_and_young_ones_stay() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "2s")]).await;
    let [old, cancelled, young] = ["purge-old", "purge-cancelled", "purge-young"];
    for id in [old, cancelled, young] {
        start(&harness, id).await;
    }
    harness.wait_for_step(cancelled, "prepare").await;
    harness
        .post(&format!("/orders/{cancelled}/cancel"), json!({}))
        .await
        .expect_status(200);
    for id in [old, cancelled, young] {
        harness.wait_for_end(id).await;
    }
    age(&harness, old).await;
    age(&harness, cancelled).await;
    let stock = harness.run_json(&["stock", "list", "--json"]).await;
    let before = contents(&harness).await;
    let plan = purge(&harness, &["--dry-run"]).await;
    assert_eq!(
        (&plan["orders"], &plan["dry_run"]),
        (&json!(2), &json!(true))
    );
    assert!(contents(&harness).await == before, "the dry run wrote");
    let purged = purge(&harness, &["--yes"]).await;
    assert_eq!(
        (&purged["orders"], &purged["reservations"], &purged["kept"]),
        (&json!(2), &json!(2), &json!({}))
    );
    for id in [old, cancelled] {
        assert_eq!(
            tables_with_rows(&harness, id).await,
            [] as [&str; 0],
            "{id}"
        );
        let listed = harness.get("/orders").await.body.to_string();
        assert!(!listed.contains(id), "{listed}");
        assert_eq!(
            count(&harness, &format!("payments where order_id = '{id}'")).await,
            1
        );
    }
    assert_eq!(
        tables_with_rows(&harness, young).await,
        [
            "orders",
            "events",
            "notifications",
            "reservations",
            "shipments",
            "simulator.parcels"
        ]
    );
    assert_gapless_audit_log(&harness, young).await;
    // The counts of the stock stay, and they agree with the reservations that are left.
    assert_eq!(harness.run_json(&["stock", "list", "--json"]).await, stock);
    harness.assert_invariants().await;
    assert_eq!(purge(&harness, &["--yes"]).await["orders"], 0);
}

/// Each row keeps one order. The second statement of a row makes the order ready for the purge.
const REASONS: [(&str, &str, &str); 9] = [
    (
        "open_money",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, captured, due, updated_at)
         values ('p-1', 'keep-1', 'refunding', 500, 'USD', 'stripe', 500, 500, '2020-01-01')",
        "update payments set status = 'refunded', due = 0, refunded = 500 where order_id = 'keep-1'",
    ),
    (
        "open_money",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, updated_at)
         values ('p-2', 'keep-2', 'pending', 500, 'USD', 'stripe', '2020-01-01')",
        "update payments set status = 'declined' where order_id = 'keep-2'",
    ),
    (
        "open_dispute",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, captured, allocated, dispute, updated_at)
         values ('p-3', 'keep-3', 'captured', 500, 'USD', 'stripe', 500, 500, 'opened', '2020-01-01')",
        "update payments set dispute = 'won' where order_id = 'keep-3'",
    ),
    (
        "work_list",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, captured, allocated, concerns, updated_at)
         values ('p-4', 'keep-4', 'captured', 500, 'USD', 'stripe', 500, 500, '{\"fraud_warning\": 500}', '2020-01-01')",
        "update payments set concerns = '{}' where order_id = 'keep-4'",
    ),
    (
        "work_list",
        "insert into webhook_deliveries (provider, event_id, order_id, outcome, event_json, received_at, updated_at)
         values ('stripe', 'evt_5', 'keep-5', 'unreadable', '{\"kind\": \"unreadable\"}', '2020-01-01', '2020-01-01')",
        "update webhook_deliveries set detail = 'resolved: seen' where event_id = 'evt_5'",
    ),
    (
        "pending_mail",
        "insert into notifications (order_id, kind, seq, recipient) values ('keep-6', 'order_received', 1, 'a@b.example')",
        "update notifications set status = 'skipped', reason = 'test' where order_id = 'keep-6'",
    ),
    (
        "held_stock",
        "insert into inventory (sku, available, held, received) values ('KEPT', 0, 1, 1);
         insert into reservations (order_id, sku, quantity, state) values ('keep-7', 'KEPT', 1, 'held')",
        "update reservations set state = 'shipped' where order_id = 'keep-7';
         update inventory set held = 0, shipped = 1 where sku = 'KEPT'",
    ),
    (
        "recent_payment_event",
        "insert into webhook_deliveries (provider, event_id, order_id, outcome, event_json, received_at, updated_at)
         values ('stripe', 'evt_8', 'keep-8', 'pending', '{\"kind\": \"paid\"}', '2020-01-01', '2020-01-01')",
        "update webhook_deliveries set outcome = 'known' where event_id = 'evt_8'",
    ),
    (
        "recent_payment_event",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, captured, refunded)
         values ('p-9', 'keep-9', 'refunded', 500, 'USD', 'stripe', 500, 500)",
        "update payments set updated_at = '2020-01-01' where order_id = 'keep-9'",
    ),
];

/// Inserts orders that were delivered in 2020, each with one audit event.
async fn insert_old_orders(harness: &Harness, prefix: &str, orders: usize) {
    execute(
        harness,
        &format!(
            "insert into orders (id, run_id, state, step, is_running, version, last_seq, created_at, updated_at)
                 select '{prefix}-' || number, 'migrated', 'delivered', 'done', false, 1, 1, '2020-01-01', '2020-01-02'
                 from generate_series(1, {orders}) as number;
             insert into events (order_id, seq, type, payload_json, ts)
                 select id, 1, 'order_received', '{{}}', created_at from orders where id like '{prefix}-%'"
        ),
    )
    .await;
}

#[tokio::test]
async fn each_open_matter_keeps_its_order() {
    // Without a mail server, mails stay pending.
    let harness = Harness::start_with(&[("MAIL", "")]).await;
    insert_old_orders(&harness, "keep", REASONS.len()).await;
    for (_, open, _) in REASONS {
        execute(&harness, open).await;
    }
    let purged = purge(&harness, &["--yes"]).await;
    assert_eq!(purged["orders"], 0, "{purged}");
    assert_eq!(
        purged["kept"],
        json!({"open_money": 2, "open_dispute": 1, "work_list": 2, "pending_mail": 1, "held_stock": 1, "recent_payment_event": 2})
    );
    for (number, (reason, _, close)) in REASONS.iter().enumerate() {
        execute(&harness, close).await;
        let purged = purge(&harness, &["--yes"]).await;
        assert_eq!(purged["orders"], 1, "{number} {reason}: {purged}");
        let id = format!("keep-{}", number + 1);
        assert_eq!(
            tables_with_rows(&harness, &id).await,
            [] as [&str; 0],
            "{id}"
        );
    }
    assert_eq!(count(&harness, "purged_orders").await, 9);
    harness.assert_invariants().await;
}

/// A row that another transaction has locked stops the purge at a known place.
#[tokio::test]
async fn killed_purge_continues_with_the_next_call() {
    let harness = Harness::start().await;
    insert_old_orders(&harness, "batch", 60).await;
    execute(
        &harness,
        "update orders set created_at = created_at + interval '1 second' * split_part(id, '-', 2)::integer",
    )
    .await;
    let mut blocker = harness.pool.begin_with("begin").await.unwrap();
    sqlx::query("select from orders where id = 'batch-41' for update")
        .execute(&mut *blocker)
        .await
        .unwrap();
    let mut command = harness.command();
    command.args(["purge", "--older-than", "180d", "--batch", "10", "--yes"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let left = async || count(&harness, "orders").await;
    harness
        .wait_until("four batches", left, |left| *left == 20)
        .await;
    child.kill().await.unwrap();
    blocker.rollback().await.unwrap();
    assert_eq!(count(&harness, "purged_orders").await, 40);
    assert_eq!(count(&harness, "events").await, 20);
    harness.assert_invariants().await;
    let purged = purge(&harness, &["--batch", "10", "--yes"]).await;
    assert_eq!(purged["orders"], 20);
    assert_eq!(left().await, 0);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn purge_needs_confirmation_and_a_long_limit() {
    let harness = Harness::start().await;
    insert_old_orders(&harness, "safe", 1).await;
    for (options, message) in [
        (
            &["--older-than", "180d"][..],
            "purge: deletes 1 orders and 0 webhook events permanently; confirm with --yes",
        ),
        (&["--older-than", "179d", "--yes"], "add --force"),
    ] {
        let output = harness.run_orderflow(&[&["purge"], options].concat()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(message), "{errors}");
    }
    assert_eq!(count(&harness, "orders").await, 1);
    let forced = ["purge", "--older-than", "1d", "--force", "--yes", "--json"];
    assert_eq!(harness.run_json(&forced).await["orders"], 1);
}

#[tokio::test]
async fn old_webhook_events_without_order_are_deleted() {
    let harness = Harness::start().await;
    insert_old_orders(&harness, "owned", 1).await;
    execute(
        &harness,
        r#"update orders set updated_at = now();
        insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider, captured, unmatched, allocated) values
            ('unmatched', null, 'refund_due', 700, 'USD', 'T-open', 'stripe', 700, 700, 0),
            ('owned', 'owned-1', 'captured', 700, 'USD', 'T-owned', 'stripe', 700, 0, 700);
        insert into webhook_deliveries (provider, event_id, order_id, transaction_id, outcome, event_json, received_at, updated_at) values
            ('stripe', 'gone-1', 'unknown', 'T1', 'unknown_order', '{"kind": "refunded"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'gone-2', null, null, 'ignored', '{"kind": "ignored"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'kept-order', 'owned-1', null, 'known', '{"kind": "paid"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'kept-transaction', null, 'T-owned', 'known', '{"kind": "paid"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'kept-open', null, 'T-open', 'refund_due', '{"kind": "paid"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'kept-pending', null, 'T2', 'pending', '{"kind": "paid"}', '2020-01-01', '2020-01-01'),
            ('standard', 'kept-refused', 'unknown', 'T3', 'recorded', '{"kind": "report_refused"}', '2020-01-01', '2020-01-01'),
            ('stripe', 'kept-young', null, 'T4', 'ignored', '{"kind": "ignored"}', now(), now());
        -- A restored database lacks the order of this mail.
        insert into notifications (order_id, kind, seq, recipient, status, reason, created_at)
            values ('missing', 'order_received', 1, 'a@b.example', 'failed', 'test', '2020-01-01')"#,
    )
    .await;
    let plan = purge(&harness, &["--dry-run"]).await;
    assert_eq!(
        (&plan["unowned_webhook_events"], &plan["missing_orders"]),
        (&json!(2), &json!(1))
    );
    // The second batch begins after events that are kept.
    let purged = purge(&harness, &["--yes", "--batch", "1"]).await;
    assert_eq!(
        (
            &purged["webhook_events"],
            &purged["mails"],
            &purged["orders"]
        ),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(
        count(&harness, "webhook_deliveries where event_id like 'kept-%'").await,
        6
    );
}

/// The ledger and the id of a purged order stay, so nothing is paid, charged or refunded twice.
#[tokio::test]
async fn late_and_repeated_requests_after_purge_are_safe() {
    let harness = start_with_webhooks(&[("SETTLEMENT_GRACE", "1s")]).await;
    let (id, stripe) = ("purge-late", WebhookSender::new(&harness, Stripe));
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    harness
        .post(&format!("/orders/{id}/start"), order.clone())
        .await
        .expect_status(202);
    let paid = stripe.payment(id, "pi_purged", "99.99");
    stripe.send_event(Paid, &paid, "first").await;
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    harness
        .wait_for_outcome(&stripe.event_id(Paid, &paid, "first"))
        .await;
    start(&harness, "purge-charged").await;
    harness.wait_for_end("purge-charged").await;
    for id in [id, "purge-charged"] {
        age(&harness, id).await;
        harness.delete_workflow(id).await;
    }
    let purged = purge(&harness, &["--yes"]).await;
    assert_eq!(
        (&purged["orders"], &purged["webhook_events"]),
        (&json!(2), &json!(1))
    );
    // The provider repeats the event, and sends it with another id.
    for name in ["first", "second"] {
        stripe.send_event(Paid, &paid, name).await;
        let outcome = harness
            .wait_for_outcome(&stripe.event_id(Paid, &paid, name))
            .await;
        assert_eq!(outcome, "known", "{name}");
    }
    // A dispute is in the work list, although the order is gone.
    stripe.send_event(Disputed, &paid, "late").await;
    let list = async || harness.run_json(&["money", "list", "--json"]).await;
    let listed = harness
        .wait_until("the entry of the dispute", list, |entries| {
            entries[0]["concern"] == "dispute_open"
        })
        .await;
    assert_eq!(listed[0]["order_id"], id);
    // A second order with the id of a purged one, and one with its payment id.
    start(&harness, "purge-charged").await;
    let mut reused = order_with_payment("pmt-purge-charged");
    reused["profile"] = json!("production");
    harness
        .post("/orders/purge-reuse/start", reused)
        .await
        .expect_status(202);
    let refused = harness.wait_for_end("purge-reuse").await;
    assert_eq!(refused.failure.unwrap().code.as_str(), "payment_id_in_use");
    let is_ended = async || {
        harness
            .run_json(&["describe", "purge-charged", "--json"])
            .await
    };
    harness
        .wait_until("the end of the second run", is_ended, |described| {
            described["status"] == "Completed"
        })
        .await;
    let read = harness.get("/orders/purge-charged").await.body;
    assert_eq!(read["failure"]["code"], "duplicate_order", "{read}");
    assert_eq!(
        tables_with_rows(&harness, "purge-charged").await,
        [] as [&str; 0]
    );
    assert_eq!(
        harness.provider_movements("purge-charged").await,
        ["capture"]
    );
    harness.assert_invariants().await;
}
