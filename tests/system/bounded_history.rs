//! Orders that receive far more requests and events than a history can have. The limits of the
//! Temporal server are lowered.

use futures::{FutureExt, StreamExt, TryStreamExt, future::join_all, stream};
use serde_json::{Value, json};
use temporalio_client::{Client, WorkflowExecution, WorkflowListOptions, WorkflowSignalOptions};

use crate::{
    api::order_with_payment, faults::start_order, harness::Harness, settlements::WebhookSender,
    shared_servers::shared_servers, webhooks::webhook_settings,
};
use contract::{Rejection, recorder_workflow_id};
use devstack::{Temporal, TemporalOptions};
use domain::{AddressChange, OrderId, WebhookProvider};
use payment_webhooks::SampleKind;
use store::simulator::{Fault, add_fault};
use workflows::{Message, OrderWorkflow};

/// A Temporal server with lower limits, and the programs.
pub(crate) struct Bounded {
    pub(crate) harness: Harness,
    _temporal: Temporal,
}

/// The number of concurrent senders. Together they send some hundred signals each second.
const SENDERS: usize = 3;

/// The server suggests to continue as new after 200 events, and accepts 1,000 signals in each run.
const LIMITS: [(&str, &str); 2] = [
    ("limit.historyCount.suggestContinueAsNew", "200"),
    ("history.maximumSignalsPerExecution", "1000"),
];

async fn start_bounded(name: &str, settings: &[(&str, &str)]) -> Bounded {
    start_limited(name, settings, &LIMITS).await
}

async fn start_limited(name: &str, settings: &[(&str, &str)], limits: &[(&str, &str)]) -> Bounded {
    let temporal = Temporal::start(TemporalOptions {
        dynamic_config: limits
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..TemporalOptions::default()
    });
    let temporal = temporal.await.unwrap();
    let database = format!("db_bounded_{name}_{}", std::process::id());
    let database = shared_servers().await.create_database(&database).await;
    let webhooks = webhook_settings();
    let webhooks: Vec<_> = webhooks
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let settings = [&webhooks, settings].concat();
    Bounded {
        harness: Harness::start_on(&database, &temporal.address, &settings).await,
        _temporal: temporal,
    }
}

