//! The SQL of `docs/data-migration.md` moves orders, and `orderflow verify` accepts the result.

use super::read_file;
use crate::{api::order_with_payment, harness::Harness};
use store::{adhoc_query, outbox, verify};

/// The schema that the page expects, with orders of every outcome and every payment status.
const LEGACY: &str = r#"
create schema legacy;
create table legacy.orders (
    id text primary key, state text, customer_id text, items_json jsonb, address_json jsonb, currency text,
    total_amount numeric(12, 3), created_at timestamptz, updated_at timestamptz
);
create table legacy.payments (payment_id text primary key, order_id text, status text, amount numeric(12, 3), created_at timestamptz);
create table legacy.events (id bigint generated always as identity, order_id text, type text, payload_json jsonb, ts timestamptz);
insert into legacy.orders values
    ('old-1', 'COMPLETED', 'CUST-001', '[{"product_id": "ABC123", "quantity": 2, "price": 10.25}]',
        '{"street": "123 Main St", "city": "Anytown", "state": "CA", "zip_code": "94102", "country": "US"}', null, 20.50,
        '2024-01-01T10:00:00Z', '2024-01-03T10:00:00Z'),
    ('old-2', 'cancelled', 'CUST-002', '[{"sku": "ABC123", "qty": 1, "unit_price": 500}]', '{"street": "1 A"}', 'JPY', 500,
        '2024-01-01T11:00:00Z', '2024-01-01T12:00:00Z'),
    ('old-3', 'failed', null, '[{"sku": "ABC123", "qty": 1, "unit_price": 9.99}]', null, 'USD', 9.99,
        '2024-01-02T11:00:00Z', '2024-01-02T12:00:00Z');
insert into legacy.payments values
    ('old-pmt-1', 'old-1', 'charged', 20.50, '2024-01-01T10:00:02Z'),
    ('old-pmt-2', 'old-2', 'refunded', 500, '2024-01-01T11:00:02Z');
insert into legacy.events (order_id, type, payload_json, ts) values
    ('old-1', 'order_received', '{}', '2024-01-01T10:00:00Z'),
    ('old-1', 'order_validated', null, '2024-01-01T10:00:01Z'),
    ('old-1', 'payment_charged', '{"payment_id": "old-pmt-1"}', '2024-01-01T10:00:02Z'),
    ('old-1', 'order_shipped', '{}', '2024-01-02T10:00:00Z'),
    ('old-1', 'order_completed', '{}', '2024-01-03T10:00:00Z'),
    ('old-2', 'order_created', '{}', '2024-01-01T11:00:00Z'),
    ('old-2', 'payment_charged', '{}', '2024-01-01T11:00:02Z'),
    ('old-2', 'payment_refunded', '{}', '2024-01-01T11:59:00Z'),
    ('old-2', 'order_cancelled', '{}', '2024-01-01T12:00:00Z'),
    ('old-3', 'order_received', '{}', '2024-01-02T11:00:00Z'),
    ('old-3', 'order_failed', '{}', '2024-01-02T12:00:00Z');
"#;

fn migration_script() -> String {
    let page = read_file("docs/data-migration.md");
    page.split("```sql\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn migrated_orders_satisfy_every_invariant() {
    let harness = Harness::start().await;
    adhoc_query::run_script(&harness.pool, LEGACY)
        .await
        .unwrap();
    adhoc_query::run_script(&harness.pool, &migration_script())
        .await
        .unwrap();
    assert_eq!(verify::find_violations(&harness.pool).await.unwrap(), []);
    let moved = harness.get("/orders/old-1?source=database").await.body;
    assert_eq!(
        (&moved["status"], &moved["total_amount"]),
        (&"delivered".into(), &20.5.into()),
        "{moved}"
    );
    assert_eq!(moved["payment_info"]["payment_id"], "old-pmt-1", "{moved}");
    assert_eq!(
        harness.audit_event_types("old-1").await.last().unwrap(),
        "order_delivered"
    );
    assert_eq!(
        harness.get("/orders/old-2?source=database").await.body["total_amount"],
        500
    );
    // No mail is sent for past events.
    let id = domain::OrderId::parse("old-1").unwrap();
    let outbox = outbox::list(&harness.pool, &id).await.unwrap();
    let mails: Vec<_> = outbox
        .iter()
        .map(|mail| (mail.kind.as_str(), mail.status.as_str()))
        .collect();
    let kinds = [
        "order_received",
        "payment_confirmed",
        "order_shipped",
        "order_delivered",
    ];
    assert_eq!(mails, kinds.map(|kind| (kind, "skipped")));
    // A new order is stored beside the migrated ones and satisfies the invariants too.
    let id = harness
        .post("/orders", order_with_payment("pmt-new-1"))
        .await
        .expect_started();
    harness.wait_for_end(&id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn open_order_stops_migration_and_is_named() {
    let harness = Harness::start().await;
    adhoc_query::run_script(&harness.pool, LEGACY)
        .await
        .unwrap();
    let open = "update legacy.orders set state = 'PAYMENT_CHARGED' where id = 'old-2'";
    adhoc_query::run_script(&harness.pool, open).await.unwrap();
    let refused = adhoc_query::run_script(&harness.pool, &migration_script())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("open, or of an unknown state: old-2 is PAYMENT_CHARGED"),
        "{refused}"
    );
    assert_eq!(verify::count_orders(&harness.pool).await.unwrap(), 0);
}
