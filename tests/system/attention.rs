//! The work list: `GET /payments/attention`, `orderflow money`, and the events of one order.
//!
//! The rows are written directly, because the list is one query over them. The tests of settlements
//! check that the worker writes such rows.

use serde_json::{Value, json};

use crate::harness::Harness;

/// Orders in each state, and a payment or a webhook event for each kind of entry.
const ROWS: &str = r#"
insert into orders (id, run_id, state, step, is_running, currency, total_amount, version, last_seq, created_at, updated_at) values
    ('delivered', 'r', 'delivered', 'done', false, 'USD', 5000, 1, 0, now(), now()),
    ('waiting', 'r', 'pending', 'pay', true, 'USD', 5000, 1, 0, now(), now()),
    ('cancelled', 'r', 'cancelled', 'done', false, 'USD', 5000, 1, 0, now(), now()),
    ('preparing', 'r', 'preparing', 'prepare', true, 'USD', 5000, 1, 0, now(), now());
insert into payments (payment_id, order_id, status, amount, currency, transaction_id, provider, authorised, captured, refunded, lost,
        allocated, due, unmatched, concerns, updated_at) values
    ('failed', 'delivered', 'declined', 5000, 'USD', 'T1', 'stripe', 5000, 0, 0, 0, 0, 0, 0, '{"capture_failed": 5000}', now()),
    ('part', 'delivered', 'captured', 1000, 'USD', 'T2', 'stripe', 0, 1000, 0, 0, 1000, 0, 0, '{}', now()),
    ('unmatched', null, 'refund_due', 700, 'USD', 'T3', 'stripe', 0, 700, 0, 0, 0, 0, 700, '{}', '2026-01-01'),
    ('due', 'cancelled', 'refund_due', 5000, 'USD', 'T4', 'external', 0, 5000, 0, 0, 0, 5000, 0,
        '{"dispute_open": 5000, "returned": 10}', now()),
    ('refunded', 'cancelled', 'refunded', 5000, 'USD', 'T5', 'stripe', 0, 5000, 5000, 0, 0, 0, 0, '{"fraud_warning": 5000}', now()),
    ('refunding', 'cancelled', 'refunding', 5000, 'USD', 'T6', 'stripe', 0, 5000, 0, 0, 0, 5000, 0, '{}', now()),
    ('paid', 'preparing', 'captured', 5000, 'USD', 'T7', 'stripe', 6000, 5000, 0, 0, 5000, 0, 0,
        '{"capture_short": 1000, "review_open": 5000}', now()),
    ('resolved', null, 'refund_due', 900, 'USD', 'T8', 'stripe', 0, 900, 0, 0, 0, 0, 900, '{}', now());
insert into payment_movements (payment_id, kind, reference, amount) values
    ('failed', 'capture_failed', 'evt', null),
    ('resolved', 'resolved', 'unmatched', 900),
    ('unmatched', 'resolved', 'unmatched', 600);
insert into webhook_deliveries (provider, event_id, order_id, transaction_id, outcome, event_json, detail) values
    ('stripe', 'evt_1', 'waiting', 'cs_1', 'recorded', '{"kind": "completed_unpaid", "amount": {"minor": 0, "currency": "USD"}}', null),
    ('stripe', 'evt_2', 'waiting', null, 'unconfirmed', '{"kind": "unconfirmed"}', null),
    ('stripe', 'evt_3', 'waiting', null, 'recorded', '{"kind": "unconfirmed"}', 'resolved: seen'),
    ('stripe', 'evt_4', 'preparing', null, 'unconfirmed', '{"kind": "unconfirmed"}', null),
    ('stripe', 'evt_5', null, 'T1', 'recorded', '{"kind": "refunded", "amount": {"minor": 5, "currency": "USD"}}', null);
"#;

async fn start_with_rows() -> Harness {
    let harness = Harness::start().await;
    sqlx::raw_sql(ROWS).execute(&harness.pool).await.unwrap();
    harness
}

fn ids(entries: &Value) -> Vec<&str> {
    let entries = entries.as_array().unwrap().iter();
    let mut ids: Vec<_> = entries.map(|entry| entry["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

const OPEN: [&str; 7] = [
    "due:dispute_open",
    "due:refund_due",
    "failed:capture_failed",
    "paid:review_open",
    "stripe:evt_1:completed_unpaid",
    "stripe:evt_2:unconfirmed",
    "unmatched:unmatched",
];

#[tokio::test]
async fn work_list_has_every_open_amount_once() {
    let harness = start_with_rows().await;
    let list = async |query: &str| {
        let path = format!("/payments/attention{query}");
        harness.get(&path).await.expect_status(200)["entries"].clone()
    };
    let all = list("").await;
    assert_eq!(ids(&all), OPEN);
    let first = &all[0];
    assert_eq!(first["id"], "unmatched:unmatched", "the oldest entry");
    assert_eq!(
        (&first["amount"], &first["currency"], &first["order_id"]),
        // An operator has closed 6.00 of 7.00.
        (&json!(1), &json!("USD"), &Value::Null)
    );
    let of_order = list("?order_id=delivered").await;
    assert_eq!(ids(&of_order), ["failed:capture_failed"]);
    assert_eq!(of_order[0]["order_status"], "delivered");
    let due = list("?concern=refund_due").await;
    assert_eq!(ids(&due), ["due:refund_due"]);
    assert_eq!(list("?limit=2").await.as_array().unwrap().len(), 2);
    let problem = harness.get("/payments/attention?concern=none").await;
    problem.expect_problem(422, "invalid_query");
}

#[tokio::test]
async fn money_commands_show_the_work_list() {
    let harness = start_with_rows().await;
    let listed = harness.run_json(&["money", "list", "--json"]).await;
    assert_eq!(ids(&listed), OPEN);
    let of_workflow = ["money", "list", "--order", "order-delivered", "--json"];
    assert_eq!(
        ids(&harness.run_json(&of_workflow).await),
        ["failed:capture_failed"]
    );
    let shown = harness
        .run_json(&["money", "show", "failed:capture_failed", "--json"])
        .await;
    // Another payment has paid 10.00 of the order.
    assert_eq!(shown["entry"]["amount"], json!(40));
    assert_eq!(
        shown["payments"][0]["movements"][0]["kind"],
        "capture_failed"
    );
    let of_order = harness
        .run_json(&["money", "show", "delivered", "--json"])
        .await;
    assert_eq!(of_order["payments"].as_array().unwrap().len(), 2);
    let closed = harness
        .run_json(&["money", "show", "resolved:unmatched", "--json"])
        .await;
    assert_eq!(closed["entry"], Value::Null);
    assert_eq!(closed["payments"][0]["unmatched"], json!(9));
}

#[tokio::test]
async fn webhook_events_are_found_by_the_transactions_of_an_order() {
    let harness = start_with_rows().await;
    let events = harness
        .run_json(&["webhooks", "list", "--order", "delivered", "--json"])
        .await;
    assert_eq!(
        (&events[0]["event_id"], &events[0]["order_id"]),
        (&json!("evt_5"), &json!("delivered"))
    );
    assert_eq!(
        (&events[0]["amount"], &events[0]["currency"]),
        (&json!(0.05), &json!("USD"))
    );
}
