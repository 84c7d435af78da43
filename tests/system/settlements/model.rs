//! Random sequences of payment events through the whole system, with the worker killed on the way,
//! compared with a model of the money.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only some providers have a body of their own"
)]

use std::{env, time::Duration};

use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};
use serde_json::{Value, json};

use super::{WebhookSender, start_shop};
use crate::{api::sample_order, harness::Harness};
use domain::{OrderId, OrderStatus, WebhookProvider};

/// `MODEL_SEQUENCES=300` tries more.
const SEQUENCES: u64 = 100;
const KILLS: usize = 3;
const CONCURRENCY: usize = 8;
/// The total of each order in cents.
const TOTAL: i64 = 9_999;

/// The events about one transaction, and what they add up to.
struct Sequence {
    seed: u64,
    provider: WebhookProvider,
    /// Each event is sent once or several times, in a random order.
    bodies: Vec<Value>,
    events: usize,
    captured: i64,
    refunded: i64,
    lost: i64,
}

impl Sequence {
    fn random(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let provider = [
            WebhookProvider::Checkout,
            WebhookProvider::Stripe,
            WebhookProvider::Adyen,
        ][rng.random_range(0..3)];
        let captured = match rng.random_range(0..10) {
            0..6 => TOTAL,
            6..8 => TOTAL - rng.random_range(1..5_000),
            _ => TOTAL + rng.random_range(1..5_000),
        };
        let mut events = captures(seed, provider, captured, &mut rng);
        let mut refunded = 0;
        for number in 0..rng.random_range(0..3_usize) {
            let amount = rng.random_range(1..=(captured - refunded) / 2);
            refunded += amount;
            events.push(refund(seed, provider, number, amount));
        }
        // A loss after the promise to refund an excess leaves less than the total, and one before
        // it does not. So there is either a loss or an excess.
        let is_lost = captured <= TOTAL && rng.random_bool(0.2);
        let lost = if is_lost { captured - refunded } else { 0 };
        if is_lost {
            events.push(loss(seed, provider));
        }
        let mut bodies: Vec<Value> = events
            .iter()
            .flat_map(|event| vec![event.clone(); rng.random_range(1..=2)])
            .collect();
        bodies.shuffle(&mut rng);
        Self {
            seed,
            provider,
            bodies,
            events: events.len(),
            captured,
            refunded,
            lost,
        }
    }

    fn order_id(&self) -> String {
        order_id(self.seed)
    }

    /// Returns the money that pays the order and the money that must be paid back.
    fn expected(&self, is_fulfilled: bool) -> (i64, i64) {
        let rest = self.captured - self.refunded - self.lost;
        let allocated = if is_fulfilled { rest.min(TOTAL) } else { 0 };
        (allocated, rest - allocated)
    }
}

fn order_id(seed: u64) -> String {
    format!("model-{seed}")
}

fn transaction_id(seed: u64) -> String {
    format!("pi_model_{seed}")
}

fn captures(seed: u64, provider: WebhookProvider, captured: i64, rng: &mut SmallRng) -> Vec<Value> {
    let order = order_id(seed);
    match provider {
        WebhookProvider::Checkout => {
            let first = rng.random_range(1..captured);
            [("a", first), ("b", captured - first)]
                .map(|(part, amount)| {
                    checkout(
                        seed,
                        part,
                        "payment_captured",
                        &json!({
                            "id": transaction_id(seed), "action_id": format!("act_{part}_{seed}"), "amount": amount,
                            "currency": "USD", "reference": order,
                        }),
                    )
                })
                .to_vec()
        }
        WebhookProvider::Adyen => {
            let authorised = adyen(seed, "AUTHORISATION", "auth", captured.max(TOTAL));
            if captured >= TOTAL {
                return vec![adyen(seed, "AUTHORISATION", "auth", captured)];
            }
            vec![authorised, adyen(seed, "CAPTURE", "capture", captured)]
        }
        _ => vec![stripe(
            &format!("evt-paid-{seed}"),
            "payment_intent.succeeded",
            json!({
                "id": transaction_id(seed), "amount": captured, "amount_received": captured, "currency": "usd",
                "metadata": {"order_id": order},
            }),
        )],
    }
}

fn refund(seed: u64, provider: WebhookProvider, number: usize, amount: i64) -> Value {
    match provider {
        WebhookProvider::Checkout => checkout(
            seed,
            &format!("r{number}"),
            "payment_refunded",
            &json!({
                "id": transaction_id(seed), "action_id": format!("ref_{number}_{seed}"), "amount": amount,
                "currency": "USD", "reference": order_id(seed),
            }),
        ),
        WebhookProvider::Adyen => adyen(seed, "REFUND", &format!("refund{number}"), amount),
        _ => stripe(
            &format!("evt-refund-{number}-{seed}"),
            "refund.created",
            json!({
                "id": format!("re_{number}_{seed}"), "object": "refund", "amount": amount, "currency": "usd",
                "payment_intent": transaction_id(seed), "status": "succeeded",
            }),
        ),
    }
}

