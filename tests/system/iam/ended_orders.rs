//! The protection of the audit logs of ended orders, also from the worker's own database user.

use chrono::DateTime;
use serde_json::{Value, json};

use super::Rds;
use domain::{AuditEvent, AuditEventType, OrderId, OrderState, OrderStatus, Span};
use store::{
    PgPool, audit_events,
    order_write::{Fence, OrderWrite, write_order},
    personal_data,
    purge::Purge,
    verify,
};

/// Each of them changes or deletes audit events of ended orders.
const REFUSED: [&str; 6] = [
    "update events set payload_json = '{}'",
    "update events set order_id = 'another'",
    "update events set seq = seq + 10",
    "delete from events",
    // Every user can set it, so it allows nothing alone.
    "begin; set local orderflow.changes_ended_order = 'on'; delete from events; commit",
    "begin; set local orderflow.changes_ended_order = 'on'; update events set ts = now(); commit",
];

fn append(state: &mut OrderState, kind: AuditEventType, payload: Value) -> AuditEvent {
    state.append_audit_event(kind, payload, DateTime::UNIX_EPOCH)
}

/// Writes the order as a workflow task at this place in the history does.
async fn write(pool: &PgPool, state: &OrderState, version: u32, event: AuditEvent) {
    let written = OrderWrite {
        state,
        fence: Fence {
            chain_id: Some("run-1"),
            run_id: "run-1",
            version,
            task_time: DateTime::from_timestamp(version.into(), 0).unwrap(),
        },
        events: &[event],
    };
    write_order(pool, written).await.unwrap();
}

fn end(state: &mut OrderState, status: OrderStatus, kind: AuditEventType) -> AuditEvent {
    state.transition_to(status).unwrap();
    state.finish();
    append(state, kind, json!({}))
}

/// Returns the SQLSTATE with which the database refuses the statement.
async fn refusal(pool: &PgPool, statement: &'static str) -> Option<String> {
    let mut connection = pool.acquire().await.unwrap();
    let refused = sqlx::raw_sql(statement).execute(&mut *connection).await;
    sqlx::raw_sql("rollback")
        .execute(&mut *connection)
        .await
        .unwrap();
    let error = refused.err()?;
    Some(error.as_database_error()?.code()?.into_owned())
}

#[tokio::test]
async fn audit_log_of_an_ended_order_is_protected_from_the_worker() {
    let rds = Rds::start().await;
    let worker = rds.connect_as("orderflow_worker").await;
    let id = OrderId::parse("ended").unwrap();
    let mut state = OrderState::new(id.clone(), DateTime::UNIX_EPOCH);
    let order =
        contract::parse_order(r#"{"items": [{"sku": "SKU-1", "quantity": 2, "price": 5}]}"#)
            .unwrap();
    state.order = Some(order);
    let received = append(
        &mut state,
        AuditEventType::OrderReceived,
        json!({"note": "private"}),
    );
    write(&worker, &state, 1_024, received).await;
    // An open order is not protected, because its workflow can still replace its events.
    let update = "update events set payload_json = payload_json || '{\"amount\": 1}'";
    assert_eq!(refusal(&worker, update).await, None);

    // The order was ended by a task that was lost. Its repetition decides otherwise.
    let mut lost = state.clone();
    let cancelled = end(
        &mut lost,
        OrderStatus::Cancelled,
        AuditEventType::OrderCancelled,
    );
    write(&worker, &lost, 3_074, cancelled).await;
    let failed = end(&mut state, OrderStatus::Failed, AuditEventType::OrderFailed);
    write(&worker, &state, 9_216, failed).await;
    let listed = audit_events::list(&worker, &id, 0, 10).await.unwrap();
    let kinds: Vec<_> = listed.unwrap().iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [AuditEventType::OrderReceived, AuditEventType::OrderFailed]
    );
    assert_eq!(verify::find_violations(&rds.admin).await.unwrap(), []);

    for statement in REFUSED {
        let refused = refusal(&worker, statement).await;
        assert_eq!(refused.as_deref(), Some("23001"), "{statement}");
    }
    // The owner is protected from a mistake.
    let mistake = refusal(&rds.admin, "delete from events").await;
    assert_eq!(mistake.as_deref(), Some("23001"));
    for statement in [
        "update events set payload_json = payload_json, ts = ts",
        "insert into events (order_id, seq, type, payload_json, ts)
             values ('ended', 3, 'payment_warning', '{}', 'epoch');
         update orders set last_seq = 3",
    ] {
        assert_eq!(refusal(&worker, statement).await, None, "{statement}");
    }

    let reader = rds.connect_as("orderflow_reader").await;
    for statement in [
        "select erase_event('ended', 1, '{}')",
        "select delete_replaced_events('ended', 0)",
    ] {
        let refused = refusal(&reader, statement).await;
        assert_eq!(refused.as_deref(), Some("42501"), "{statement}");
    }
    assert!(personal_data::erase_order(&worker, &id).await.unwrap());
    let listed = audit_events::list(&worker, &id, 0, 10).await.unwrap();
    let payload = &listed.unwrap()[0].payload;
    assert_eq!(
        payload,
        &json!({"note": personal_data::MARK, "amount": 1}),
        "nothing else of the payload changes"
    );
    // The protection is back, also in the connection that erased.
    let refused = refusal(&worker, "delete from events").await;
    assert_eq!(refused.as_deref(), Some("23001"));
    assert_eq!(verify::find_violations(&rds.admin).await.unwrap(), []);

    let mut purge = Purge::new(&worker, Span::from_secs(300 * 24 * 3600), 10)
        .await
        .unwrap();
    let mut deleted = 0;
    while let Some(purged) = purge.step().await.unwrap() {
        deleted += purged.audit_events;
    }
    assert_eq!(deleted, 3);
    rds.admin.close().await;
}