/// Sends address changes as signals, which no quota refuses.
async fn flood_with_addresses(harness: &Harness, id: &str, count: usize) {
    let client = harness.connect_to_temporal().await;
    let order = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let send = |number: usize| {
        let order = &order;
        async move {
            let change = AddressChange {
                street: Some(format!("{number} Main St")),
                ..AddressChange::default()
            };
            let sent = || {
                order.signal(
                    OrderWorkflow::update_address_signal,
                    Message::Valid(change.clone()),
                    WorkflowSignalOptions::default(),
                )
            };
            // The server refuses signals for a moment while a run ends.
            while sent().await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    };
    stream::iter(0..count)
        .map(send)
        .buffer_unordered(SENDERS)
        .collect::<()>()
        .await;
}

/// Sends failed attempts of one payment, as in card testing.
async fn flood_with_failures(harness: &Harness, id: &str, count: usize) {
    let sender = WebhookSender::new(harness, WebhookProvider::Standard);
    let payment = sender.payment(id, "tx-tested", "99.99");
    let send = async |number: usize| {
        let event = format!("failure-{number}");
        assert_eq!(
            sender
                .send_event(SampleKind::Failed, &payment, &event)
                .await,
            200,
            "{event}"
        );
    };
    stream::iter(0..count)
        .map(send)
        .buffer_unordered(SENDERS)
        .collect::<()>()
        .await;
}

/// Returns the runs of the order, as the server lists them after a moment.
async fn count_runs(client: &Client, id: &str) -> usize {
    let query = format!("WorkflowId = 'order-{id}'");
    let options = WorkflowListOptions::builder().limit(1_000).build();
    let runs: Vec<WorkflowExecution> = client
        .list_workflows(query, options)
        .try_collect()
        .await
        .unwrap();
    runs.len()
}

/// Asserts that the audit log has no gap, and returns its types.
async fn gapless_audit_log(harness: &Harness, id: &str) -> Vec<String> {
    let order_id = OrderId::parse(id).unwrap();
    let events = store::audit_events::list(&harness.pool, &order_id, 0, 100_000)
        .await
        .unwrap()
        .unwrap();
    let seqs: Vec<u32> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<u32> = (1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected, "{id}");
    events.iter().map(|event| event.kind.to_string()).collect()
}

fn count(types: &[String], kind: &str) -> usize {
    types.iter().filter(|found| *found == kind).count()
}

async fn wait_for_audit_events(harness: &Harness, id: &str, kind: &str, expected: usize) {
    let read = async || {
        let found = sqlx::query_scalar::<_, i64>(
            "select count(*) from events where order_id = $1 and type = $2",
        );
        let found = found.bind(id).bind(kind).fetch_one(&harness.pool).await;
        usize::try_from(found.unwrap()).unwrap()
    };
    harness
        .wait_until(&format!("{expected} {kind} of {id}"), read, |found| {
            *found >= expected
        })
        .await;
}

async fn start_reviewed_order(harness: &Harness, id: &str) {
    harness
        .post(
            &format!("/orders/{id}/start"),
            order_with_payment(&format!("pmt-{id}")),
        )
        .await
        .expect_status(202);
    harness.wait_for_step(id, "manual_review").await;
}

#[tokio::test]
async fn flooded_order_in_review_continues_as_new() {
    const CHANGES: usize = 1_500;
    const FAILURES: usize = 1_500;
    let bounded = start_bounded("review", &[("REVIEW_THRESHOLD", "1")]).await;
    let harness = &bounded.harness;
    start_reviewed_order(harness, "flooded").await;
    futures::join!(
        flood_with_addresses(harness, "flooded", CHANGES),
        flood_with_failures(harness, "flooded", FAILURES),
    );
    wait_for_audit_events(harness, "flooded", "address_updated", CHANGES).await;
    wait_for_audit_events(harness, "flooded", "payment_attempt_failed", FAILURES).await;
    harness
        .post("/orders/flooded/signals/approve", json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("flooded").await.status.as_str(),
        "delivered"
    );
    let types = gapless_audit_log(harness, "flooded").await;
    assert_eq!(count(&types, "address_updated"), CHANGES);
    assert_eq!(count(&types, "payment_attempt_failed"), FAILURES);
    assert_eq!(count(&types, "review_started"), 1);
    assert_eq!(harness.provider_movements("flooded").await, ["capture"]);
    let client = harness.connect_to_temporal().await;
    let runs = async || count_runs(&client, "flooded").await;
    let runs = harness
        .wait_until("several runs", runs, |runs| *runs >= 3)
        .await;
    println!("{runs} runs for {CHANGES} address changes and {FAILURES} webhook events");
    harness.assert_invariants().await;
}

/// Sends rejections as signals, which the order refuses after its review.
async fn flood_with_rejections(harness: &Harness, id: &str, count: usize) {
    let client = harness.connect_to_temporal().await;
    let order = client.get_workflow_handle::<OrderWorkflow>(format!("order-{id}"));
    let send = |_| async {
        let sent = || {
            order.signal(
                OrderWorkflow::reject_order_signal,
                Message::Valid(Rejection::default()),
                WorkflowSignalOptions::default(),
            )
        };
        while sent().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    stream::iter(0..count)
        .map(send)
        .buffer_unordered(SENDERS)
        .collect::<()>()
        .await;
}

/// Takes an order through each of its waits, with a flood of `flood` messages during each.
async fn flood_each_wait(harness: &Harness, id: &str, flood: usize) {
    let path = |action: &str| format!("/orders/{id}/{action}");
    harness
        .post(&path("start"), crate::api::sample_order())
        .await
        .expect_status(202);
    harness.wait_for_step(id, "manual_review").await;
    flood_with_addresses(harness, id, flood).await;
    wait_for_audit_events(harness, id, "address_updated", flood).await;
    let send = async |action: &str, body: Value| {
        harness.post(&path(action), body).await.expect_status(200);
    };
    let mut refused = 0;
    let mut flood_with_refused = async || {
        flood_with_rejections(harness, id, flood).await;
        refused += flood;
        wait_for_audit_events(harness, id, "request_refused", refused).await;
    };
    send("signals/hold", json!({})).await;
    send("signals/approve", json!({})).await;
    harness.wait_for_reason(id, "hold").await;
    flood_with_refused().await;
    send("signals/release", json!({})).await;
    harness.wait_for_step(id, "pay").await;
    harness.wait_for_reason(id, "payment").await;
    flood_with_refused().await;
    send("signals/hold", json!({})).await;
    let paid = json!({"transaction_id": format!("tx-{id}"), "amount": 99.99});
    send("payment", paid).await;
    harness.wait_for_reason(id, "hold").await;
    flood_with_refused().await;
    send("signals/release", json!({})).await;
    harness.wait_for_step(id, "prepare").await;
    flood_with_refused().await;
    harness.wait_for_step(id, "deliver").await;
    flood_with_refused().await;
    harness
        .post(&path("signals/confirm-delivery"), json!({}))
        .await
        .expect_status(200);
    assert_eq!(harness.wait_for_end(id).await.status.as_str(), "delivered");
    let types = gapless_audit_log(harness, id).await;
    assert_eq!(count(&types, "address_updated"), flood);
    assert_eq!(count(&types, "request_refused"), 5 * flood);
    assert_eq!(count(&types, "order_held"), 2);
    assert_eq!(count(&types, "order_released"), 2);
    for kind in [
        "review_started",
        "payment_requested",
        "order_shipped",
        "order_delivered",
    ] {
        assert_eq!(count(&types, kind), 1, "{id}: {kind}");
    }
    println!(
        "{id}: {} shipping attempts",
        count(&types, "shipment_started")
    );
}

/// The messages in each wait.
const FLOOD: usize = 250;

const EACH_WAIT: [(&str, &str); 4] = [
    ("PAYMENT", "confirm"),
    ("REVIEW_THRESHOLD", "1"),
    ("SHIPPING_DELAY", "8s"),
    ("DELIVERY", "confirm"),
];

/// Completes a small order that continued as new, for the recorded histories.
pub(crate) async fn run_continued_order() -> Bounded {
    let limits = [("limit.historyCount.suggestContinueAsNew", "40")];
    let bounded = start_limited("recorded", &EACH_WAIT, &limits).await;
    flood_each_wait(&bounded.harness, "continued", 12).await;
    bounded
}

#[tokio::test]
async fn order_continues_as_new_at_each_wait() {
    let bounded = start_bounded("waits", &EACH_WAIT).await;
    let harness = &bounded.harness;
    flood_each_wait(harness, "each-wait", FLOOD).await;
    let client = harness.connect_to_temporal().await;
    let runs = async || count_runs(&client, "each-wait").await;
    let runs = harness
        .wait_until("seven runs", runs, |runs| *runs >= 7)
        .await;
    println!("{runs} runs");
    harness.assert_invariants().await;
}

#[tokio::test]
async fn flooded_orders_complete_while_worker_is_killed() {
    let bounded = start_bounded("killed", &EACH_WAIT).await;
    let harness = &bounded.harness;
    let orders = join_all(["killed-1", "killed-2"].map(|id| flood_each_wait(harness, id, FLOOD)));
    let mut orders = std::pin::pin!(orders.fuse());
    let events = async || {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from events");
        count.fetch_one(&harness.pool).await.unwrap()
    };
    let mut kills = 0;
    loop {
        // The next kill follows progress, independent of the machine's speed.
        let before = events().await;
        let progress = harness.wait_until("progress", events, |count| *count >= before + 150);
        futures::select! {
            _ = orders => break,
            _ = std::pin::pin!(progress.fuse()) => {}
        }
        if kills < 6 {
            kills += 1;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        } else {
            orders.await;
            break;
        }
    }
    assert!(kills >= 3, "{kills} kills");
    harness.assert_invariants().await;
}

/// ENG-08: a client repeats one request 2,001 times. The server accepts 2,000 updates in each run.
#[tokio::test]
async fn flooding_client_does_not_stop_operator() {
    let bounded = start_bounded("quota", &[("REVIEW_THRESHOLD", "1")]).await;
    let harness = &bounded.harness;
    start_reviewed_order(harness, "quota").await;
    let path = "/orders/quota/signals/update-address";
    let street = json!({"street": "1 Flood St"});
    let send = async |_| {
        let response = harness.post_without_retry(path, &street, &[]).await;
        let seconds: u32 = response.header("retry-after").parse().unwrap_or_default();
        match response.status.as_u16() {
            200 => true,
            429 => {
                assert!((1..=60).contains(&seconds), "{:?}", response.headers);
                response.expect_problem(429, "too_many_requests_for_order");
                false
            }
            _ => panic!("{response:?}"),
        }
    };
    let accepted = stream::iter(0..2_001).map(send).buffer_unordered(4);
    let accepted: Vec<bool> = accepted.collect().await;
    let accepted = accepted.iter().filter(|accepted| **accepted).count();
    println!("{accepted} of 2,001 requests were accepted");
    assert!((60..600).contains(&accepted), "{accepted}");
    harness
        .post("/orders/quota/signals/reject", json!({"reason": "fraud"}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("quota").await.status.as_str(),
        "cancelled"
    );
    gapless_audit_log(harness, "quota").await;
    harness.assert_invariants().await;
}

/// Temporal aborts all updates of an order that has more than ten in flight. So some of a burst wait, and
/// after 503 the client sends its change again: each change has an outcome.
#[tokio::test]
async fn burst_of_changes_is_accepted_or_beyond_quota() {
    let bounded = start_bounded("burst", &[("REVIEW_THRESHOLD", "1")]).await;
    let harness = &bounded.harness;
    start_reviewed_order(harness, "burst").await;
    let change = async |number: usize| {
        let street = json!({"street": format!("{number} Burst St")});
        let key = format!("burst-{number}");
        harness
            .post_with_headers(
                "/orders/burst/signals/update-address",
                street,
                &[("idempotency-key", &key)],
            )
            .await
            .status
            .as_u16()
    };
    let statuses = join_all((0..40).map(change)).await;
    let with_status = |expected: u16| statuses.iter().filter(|found| **found == expected).count();
    let accepted = with_status(200);
    assert!(accepted > 0, "{statuses:?}");
    assert_eq!(accepted + with_status(429), 40, "{statuses:?}");
    harness
        .post("/orders/burst/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("burst").await;
    let audit_log = gapless_audit_log(harness, "burst").await;
    // A change that was sent twice was made once.
    assert_eq!(
        count(&audit_log, "address_updated"),
        accepted,
        "{audit_log:?}"
    );
    harness.assert_invariants().await;
}

/// The outcome of a request with an `Idempotency-Key` is the same in a later run.
#[tokio::test]
async fn repeated_request_gets_outcome_of_earlier_run() {
    let bounded = start_bounded("keys", &[("REVIEW_THRESHOLD", "1")]).await;
    let harness = &bounded.harness;
    start_reviewed_order(harness, "keys").await;
    let path = "/orders/keys/signals/update-address";
    let key = [("idempotency-key", "key-1")];
    let first = json!({"street": "1 First St"});
    harness
        .post_with_headers(path, first.clone(), &key)
        .await
        .expect_status(200);
    let client = harness.connect_to_temporal().await;
    flood_with_addresses(harness, "keys", 300).await;
    let runs = async || count_runs(&client, "keys").await;
    harness
        .wait_until("a second run", runs, |runs| *runs >= 2)
        .await;
    let again = harness
        .post_with_headers(path, first, &key)
        .await
        .expect_status(200);
    assert_eq!(again["already"], json!(true));
    // The repeated request did not change the address again.
    let order = harness.get("/orders/keys").await.expect_status(200);
    assert_ne!(order["shipping_address"]["street"], json!("1 First St"));
    harness
        .post_with_headers(path, json!({"street": "2 Second St"}), &key)
        .await
        .expect_problem(422, "idempotency_key_reused");
    // A repeated start finds the order.
    let start = harness
        .post("/orders/keys/start", order_with_payment("pmt-keys"))
        .await;
    start.expect_status(202);
    harness
        .post("/orders/keys/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("keys").await;
    harness.assert_invariants().await;
}

/// ENG-11: changes that wait for the carrier leave a place for a cancel.
#[tokio::test]
async fn waiting_changes_do_not_block_cancel() {
    let harness = Harness::start().await;
    add_fault(&harness.pool, "dispatch", "waiting", Fault::Hang, 1)
        .await
        .unwrap();
    start_order(&harness, "waiting").await;
    harness.wait_for_step("waiting", "prepare").await;
    let change = async |number: usize| {
        let street = json!({"street": format!("{number} Side St")});
        let path = "/orders/waiting/signals/update-address";
        harness
            .post_without_retry(path, &street, &[])
            .await
            .status
            .as_u16()
    };
    let cancel = async {
        let log = async || harness.audit_event_types("waiting").await;
        let asked = |types: &Vec<String>| count(types, "address_requested") > 0;
        harness.wait_until("a waiting change", log, asked).await;
        let path = "/orders/waiting/cancel";
        harness
            .post_without_retry(path, &json!({}), &[])
            .await
            .status
            .as_u16()
    };
    let (changes, cancel) = futures::join!(join_all((0..10).map(change)), cancel);
    println!("changes: {changes:?}, cancel: {cancel}");
    let refused = changes.iter().filter(|status| **status == 429).count();
    assert_eq!(refused, 5, "{changes:?}");
    assert!([200, 202].contains(&cancel), "{cancel}");
    assert_eq!(
        harness.wait_for_end("waiting").await.status.as_str(),
        "cancelled"
    );
    harness.assert_invariants().await;
}

/// ENG-06: the payment provider is down while an order compensates.
#[tokio::test]
async fn dispute_reaches_audit_log_while_refund_is_retried() {
    let harness = crate::webhooks::start_with_webhooks(&[("SHIPPING_DELAY", "60s")]).await;
    start_order(&harness, "down").await;
    harness.wait_for_step("down", "prepare").await;
    add_fault(&harness.pool, "refund", "down", Fault::Fail, 1_000)
        .await
        .unwrap();
    harness
        .post("/orders/down/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_step("down", "compensate").await;
    let payment = harness.get("/orders/down").await.expect_status(200)["payment_info"].clone();
    let sender = WebhookSender::new(&harness, WebhookProvider::Standard);
    let transaction = payment["transaction_id"].as_str().unwrap();
    let about = sender.payment("down", transaction, "99.99");
    assert_eq!(
        sender.send_event(SampleKind::Disputed, &about, "1").await,
        200
    );
    harness
        .post("/orders/down/signals/approve", json!({}))
        .await
        .expect_problem(409, "not_in_review");
    wait_for_audit_events(&harness, "down", "payment_disputed", 1).await;
    wait_for_audit_events(&harness, "down", "request_refused", 1).await;
    assert_eq!(harness.provider_movements("down").await, ["capture"]);
    let order = harness.get("/orders/down").await.expect_status(200);
    assert_eq!(order["step"], "compensate");
    sqlx::query("delete from simulator.faults")
        .execute(&harness.pool)
        .await
        .unwrap();
    assert_eq!(
        harness.wait_for_end("down").await.status.as_str(),
        "cancelled"
    );
    gapless_audit_log(&harness, "down").await;
    harness.assert_invariants().await;
}

/// ENG-10: card testing with one payment of an order that waits for its money.
#[tokio::test]
async fn thousands_of_failed_attempts_do_not_stop_order() {
    const FAILURES: usize = 6_000;
    let bounded = start_bounded("attempts", &[("PAYMENT", "confirm")]).await;
    let harness = &bounded.harness;
    harness
        .post("/orders/attempts/start", crate::api::sample_order())
        .await
        .expect_status(202);
    harness.wait_for_step("attempts", "pay").await;
    let started = std::time::Instant::now();
    flood_with_failures(harness, "attempts", FAILURES).await;
    println!("{FAILURES} events in {:?}", started.elapsed());
    let sender = WebhookSender::new(harness, WebhookProvider::Standard);
    let payment = sender.payment("attempts", "tx-tested", "99.99");
    assert_eq!(
        sender.send_event(SampleKind::Paid, &payment, "1").await,
        200
    );
    wait_for_audit_events(harness, "attempts", "payment_attempt_failed", FAILURES).await;
    harness.wait_for_step("attempts", "deliver").await;
    harness
        .post("/orders/attempts/signals/confirm-delivery", json!({}))
        .await
        .expect_status(200);
    assert_eq!(
        harness.wait_for_end("attempts").await.status.as_str(),
        "delivered"
    );
    let types = gapless_audit_log(harness, "attempts").await;
    assert_eq!(count(&types, "payment_attempt_failed"), FAILURES);
    let client = harness.connect_to_temporal().await;
    println!("{} runs", count_runs(&client, "attempts").await);
    harness.assert_invariants().await;
}

/// ENG-18: an endpoint that is registered for all events of its provider.
#[tokio::test]
async fn events_without_order_share_one_workflow() {
    const EVENTS: usize = 500;
    let bounded = start_bounded("ignored", &[]).await;
    let harness = &bounded.harness;
    let sender = WebhookSender::new(harness, WebhookProvider::Stripe);
    let send = async |number: usize| {
        let customer = json!({"id": "cus_1", "object": "customer"});
        let event = json!({
            "id": format!("evt_{number}"),
            "object": "event",
            "type": "customer.updated",
            "data": {"object": customer},
        });
        assert_eq!(sender.post_body(&event).await, 200);
    };
    stream::iter(0..EVENTS)
        .map(send)
        .buffer_unordered(SENDERS)
        .collect::<()>()
        .await;
    let outcomes = async || {
        let count = "select count(*) from webhook_deliveries where outcome = 'ignored'";
        let count = sqlx::query_scalar::<_, i64>(count);
        count.fetch_one(&harness.pool).await.unwrap()
    };
    let all = i64::try_from(EVENTS).unwrap();
    harness
        .wait_until("the outcomes", outcomes, |count| *count == all)
        .await;
    let client = harness.connect_to_temporal().await;
    let options = WorkflowListOptions::builder().limit(1_000).build();
    let workflows: Vec<WorkflowExecution> = client
        .list_workflows(String::new(), options)
        .try_collect()
        .await
        .unwrap();
    let recorder = recorder_workflow_id(&harness.orders_task_queue, WebhookProvider::Stripe);
    let runs = workflows.iter().filter(|run| run.id() == recorder).count();
    println!("{EVENTS} events in {runs} runs");
    assert!(runs <= 10, "{runs} runs");
    let is_settlement = |run: &WorkflowExecution| run.id().starts_with("settlement-");
    assert!(!workflows.iter().any(is_settlement));
}