/// All money that is left is lost.
fn loss(seed: u64, provider: WebhookProvider) -> Value {
    match provider {
        WebhookProvider::Checkout => checkout(
            seed,
            "returned",
            "payment_returned",
            &json!({"id": transaction_id(seed), "amount": 1_000_000, "currency": "USD", "reference": order_id(seed)}),
        ),
        WebhookProvider::Adyen => adyen(seed, "SECOND_CHARGEBACK", "dispute", 1_000_000),
        _ => stripe(
            &format!("evt-lost-{seed}"),
            "charge.dispute.closed",
            json!({"id": format!("dp_{seed}"), "payment_intent": transaction_id(seed), "status": "lost"}),
        ),
    }
}

fn stripe(id: &str, event_type: &str, object: Value) -> Value {
    json!({"id": id, "type": event_type, "data": {"object": object}})
}

fn checkout(seed: u64, name: &str, event_type: &str, data: &Value) -> Value {
    json!({"id": format!("evt-{name}-{seed}"), "type": event_type, "data": data})
}

fn adyen(seed: u64, code: &str, name: &str, amount: i64) -> Value {
    let payment = transaction_id(seed);
    let (reference, original) = match code {
        "AUTHORISATION" => (payment, Value::Null),
        _ => (format!("{name}-{seed}"), json!(payment)),
    };
    json!({"live": "false", "notificationItems": [{"NotificationRequestItem": {
        "pspReference": reference, "originalReference": original, "merchantReference": order_id(seed),
        "merchantAccountCode": "Orderflow", "amount": {"currency": "USD", "value": amount},
        "eventCode": code, "success": "true",
    }}]})
}

async fn count(harness: &Harness, query: &'static str) -> i64 {
    sqlx::query_scalar(query)
        .fetch_one(&harness.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn random_sequences_agree_with_the_model() {
    let harness = start_shop(&[("SHIPPING_DELAY", "2s"), ("RATE_LIMIT", "off")]).await;
    let number: u64 = env::var("MODEL_SEQUENCES")
        .ok()
        .map_or(SEQUENCES, |number| number.parse().unwrap());
    let sequences: Vec<Sequence> = (0..number).map(Sequence::random).collect();
    stream::iter(&sequences)
        .for_each_concurrent(CONCURRENCY, async |sequence| {
            harness
                .post(
                    &format!("/orders/{}/start", sequence.order_id()),
                    sample_order(),
                )
                .await
                .expect_status(202);
        })
        .await;
    let mut sent: Vec<(&Sequence, &Value)> = sequences
        .iter()
        .flat_map(|sequence| sequence.bodies.iter().map(move |body| (sequence, body)))
        .collect();
    sent.shuffle(&mut SmallRng::seed_from_u64(SEQUENCES));
    for part in sent.chunks(sent.len().div_ceil(KILLS + 1)) {
        stream::iter(part)
            .for_each_concurrent(CONCURRENCY, async |(sequence, body)| {
                let sender = WebhookSender::new(&harness, sequence.provider);
                assert_eq!(sender.post_body(body).await, 200, "{body}");
            })
            .await;
        harness.worker.kill().await;
        harness.worker.restart().await.unwrap();
    }
    let expected: usize = sequences.iter().map(|sequence| sequence.events).sum();
    let processed = async || {
        count(
            &harness,
            "select count(*) from webhook_deliveries where outcome <> 'pending'",
        )
        .await
    };
    harness
        .wait_until_within(
            Duration::from_secs(600),
            "all events processed",
            processed,
            |count| *count >= i64::try_from(expected).unwrap(),
        )
        .await;
    // Orders that still wait for money or for a decision are cancelled.
    stream::iter(&sequences)
        .for_each_concurrent(CONCURRENCY, async |sequence| {
            let id = sequence.order_id();
            let path = format!("/orders/{id}/cancel");
            harness.post(&path, json!({})).await;
            harness.wait_for_end(&id).await;
        })
        .await;
    let mut differences = Vec::new();
    for sequence in &sequences {
        let id = OrderId::parse(&sequence.order_id()).unwrap();
        let order = store::orders::read_order(&harness.pool, &id)
            .await
            .unwrap()
            .unwrap();
        let is_fulfilled = matches!(order.status, OrderStatus::Shipped | OrderStatus::Delivered);
        let transactions = store::ledger::list_by_order(&harness.pool, &id)
            .await
            .unwrap();
        let sum = |amount: fn(&domain::Balance) -> i64| -> i64 {
            transactions
                .iter()
                .map(|transaction| amount(&transaction.balance))
                .sum()
        };
        let (allocated, due) = sequence.expected(is_fulfilled);
        let model = [
            sequence.captured,
            sequence.refunded,
            sequence.lost,
            allocated,
            due,
        ];
        let system = [
            sum(|balance| balance.captured),
            sum(|balance| balance.refunded),
            sum(|balance| balance.lost),
            sum(domain::Balance::available),
            sum(|balance| balance.due),
        ];
        if transactions.len() != 1 || model != system {
            differences.push(format!(
                "seed {}, {}: {} transactions, model {model:?}, system {system:?}",
                sequence.seed,
                order.status,
                transactions.len()
            ));
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    harness.assert_invariants().await;
}
