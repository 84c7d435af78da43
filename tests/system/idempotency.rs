//! Each database step, repeated and delayed: a try that Temporal has timed out can still run.

use std::time::Duration;

use chrono::DateTime;

use crate::shared_servers::shared_servers;
use domain::{
    AuditEventType, Money, Movement, MovementKind, OrderId, OrderState, PaymentId, PaymentStatus,
    Sku, TransactionId,
};
use store::{
    PgPool,
    inventory::{self, Reservation, ReservationRules, Stock},
    ledger::{self, Charge},
    order_write::{Fence, OrderWrite, Written, write_order},
    orders,
    outbox::{self, MailOutcome},
};

/// Creates an order for two pieces of `SKU-1`, received and validated.
async fn create_order(database: &str) -> (PgPool, OrderState) {
    let pool = store::connect(&shared_servers().await.create_database(database).await)
        .await
        .unwrap();
    let mut record = OrderState::new(OrderId::parse("order-1").unwrap(), DateTime::UNIX_EPOCH);
    let order =
        contract::parse_order(r#"{"items": [{"sku": "SKU-1", "quantity": 2, "price": 5}]}"#)
            .unwrap();
    record.order = Some(order);
    write_order(&pool, write_at(&record, 1)).await.unwrap();
    (pool, record)
}

fn write_at(record: &OrderState, version: u32) -> OrderWrite<'_> {
    OrderWrite {
        state: record,
        fence: fence_at(version, version.into()),
        events: &[],
    }
}

/// Returns the fence of the only run. `second` is the time of the workflow task.
fn fence_at(version: u32, second: i64) -> Fence<'static> {
    Fence {
        chain_id: Some("run-1"),
        run_id: "run-1",
        version,
        task_time: DateTime::from_timestamp(second, 0).unwrap(),
    }
}

fn ordered_sku() -> Sku {
    Sku::parse("SKU-1").unwrap()
}

async fn read_stock(pool: &PgPool) -> Stock {
    inventory::read_stock(pool, &ordered_sku())
        .await
        .unwrap()
        .unwrap()
}

const RULES: ReservationRules = ReservationRules {
    default_stock: 0,
    customer_limit: None,
};

async fn reserve_stock(pool: &PgPool, record: &OrderState) -> Reservation {
    let lines = &record.order.as_ref().unwrap().lines;
    inventory::reserve(pool, write_at(record, 2), lines, RULES)
        .await
        .unwrap()
}

#[tokio::test]
async fn stock_changes_apply_once() {
    let (pool, record) = create_order("idempotency_stock").await;
    inventory::set_available(&pool, &ordered_sku(), 5)
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(reserve_stock(&pool, &record).await, Reservation::Held);
        assert_eq!(
            read_stock(&pool).await,
            Stock {
                available: 3,
                held: 2,
                shipped: 0
            }
        );
    }
    for _ in 0..2 {
        inventory::release(&pool, write_at(&record, 3))
            .await
            .unwrap();
        assert_eq!(
            read_stock(&pool).await,
            Stock {
                available: 5,
                held: 0,
                shipped: 0
            }
        );
    }
    // Late duplicates of the earlier steps.
    assert_eq!(reserve_stock(&pool, &record).await, Reservation::Held);
    inventory::commit(&pool, write_at(&record, 4), None)
        .await
        .unwrap();
    assert_eq!(
        read_stock(&pool).await,
        Stock {
            available: 5,
            held: 0,
            shipped: 0
        }
    );
}

#[tokio::test]
async fn refused_order_reserves_nothing() {
    let (pool, record) = create_order("idempotency_refusal").await;
    inventory::set_available(&pool, &ordered_sku(), 1)
        .await
        .unwrap();
    let refused = Reservation::Unavailable(vec![domain::Shortage {
        sku: ordered_sku(),
        wanted: Some(2),
        available: Some(1),
    }]);
    assert_eq!(reserve_stock(&pool, &record).await, refused);
    // The order goes on to its compensation, and then an attempt that was given up runs.
    inventory::set_available(&pool, &ordered_sku(), 10)
        .await
        .unwrap();
    inventory::release(&pool, write_at(&record, 3))
        .await
        .unwrap();
    assert_eq!(reserve_stock(&pool, &record).await, Reservation::Held);
    assert_eq!(
        read_stock(&pool).await,
        Stock {
            available: 10,
            held: 0,
            shipped: 0
        }
    );
}

