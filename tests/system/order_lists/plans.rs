//! The index of each filter, shown by PostgreSQL's plans for many orders.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::shared_servers::shared_servers;
use contract::{OrderAttention, OrderSort};
use domain::OrderStatus;
use store::{
    PgPool,
    orders::{Cursor, ListFilter, explain},
};

/// With fewer orders, PostgreSQL reads the whole table for some filters, because it is small. With a
/// million orders, the plans are the same.
const ORDERS: i32 = 100_000;

/// Inserts closed orders, one every twenty seconds, and 500 open ones. Each has three audit events, a
/// payment and a parcel.
pub(super) async fn insert_many_orders(pool: &PgPool, count: i32) {
    for statement in [
        "insert into orders (id, run_id, state, step, is_running, customer_id, customer_json, currency, total_amount,
             external_reference, payment_json, waiting_json, waiting_until, version, last_seq, created_at, updated_at)
         select 'ORD-' || lpad(n::text, 9, '0'), 'run-' || n, state, case when state = 'pending' then 'pay' else 'done' end,
             state = 'pending', 'CUST-' || n % 100,
             jsonb_build_object('name', 'Customer' || n % 10000 || ' Surname' || n % 997, 'email', 'User' || n % 10000 || '@example.com'),
             'USD', 1000, case when n % 2 = 0 then 'ERP-' || n end, jsonb_build_object('payment_id', 'pmt-' || n, 'transaction_id', null, 'amount', 10.00,
                 'payment_method', null, 'status', 'captured', 'timestamp', '2026-01-01T00:00:00Z'),
             case when state = 'pending' then jsonb_build_object('reason', case when n % 50 = 0 then 'review' else 'payment' end) end,
             case when state = 'pending' then timestamptz '2099-01-01' end, 1, 3,
             timestamptz '2026-01-01' + n * interval '20 seconds', timestamptz '2026-01-01' + n * interval '20 seconds' + interval '1 hour'
         from generate_series(1, $1) as n, lateral (
             select case when n > $1 - 500 and $1 > 1000 then 'pending' when n % 50 = 0 then 'cancelled'
                 when n % 200 = 1 then 'failed' else 'delivered' end as state
         ) as status",
        "insert into events (order_id, seq, type, payload_json, ts)
         select id, seq, 'order_received', '{}', case seq when 3 then updated_at else created_at end
         from orders, generate_series(1, 3) as seq where $1 > 0",
        "insert into payments (payment_id, order_id, status, amount, currency, provider, transaction_id, captured, allocated)
         select 'pmt-' || id, id, 'captured', 1000, 'USD', 'stripe', 'pi_' || id, 1000, 1000 from orders where $1 > 0",
        "insert into shipments (shipment_id, order_id, state, items_json, tracking_number)
         select 'shp-' || id, id, 'dispatched', '[]', 'FEDEX-' || id from orders where $1 > 0",
    ] {
        sqlx::query(statement).bind(count).execute(pool).await.unwrap();
    }
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

