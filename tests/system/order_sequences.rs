//! Random sequences of what shops, customers and operators do to an order, with the worker killed on
//! the way. At the end, units, money and stock add up.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

use crate::{
    api::sample_order,
    carriers::{SECRET, send_report},
    harness::Harness,
    write_path::assert_gapless_audit_log,
};
use domain::{Currency, Money};

const ORDERS: u64 = 40;
/// The steps of each order. The worker is killed between two parts of them.
const PARTS: usize = 4;
const STEPS_IN_PART: usize = 3;
const CONCURRENCY: usize = 6;
/// The units that each SKU has at first: not enough for every order.
const STOCK: i64 = 90;
const SKUS: [&str; 2] = ["SEQ-A", "SEQ-B"];
/// The variable with the seed of the first order. Each further order has the next one.
const SEED: &str = "SEQUENCE_SEED";

fn first_seed() -> u64 {
    std::env::var(SEED).map_or(0, |text| text.parse().unwrap())
}

struct Sequence {
    id: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Pays a part of the total: all of it, or half.
    Pay {
        divisor: i64,
    },
    Change {
        sku: &'static str,
        quantity: u32,
    },
    Hold,
    Release,
    MoveAddress,
    RefundAmount {
        cents: i64,
    },
    RefundItem {
        sku: &'static str,
        restock: bool,
    },
    ConfirmDelivery,
    /// The carrier reports the delivery of the first parcel.
    ReportDelivery,
    /// Refunds the payment; the order waits for another one.
    CancelPayment,
    Cancel,
}

impl Sequence {
    fn random(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut step = || {
            let sku = SKUS[rng.random_range(0..SKUS.len())];
            match rng.random_range(0..23) {
                0..6 => Step::Pay {
                    divisor: rng.random_range(1..=2),
                },
                6..9 => Step::Change {
                    sku,
                    quantity: rng.random_range(0..6),
                },
                9 => Step::Hold,
                10..12 => Step::Release,
                12..14 => Step::MoveAddress,
                14..16 => Step::RefundAmount {
                    cents: rng.random_range(1..2_000),
                },
                16..18 => Step::RefundItem {
                    sku,
                    restock: rng.random_bool(0.5),
                },
                18 => Step::ConfirmDelivery,
                19..21 => Step::ReportDelivery,
                21 => Step::CancelPayment,
                _ => Step::Cancel,
            }
        };
        let steps = (0..PARTS * STEPS_IN_PART).map(|_| step()).collect();
        Self {
            id: format!("sequence-{seed}"),
            steps,
        }
    }
}

fn in_dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Returns an amount of a response in cents.
fn cents(amount: &Value) -> i64 {
    let decimal = serde_json::from_value(amount.clone()).unwrap();
    let currency = Currency::parse("USD").unwrap();
    Money::from_decimal(decimal, currency).unwrap().minor()
}

async fn read_order(harness: &Harness, id: &str) -> Value {
    let path = format!("/orders/{id}");
    let read = async || harness.get(&path).await;
    harness
        .wait_until(&path, read, |response| response.status != 503)
        .await
        .expect_status(200)
}

/// Reports the delivery of the first parcel, which the order may not have handed over. The report comes
/// twice.
async fn report_delivery(harness: &Harness, id: &str, number: usize) {
    let body = json!({
        "type": "shipment.delivered", "timestamp": chrono::Utc::now(),
        "data": {"shipment_id": format!("{id}-PKG-001")},
    });
    let message = format!("{id}-{number}");
    for _ in 0..2 {
        assert_eq!(send_report(harness, &message, &body).await, 200, "{id}");
    }
}