#[tokio::test]
async fn older_projection_and_other_run_change_nothing() {
    let (pool, mut record) = create_order("idempotency_image").await;
    record.cancellation_reason = Some("new".to_owned());
    write_order(&pool, write_at(&record, 7)).await.unwrap();
    record.cancellation_reason = Some("old".to_owned());
    write_order(&pool, write_at(&record, 6)).await.unwrap();
    let mut other = write_at(&record, 9);
    other.fence.chain_id = Some("run-2");
    let refused = write_order(&pool, other).await.unwrap_err();
    assert!(matches!(refused, store::Error::OtherOrder), "{refused:?}");
    let older = write_order(&pool, write_at(&record, 1)).await.unwrap();
    assert_eq!(older, Written::Newer);
    let view = orders::read_order(&pool, &record.order_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.cancellation_reason.as_deref(), Some("new"));
}

#[tokio::test]
async fn lost_task_entries_are_replaced_by_new_decision() {
    let (pool, mut record) = create_order("idempotency_lost").await;
    let entry = |record: &mut OrderState, kind| {
        record.append_audit_event(kind, serde_json::json!({}), DateTime::UNIX_EPOCH)
    };
    let received = [entry(&mut record, AuditEventType::OrderReceived)];
    write_order(
        &pool,
        OrderWrite {
            events: &received,
            ..write_at(&record, 3_072)
        },
    )
    .await
    .unwrap();
    // The lost task: three events, one number each.
    let mut lost = record.clone();
    let written = [
        AuditEventType::OrderValidated,
        AuditEventType::InventoryReserved,
        AuditEventType::PaymentRequested,
    ];
    let written = written.map(|kind| entry(&mut lost, kind));
    write_order(
        &pool,
        OrderWrite {
            events: &written,
            ..write_at(&lost, 3_074)
        },
    )
    .await
    .unwrap();
    // The order is cancelled instead, with a longer history: fewer and other events under the same
    // numbers.
    let decided = [entry(&mut record, AuditEventType::OrderCancelled)];
    write_order(
        &pool,
        OrderWrite {
            events: &decided,
            ..write_at(&record, 9_216)
        },
    )
    .await
    .unwrap();
    // The lost task's activity runs once more.
    let late = OrderWrite {
        events: &written,
        ..write_at(&lost, 3_074)
    };
    let refused = write_order(&pool, late).await.unwrap_err();
    assert!(
        matches!(refused, store::Error::MissingEvents { have: 2 }),
        "{refused:?}"
    );
    let trail = store::audit_events::list(&pool, &record.order_id, 0, 10)
        .await
        .unwrap()
        .unwrap();
    let kinds: Vec<_> = trail.iter().map(|event| (event.seq, event.kind)).collect();
    assert_eq!(
        kinds,
        [
            (1, AuditEventType::OrderReceived),
            (2, AuditEventType::OrderCancelled)
        ]
    );
    assert_eq!(store::verify::find_violations(&pool).await.unwrap(), []);
}

