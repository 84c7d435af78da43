//! Thousands of messages to a receiver that fails, is slow and is down for a while, while a worker dies.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{SETTINGS, receiver::Answer};
use crate::{api::sample_order, harness::Harness};

const ORDERS: i32 = 1_000;
/// The audit events of an order that one write adds.
const EVENTS_PER_WRITE: i32 = 5;
const WRITES: i32 = 2;
/// The time without a receiver.
const OUTAGE: Duration = Duration::from_secs(60);
/// The slow responses take more time than other tests wait.
const LONGEST_DELIVERY: Duration = Duration::from_secs(900);
const MESSAGES: usize = (ORDERS * EVENTS_PER_WRITE * WRITES) as usize;

/// Writes audit events of all orders, each order by one call of the function that workers use. The
/// orders are copies of the order `template`.
async fn write_events(harness: &Harness, write: i32) {
    let written = sqlx::query_scalar::<_, i64>(
        "select count(*) from orders as template, generate_series(1, $1) as number
         cross join lateral (
             select jsonb_agg(jsonb_build_object('seq', seq, 'payload', '{}'::jsonb, 'ts', now(), 'type',
                 case when seq = 1 then 'order_received' when seq % 2 = 0 then 'order_held' else 'order_released' end))
                 as events
             from generate_series(($2 - 1) * $3 + 1, $2 * $3) as seq
         ) as added
         cross join lateral write_order(jsonb_build_object(
             'row', to_jsonb(template) || jsonb_build_object('id', 'load-' || number, 'run_id', 'run-' || number,
                 'writer_run_id', 'run-' || number, 'version', $2 * 1024, 'decided_at', now() + $2 * interval '1 second',
                 'last_seq', $2 * $3),
             'after', ($2 - 1) * $3, 'events', added.events, 'mails', '[]'::jsonb)) as write
         where template.id = 'template' and write.outcome = 'applied'",
    )
    .bind(ORDERS)
    .bind(write)
    .bind(EVENTS_PER_WRITE)
    .fetch_one(&harness.pool)
    .await
    .unwrap();
    assert_eq!(written, i64::from(ORDERS));
}

#[tokio::test]
async fn ten_thousand_messages_survive_failures_in_order() {
    let harness = Harness::start_with(&SETTINGS).await;
    let mut template = sample_order();
    template["profile"] = json!("checkout");
    harness
        .post("/orders/template/start", template)
        .await
        .expect_started();
    harness.wait_for_step("template", "pay").await;
    let endpoint = harness.create_endpoint(&["*"]).await;
    let receiver = endpoint.receiver.clone();
    receiver.take(Duration::from_millis(5));
    receiver.take_sometimes(100, Duration::from_secs(2));
    receiver.decide(|_, count| {
        if count % 3 == 0 {
            Answer::Reject(500)
        } else {
            Answer::Accept
        }
    });
    let accepted = async |least: usize| {
        let read = async || receiver.count_attempts();
        harness
            .wait_until_within(LONGEST_DELIVERY, "more attempts", read, |count| {
                *count >= least
            })
            .await
    };
    write_events(&harness, 1).await;
    accepted(500).await;
    harness.worker.kill().await;
    harness.worker.restart().await.unwrap();
    write_events(&harness, 2).await;
    accepted(5_000).await;
    endpoint.server.stop().await;
    let stopped = Instant::now();
    let failed = async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from endpoint_deliveries where error = 'the connection failed' and status = 'pending'",
        )
        .fetch_one(&harness.pool)
        .await
        .unwrap()
    };
    harness
        .wait_until("a minute without a receiver", failed, |count| {
            *count > 20 && stopped.elapsed() >= OUTAGE
        })
        .await;
    let _server = receiver.restart().await;
    let pending = async || {
        sqlx::query_scalar::<_, i64>(
            "select count(*) from endpoint_deliveries where status = 'pending'",
        )
        .fetch_one(&harness.pool)
        .await
        .unwrap()
    };
    harness
        .wait_until_within(LONGEST_DELIVERY, "the last message", pending, |count| {
            *count == 0
        })
        .await;

    assert_eq!(receiver.count_refused(), 0);
    let mut orders: BTreeMap<String, i64> = BTreeMap::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for attempt in receiver.attempts() {
        let Some(number) = attempt.order_id().strip_prefix("load-") else {
            continue;
        };
        // The order in a message is that of its write, and its type shows the event.
        let last = orders.entry(number.to_owned()).or_default();
        let known = ids.get(&attempt.message_id);
        match known {
            // An attempt is repeated only while no later message has arrived.
            Some(key) => assert_eq!(*key, format!("{number} {last}"), "{attempt:?}"),
            None => {
                *last += 1;
                let expected = match *last {
                    1 => "order.created",
                    even if even % 2 == 0 => "order.held",
                    _ => "order.released",
                };
                assert_eq!(attempt.kind(), expected, "message {last} of {number}");
                ids.insert(attempt.message_id.clone(), format!("{number} {last}"));
            }
        }
    }
    // Each message of an order was attempted only after the one before it was accepted, so the last
    // attempt of each message is the one that was accepted.
    assert_eq!(ids.len(), MESSAGES);
    let accepted: std::collections::BTreeSet<_> = receiver
        .accepted()
        .into_iter()
        .map(|attempt| attempt.message_id)
        .filter(|id| ids.contains_key(id))
        .collect();
    assert_eq!(accepted.len(), MESSAGES);
}