/// Takes a step. In each state of the order it is accepted or refused.
async fn take_step(harness: &Harness, id: &str, number: usize, step: Step) {
    let (action, body) = match step {
        Step::Pay { divisor } => {
            let read = async || read_order(harness, id).await["amounts"]["total"].clone();
            // An order that is not validated yet has no amounts.
            let is_known = |total: &Value| !total.is_null();
            let total = cents(&harness.wait_until("the total", read, is_known).await);
            let transaction = format!("tx-{id}-{number}");
            let amount = in_dollars(total / divisor);
            (
                "payment",
                json!({"transaction_id": transaction, "amount": amount}),
            )
        }
        Step::Change { sku, quantity } => {
            let items = json!([{"sku": sku, "quantity": quantity}]);
            ("signals/update-items", json!({"items": items}))
        }
        Step::Hold => ("signals/hold", json!({"reason": "a random step"})),
        Step::Release => ("signals/release", json!({})),
        Step::MoveAddress => {
            let street = format!("{number} New St");
            ("signals/update-address", json!({"street": street}))
        }
        Step::RefundAmount { cents } => ("refunds", json!({"amount": in_dollars(cents)})),
        Step::RefundItem { sku, restock } => {
            let items = json!([{"sku": sku, "quantity": 1}]);
            ("refunds", json!({"items": items, "restock": restock}))
        }
        Step::ConfirmDelivery => ("signals/confirm-delivery", json!({})),
        Step::ReportDelivery => return report_delivery(harness, id, number).await,
        Step::CancelPayment => {
            // The next payment is of the whole total again, whatever was refunded of the first one.
            let refunds = read_order(harness, id).await["refunds"].clone();
            if refunds.as_array().is_some_and(|all| !all.is_empty()) {
                return;
            }
            ("signals/cancel-payment", json!({}))
        }
        Step::Cancel => ("cancel", json!({})),
    };
    let path = format!("/orders/{id}/{action}");
    let key = format!("{id}-{number}");
    // Each request comes twice, as from a client that has lost the response.
    for _ in 0..2 {
        let response = harness
            .post_with_headers(&path, body.clone(), &[("idempotency-key", &key)])
            .await;
        assert!(
            [200, 202, 409, 422, 429].contains(&response.status.as_u16()),
            "{id}, {step:?}: {response:?}"
        );
    }
}

/// Returns one unit, if the order is delivered and has one. Each request comes twice.
async fn return_unit(harness: &Harness, id: &str, sku: &str) {
    let returns = format!("/orders/{id}/returns");
    let body = json!({"items": [{"sku": sku, "quantity": 1}]});
    let requested = harness
        .post_with_headers(&returns, body, &[("idempotency-key", sku)])
        .await;
    assert!(
        [201, 409, 422].contains(&requested.status.as_u16()),
        "{id}: {requested:?}"
    );
    let Some(return_id) = requested.body["return_id"].as_str() else {
        return;
    };
    for (change, body) in [
        ("approve", json!({})),
        ("receive", json!({"restock": sku == SKUS[0]})),
    ] {
        let path = format!("{returns}/{return_id}/{change}");
        for _ in 0..2 {
            let status = harness.post(&path, body.clone()).await.status.as_u16();
            assert!([200, 409].contains(&status), "{id}, {change}: {status}");
        }
    }
}

/// Ends the order in whichever way is left, returns units of it, and returns it.
async fn end(harness: &Harness, id: &str) -> Value {
    for action in ["signals/release", "cancel"] {
        harness
            .post(&format!("/orders/{id}/{action}"), json!({}))
            .await;
    }
    let confirm = format!("/orders/{id}/signals/confirm-delivery");
    let ended = async || {
        harness.post(&confirm, json!({})).await;
        read_order(harness, id).await
    };
    let is_settled = |order: &Value| {
        let has = |name: &str, state: &str| {
            let all = order[name].as_array();
            all.is_some_and(|all| all.iter().any(|one| one["state"] == state))
        };
        order["is_running"] == false && !has("refunds", "pending") && !has("returns", "received")
    };
    harness.wait_until("the end", ended, is_settled).await;
    for sku in SKUS {
        return_unit(harness, id, sku).await;
    }
    harness
        .wait_until("the end of all returns", ended, is_settled)
        .await
}

/// The sums over all orders at the end.
#[derive(Debug, Default)]
struct Sums {
    fulfilled: usize,
    cancelled: usize,
    refunds: usize,
    returns: usize,
    /// The shipped and the restocked units of each SKU.
    units: BTreeMap<String, (i64, i64)>,
}