/// Returns filters and the index that each must read.
fn filters() -> Vec<(&'static str, ListFilter, &'static str)> {
    use OrderStatus::{Cancelled, Failed, Pending};
    let blank = || ListFilter {
        limit: 51,
        stalled_after: Duration::from_secs(900),
        ..ListFilter::default()
    };
    let mut filters = vec![
        ("all", blank(), "orders_created"),
        (
            "oldest first",
            ListFilter {
                sort: OrderSort::OldestFirst,
                ..blank()
            },
            "orders_created",
        ),
        (
            "a status",
            ListFilter {
                statuses: vec![Failed],
                ..blank()
            },
            "orders_state",
        ),
        (
            "several statuses",
            ListFilter {
                statuses: vec![Pending, Cancelled, Failed],
                ..blank()
            },
            "orders_state",
        ),
        (
            "open orders, oldest first",
            ListFilter {
                statuses: vec![Pending],
                sort: OrderSort::OldestFirst,
                ..blank()
            },
            "orders_state",
        ),
        (
            "open orders, earliest change first",
            ListFilter {
                statuses: vec![Pending],
                sort: OrderSort::EarliestChangeFirst,
                ..blank()
            },
            "orders_state",
        ),
        (
            "a customer",
            ListFilter {
                customer_id: Some("CUST-7".to_owned()),
                ..blank()
            },
            "orders_customer",
        ),
        (
            "an e-mail address",
            ListFilter {
                email: Some("USER7@example.com".to_owned()),
                ..blank()
            },
            "orders_words",
        ),
        (
            "a reference",
            ListFilter {
                external_reference: Some("erp-7".to_owned()),
                ..blank()
            },
            "orders_reference",
        ),
        (
            "a range of creation",
            ListFilter {
                created_after: at("2026-01-02T00:00:00Z"),
                created_before: at("2026-01-02T01:00:00Z"),
                ..blank()
            },
            "orders_created",
        ),
        (
            "a page of changes",
            ListFilter {
                sort: OrderSort::EarliestChangeFirst,
                cursor: at("2026-01-03T00:00:00Z").map(|time| Cursor {
                    time,
                    order_id: "ORD-1".to_owned(),
                }),
                ..blank()
            },
            "events_time",
        ),
        (
            "latest change first",
            ListFilter {
                sort: OrderSort::LatestChangeFirst,
                ..blank()
            },
            "events_time",
        ),
        (
            "changed since, newest first",
            ListFilter {
                updated_after: at("2026-01-24T03:00:00Z"),
                ..blank()
            },
            "events_time",
        ),
        (
            "changed before, newest first",
            ListFilter {
                updated_before: at("2026-01-02T00:00:00Z"),
                ..blank()
            },
            "orders_created",
        ),
        (
            "a range of creation, earliest change first",
            ListFilter {
                created_after: at("2026-01-02T00:00:00Z"),
                created_before: at("2026-01-02T01:00:00Z"),
                sort: OrderSort::EarliestChangeFirst,
                ..blank()
            },
            "orders_created",
        ),
        (
            "stalled",
            ListFilter {
                attention: Some(OrderAttention::Stalled),
                ..blank()
            },
            "orders_waiting",
        ),
    ];
    for (reason, attention, index) in [
        ("review", OrderAttention::Review, "orders_undecided"),
        ("hold", OrderAttention::Hold, "orders_held"),
    ] {
        let filter = ListFilter {
            attention: Some(attention),
            ..blank()
        };
        filters.push((reason, filter, index));
    }
    for (text, index) in [
        ("customer7 surname7", "orders_words"),
        ("pi_ord-00000777", "payments_search"),
        ("fedex-ord-00000777", "shipments_tracking"),
        ("nobody", "orders_words"),
    ] {
        let filter = ListFilter {
            search: Some(text.to_owned()),
            ..blank()
        };
        filters.push((text, filter, index));
    }
    filters
}

#[tokio::test]
async fn each_filter_reads_its_index() {
    let url = shared_servers()
        .await
        .create_database("order_list_plans")
        .await;
    let pool = store::connect(&url).await.unwrap();
    insert_many_orders(&pool, ORDERS).await;
    for table in ["orders", "events", "payments", "shipments"] {
        let statement = sqlx::AssertSqlSafe(format!("vacuum analyze {table}"));
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    for (name, filter, index) in filters() {
        let plan = explain(&pool, &filter).await.unwrap();
        assert!(
            plan.contains(index),
            "{name} does not read {index}:\n{plan}"
        );
        for table in ["orders", "events", "payments", "shipments"] {
            let scan = format!("Seq Scan on {table}");
            assert!(!plan.contains(&scan), "{name} reads all {table}:\n{plan}");
        }
    }
    // Orders that need a person because of their money come from the work list.
    let money = ListFilter {
        attention: Some(OrderAttention::Money),
        limit: 51,
        ..ListFilter::default()
    };
    let plan = explain(&pool, &money).await.unwrap();
    assert!(!plan.contains("Seq Scan"), "{plan}");
}