/// The third try of a task has the same place in the history as the second.
#[tokio::test]
async fn retried_task_overrides_earlier_try() {
    let (pool, mut record) = create_order("idempotency_repeated").await;
    let entry = |record: &mut OrderState, kind| {
        record.append_audit_event(kind, serde_json::json!({}), DateTime::UNIX_EPOCH)
    };
    let received = [entry(&mut record, AuditEventType::OrderReceived)];
    write_order(
        &pool,
        OrderWrite {
            events: &received,
            ..write_at(&record, 3_072)
        },
    )
    .await
    .unwrap();
    let write = async |record: &OrderState, version, second, events: &[_]| {
        let fence = fence_at(version, second);
        let state = record;
        // A write of the lost try is refused.
        let _ = write_order(
            &pool,
            OrderWrite {
                state,
                fence,
                events,
            },
        )
        .await;
        let trail = store::audit_events::list(&pool, &record.order_id, 1, 10)
            .await
            .unwrap()
            .unwrap();
        trail.iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    // The lost try writes several events.
    let mut lost = record.clone();
    let first = [entry(&mut lost, AuditEventType::OrderValidated)];
    write(&lost, 5_120, 10_000, &first).await;
    let second = [entry(&mut lost, AuditEventType::InventoryReserved)];
    write(&lost, 5_121, 10_000, &second).await;
    // The next try receives an update and writes fewer events.
    let mut cancelled = record.clone();
    let decided = [entry(&mut cancelled, AuditEventType::OrderCancelled)];
    assert_eq!(
        write(&cancelled, 5_120, 20_000, &decided).await,
        [AuditEventType::OrderCancelled]
    );
    // A late duplicate of the lost try.
    assert_eq!(
        write(&lost, 5_121, 10_000, &second).await,
        [AuditEventType::OrderCancelled]
    );
    // The activity at the end of the task, then the late duplicate again.
    let outside = [entry(&mut cancelled, AuditEventType::InventoryReleased)];
    let both = [
        AuditEventType::OrderCancelled,
        AuditEventType::InventoryReleased,
    ];
    assert_eq!(write(&cancelled, 5_121, 20_000, &outside).await, both);
    assert_eq!(write(&lost, 5_121, 10_000, &second).await, both);
    assert_eq!(store::verify::find_violations(&pool).await.unwrap(), []);
}

#[tokio::test]
async fn unsent_mail_of_lost_task_is_removed() {
    let (pool, mut record) = create_order("idempotency_mail").await;
    record.order.as_mut().unwrap().customer.email = Some("john@example.com".to_owned());
    let entry = |record: &mut OrderState, kind| {
        record.append_audit_event(kind, serde_json::json!({}), DateTime::UNIX_EPOCH)
    };
    let received = [
        AuditEventType::OrderReceived,
        AuditEventType::OrderValidated,
    ]
    .map(|kind| entry(&mut record, kind));
    write_order(
        &pool,
        OrderWrite {
            events: &received,
            ..write_at(&record, 2)
        },
    )
    .await
    .unwrap();
    let claim = async || {
        let claim = outbox::ClaimOptions {
            settle_time: Duration::ZERO,
            lease: Duration::from_secs(60),
            host: "shop.example",
            limit: 9,
        };
        outbox::claim_due(&pool, claim).await.unwrap().mails
    };
    let rows = async || {
        let rows = outbox::list(&pool, &record.order_id).await.unwrap();
        rows.into_iter()
            .map(|row| (row.kind, row.status))
            .collect::<Vec<_>>()
    };
    let row = |kind: &str, status: &str| (kind.to_owned(), status.to_owned());
    // One worker claims the mail, and no other worker gets it.
    let [due] = &claim().await[..] else {
        panic!("one mail is due")
    };
    assert_eq!(
        (due.kind.as_str(), due.recipient.as_str()),
        ("order_received", "john@example.com")
    );
    assert_eq!(claim().await, []);
    outbox::record_outcome(&pool, due, &MailOutcome::Sent)
        .await
        .unwrap();
    // A lost task: paid and shipped. The later mail waits for the earlier one.
    let mut lost = record.clone();
    let written = [
        AuditEventType::PaymentCaptured,
        AuditEventType::OrderShipped,
    ]
    .map(|kind| entry(&mut lost, kind));
    write_order(
        &pool,
        OrderWrite {
            events: &written,
            ..write_at(&lost, 3)
        },
    )
    .await
    .unwrap();
    let kinds = [
        row("order_received", "sent"),
        row("payment_confirmed", "pending"),
        row("order_shipped", "pending"),
    ];
    assert_eq!(rows().await, kinds);
    assert_eq!(
        claim()
            .await
            .iter()
            .map(|due| due.kind.as_str())
            .collect::<Vec<_>>(),
        ["payment_confirmed"]
    );
    // Instead, the payment is confirmed one event later, and nothing is shipped.
    let mut decided = record.clone();
    let written = [
        AuditEventType::PaymentAccepted,
        AuditEventType::PaymentConfirmed,
    ]
    .map(|kind| entry(&mut decided, kind));
    write_order(
        &pool,
        OrderWrite {
            events: &written,
            ..write_at(&decided, 4)
        },
    )
    .await
    .unwrap();
    assert_eq!(rows().await, kinds[..2]);
    assert_eq!(
        claim()
            .await
            .iter()
            .map(|due| due.kind.as_str())
            .collect::<Vec<_>>(),
        ["payment_confirmed"]
    );
    // The whole task is lost as well: a sent mail stays, and is not sent again for a repeated
    // decision.
    write_order(
        &pool,
        OrderWrite {
            events: &received,
            ..write_at(&record, 5)
        },
    )
    .await
    .unwrap();
    assert_eq!(rows().await, kinds[..1]);
    assert_eq!(claim().await, []);
    assert_eq!(store::verify::find_violations(&pool).await.unwrap(), []);
}

#[tokio::test]
async fn late_duplicate_does_not_recapture_refunded_payment() {
    let (pool, record) = create_order("idempotency_payment").await;
    let payment_id = PaymentId::parse("pmt-1").unwrap();
    let capture = TransactionId::parse("txn-1").unwrap();
    let charge = Charge {
        payment_id: &payment_id,
        amount: Money::from_minor(1_000, domain::Currency::DEFAULT).unwrap(),
        provider: "simulator",
        payment_method: None,
    };
    for _ in 0..2 {
        let claimed = ledger::claim_charge(&pool, write_at(&record, 2), charge)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(claimed.status(), PaymentStatus::Pending);
    }
    let captured = Movement::new(MovementKind::CapturedTotal, "charge", Some(1_000));
    let add = async |movement: &Movement| {
        let movements = std::slice::from_ref(movement);
        ledger::record(&pool, &payment_id, Some(&capture), movements)
            .await
            .unwrap()
            .unwrap()
    };
    let request = async || {
        ledger::request_refund(&pool, &record.order_id, &payment_id, None, None)
            .await
            .unwrap()
            .unwrap()
    };
    // The response of the charge is lost; the refund finds the capture and refunds it.
    request().await;
    add(&Movement::new(
        MovementKind::RefundedTotal,
        "refund",
        Some(1_000),
    ))
    .await;
    add(&captured).await;
    add(&captured).await;
    let last = request().await;
    assert_eq!(last.balance.status(true), PaymentStatus::Refunded);
    assert_eq!(last.transaction_id, Some(capture.clone()));
    assert_eq!((last.balance.captured, last.balance.due), (1_000, 0));
}

/// A timed-out activity can stop at any await point. The next one must find a clean connection.
#[tokio::test]
async fn abandoned_write_leaves_connection_clean() {
    let url = shared_servers()
        .await
        .create_database("idempotency_given_up")
        .await;
    let (one, reader) = (
        store::connect_lazy(&url, 1).unwrap(),
        store::connect(&url).await.unwrap(),
    );
    let mut record = OrderState::new(OrderId::parse("order-1").unwrap(), DateTime::UNIX_EPOCH);
    write_order(&one, write_at(&record, 1)).await.unwrap();
    let mut version = 1;
    for polls in 1..60 {
        version += 1;
        let given_up = write_at(&record, version);
        let mut write = Box::pin(write_order(&one, given_up));
        // The write is dropped at its first await point, its second …
        for _ in 0..polls {
            if futures::poll!(&mut write).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(write);
        version += 1;
        let event = record.append_audit_event(
            AuditEventType::OrderValidated,
            serde_json::json!({"polls": polls}),
            DateTime::UNIX_EPOCH,
        );
        let written = OrderWrite {
            events: std::slice::from_ref(&event),
            ..write_at(&record, version)
        };
        write_order(&one, written).await.unwrap();
        let seen = store::audit_events::list(&reader, &record.order_id, 0, 100)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen.len(), polls, "dropped after {polls} polls");
    }
}