impl Sums {
    /// Adds an order, after a check of its money: a fulfilled order keeps its total less the refunds, any
    /// other keeps nothing.
    fn add(&mut self, order: &Value) {
        let amount = |name: &str| cents(&order["amounts"][name]);
        let kept = amount("captured") - amount("refunded") - amount("due");
        let refunds = order["refunds"].as_array().cloned().unwrap_or_default();
        let refunded: i64 = refunds.iter().map(|refund| cents(&refund["amount"])).sum();
        if ["shipped", "delivered"].contains(&order["status"].as_str().unwrap()) {
            assert_eq!(kept, amount("total") - refunded, "{order:#}");
            self.fulfilled += 1;
            self.add_units(&order["items"], |units, count| units.0 += count);
        } else {
            assert_eq!(kept, 0, "{order:#}");
            self.cancelled += 1;
        }
        self.refunds += refunds.len();
        let returns = order["returns"].as_array().cloned().unwrap_or_default();
        self.returns += returns.len();
        // The refund of a return restocks nothing: the return does.
        for restocked in refunds.iter().chain(&returns) {
            if restocked["restock"] == true {
                self.add_units(&restocked["items"], |units, count| units.1 += count);
            }
        }
    }

    fn add_units(&mut self, items: &Value, add: fn(&mut (i64, i64), i64)) {
        for item in items.as_array().unwrap() {
            let sku = item["sku"].as_str().unwrap().to_owned();
            let count = item["quantity"].as_i64().unwrap();
            add(self.units.entry(sku).or_default(), count);
        }
    }
}

#[tokio::test]
async fn units_money_and_stock_add_up_after_random_sequences() {
    let settings = [
        ("PAYMENT", "confirm"),
        ("DELIVERY", "confirm"),
        ("SHIPPING_DELAY", "1s"),
        ("RATE_LIMIT", "off"),
        ("WEBHOOK_SECRETS_CARRIER", SECRET),
    ];
    let first = first_seed();
    // A test prints this only when it fails.
    eprintln!("{SEED}={first}");
    let harness = Harness::start_with(&settings).await;
    for sku in SKUS {
        harness
            .put_stock(sku, json!({"available": STOCK}), None)
            .await
            .expect_status(201);
    }
    let sequences: Vec<Sequence> = (first..first + ORDERS).map(Sequence::random).collect();
    stream::iter(&sequences)
        .for_each_concurrent(CONCURRENCY, async |sequence| {
            let mut order = sample_order();
            order["items"] = json!([
                {"sku": SKUS[0], "quantity": 2, "unit_price": "10.00", "discount_amount": "1.00"},
                {"sku": SKUS[1], "quantity": 2, "unit_price": "3.33"},
            ]);
            order["shipping_amount"] = json!("4.99");
            let path = format!("/orders/{}/start", sequence.id);
            harness.post(&path, order).await.expect_status(202);
        })
        .await;
    for part in 0..PARTS {
        let take_part = stream::iter(&sequences).for_each_concurrent(CONCURRENCY, async |all| {
            let steps = all.steps.iter().copied().enumerate();
            for (number, step) in steps.skip(part * STEPS_IN_PART).take(STEPS_IN_PART) {
                take_step(&harness, &all.id, number, step).await;
            }
        });
        let kill = async {
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        };
        futures::join!(take_part, kill);
    }
    let mut sums = Sums::default();
    let ended: Vec<Value> = stream::iter(&sequences)
        .map(|sequence| end(&harness, &sequence.id))
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    for order in &ended {
        sums.add(order);
    }
    assert!(
        [sums.fulfilled, sums.cancelled, sums.refunds, sums.returns]
            .iter()
            .all(|sum| *sum > 0),
        "{sums:?}"
    );
    for sku in SKUS {
        let (shipped, restocked) = sums.units.get(sku).copied().unwrap_or_default();
        let stock = harness.get(&format!("/stock/{sku}")).await;
        let stock = stock.expect_status(200);
        assert_eq!(
            ["available", "held", "shipped"].map(|name| stock[name].as_i64()),
            [STOCK - shipped + restocked, 0, shipped].map(Some),
            "{sku}: {sums:?}"
        );
    }
    for sequence in &sequences {
        assert_gapless_audit_log(&harness, &sequence.id).await;
    }
    harness.assert_invariants().await;
}
