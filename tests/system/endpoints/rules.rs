//! The rules of the outbox in the database.

use serde_json::json;

use super::SETTINGS;
use crate::{api::order_with_payment, harness::Harness};
use domain::{AuditEventType, MessageType, OrderId, Span};
use store::{backup, personal_data, purge::Purge};

impl Harness {
    async fn count_messages(&self, order_id: &str) -> i64 {
        sqlx::query_scalar(
            "select count(*) from endpoint_messages join endpoint_deliveries using (message_id)
             where endpoint_messages.order_id = $1",
        )
        .bind(order_id)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Creates an endpoint without a receiver.
    async fn create_unserved_endpoint(&self) {
        let url = format!(
            "http://127.0.0.1:{}/",
            devstack::ports::free_port().unwrap()
        );
        self.post("/webhook-endpoints", json!({"url": url}))
            .await
            .expect_status(201);
    }
}

#[tokio::test]
async fn database_and_code_have_the_same_types() {
    let harness = Harness::start().await;
    for event in AuditEventType::ALL {
        let kind: Option<String> = sqlx::query_scalar("select endpoint_event_type($1)")
            .bind(event.as_str())
            .fetch_one(&harness.pool)
            .await
            .unwrap();
        let expected = MessageType::for_event(*event).map(MessageType::as_str);
        assert_eq!(kind.as_deref(), expected, "{event}");
    }
}

#[tokio::test]
async fn order_without_an_endpoint_writes_no_message() {
    let harness = Harness::start_with(&SETTINGS).await;
    let before = harness.complete_order("before").await;
    harness.create_unserved_endpoint().await;
    let after = harness.complete_order("after").await;
    assert_eq!(harness.count_messages(&before).await, 0);
    assert_eq!(harness.count_messages(&after).await, 4);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn replaced_audit_event_leaves_no_message() {
    let harness = Harness::start_with(&SETTINGS).await;
    harness.create_unserved_endpoint().await;
    let id = harness.complete_order("replaced").await;
    let write = async |after: i32, kind: &str| {
        let outcome: String = sqlx::query_scalar(
            "select write.outcome from orders cross join lateral write_order(jsonb_build_object(
                 'row', to_jsonb(orders) || jsonb_build_object('last_seq', $2 + 1, 'version', version + 1024,
                     'decided_at', decided_at + interval '1 second'),
                 'after', $2, 'mails', '[]'::jsonb,
                 'events', jsonb_build_array(jsonb_build_object('seq', $2 + 1, 'type', $3::text, 'payload', '{}'::jsonb,
                     'ts', now())))) as write
             where id = $1",
        )
        .bind(&id)
        .bind(after)
        .bind(kind)
        .fetch_one(&harness.pool)
        .await
        .unwrap();
        assert_eq!(outcome, "applied");
    };
    let types = async || -> Vec<String> {
        sqlx::query_scalar(
            "select type from endpoint_messages where order_id = $1 and seq >= 50 order by seq",
        )
        .bind(&id)
        .fetch_all(&harness.pool)
        .await
        .unwrap()
    };
    sqlx::query("update orders set last_seq = 49 where id = $1")
        .bind(&id)
        .execute(&harness.pool)
        .await
        .unwrap();
    write(49, "order_held").await;
    write(50, "order_released").await;
    assert_eq!(types().await, ["order.held", "order.released"]);
    // A repeated workflow task decides otherwise.
    write(49, "address_updated").await;
    assert_eq!(types().await, ["order.updated"]);
}

#[tokio::test]
async fn erased_and_purged_orders_leave_no_personal_data() {
    let harness = Harness::start_with(&SETTINGS).await;
    harness.create_unserved_endpoint().await;
    let id = harness.complete_order("erased").await;
    let text = async || -> String {
        sqlx::query_scalar(
            "select coalesce(string_agg(order_json::text, ' '), '') from endpoint_messages",
        )
        .fetch_one(&harness.pool)
        .await
        .unwrap()
    };
    assert!(text().await.contains("john@example.com"));
    let order_id = OrderId::parse(&id).unwrap();
    let exported = personal_data::export_order(&harness.pool, &order_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(exported["messages"].as_array().unwrap().len(), 4);
    assert!(
        personal_data::erase_order(&harness.pool, &order_id)
            .await
            .unwrap()
    );
    let erased = text().await;
    assert!(
        !erased.contains("john@example.com") && !erased.contains("Main St"),
        "{erased}"
    );
    assert_eq!(harness.count_messages(&id).await, 4);
    harness.assert_invariants().await;

    sqlx::raw_sql(
        "update orders set created_at = now() - interval '400 days', updated_at = now() - interval '400 days';
         update payments set updated_at = now() - interval '400 days'",
    )
    .execute(&harness.pool)
    .await
    .unwrap();
    let mut purge = Purge::new(&harness.pool, Span::from_secs(300 * 24 * 3600), 10)
        .await
        .unwrap();
    while purge.step().await.unwrap().is_some() {}
    assert_eq!(harness.count_messages(&id).await, 0);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn restored_backup_adds_no_message() {
    let harness = Harness::start_with(&SETTINGS).await;
    harness.create_unserved_endpoint().await;
    let id = harness.complete_order("restored").await;
    let older = harness
        .post("/orders", order_with_payment("pmt-restored-2"))
        .await
        .expect_started();
    harness.wait_for_end(&older).await;
    sqlx::query("delete from endpoint_messages where order_id = $1")
        .bind(&older)
        .execute(&harness.pool)
        .await
        .unwrap();
    // The worker would change the outbox meanwhile.
    harness.worker.kill().await;
    let mut file = Vec::new();
    backup::create(&harness.pool, &mut file).await.unwrap();
    backup::restore(&harness.pool, file.as_slice())
        .await
        .unwrap();
    assert_eq!(harness.count_messages(&id).await, 4);
    assert_eq!(harness.count_messages(&older).await, 0);
}
