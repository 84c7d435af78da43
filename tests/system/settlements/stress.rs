//! Many orders, each paid by webhook events that arrive three times, shuffled, some forged or
//! stale, while workers die.

use std::{
    env,
    hash::{DefaultHasher, Hash, Hasher},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};

use super::{
    TOTAL, WebhookSender,
    sender::{SamplePayment, unix_now},
    start_shop,
};
use crate::{api::sample_order, harness::Harness};
use domain::WebhookProvider::{Adyen, Checkout, Square, Standard, Stripe};
use payment_webhooks::{Message, SampleKind::Paid};
use store::adhoc_query;

/// `STRESS_ORDERS=2000` measures a larger load.
const ORDERS: usize = 200;
const COPIES: usize = 3;
/// One event in 100 is forged or stale.
const FORGED: usize = 100;
const KILLS: usize = 5;
const CONCURRENCY: usize = 32;

/// A copy of an order's genuine event, or an event that must be rejected.
#[derive(Clone, Copy)]
enum StressEvent {
    Genuine { order: usize, copy: usize },
    Tampered { order: usize },
    Stale { order: usize },
}

#[tokio::test]
async fn duplicate_and_forged_events_apply_once() {
    let orders: usize = env::var("STRESS_ORDERS")
        .ok()
        .map_or(ORDERS, |orders| orders.parse().unwrap());
    let forged = orders * COPIES / FORGED;
    let harness = start_shop(&[("SHIPPING_DELAY", "1s"), ("RATE_LIMIT", "off")]).await;
    let started = Instant::now();
    // The last orders receive forged events only.
    stream::iter(0..orders + forged)
        .for_each_concurrent(CONCURRENCY, async |order| {
            harness
                .post(
                    &format!("/orders/{}/start", order_id(order)),
                    sample_order(),
                )
                .await
                .expect_status(202);
        })
        .await;
    let mut sent: Vec<_> = (0..orders)
        .flat_map(|order| (0..COPIES).map(move |copy| StressEvent::Genuine { order, copy }))
        .collect();
    for number in 0..forged {
        let order = orders + number;
        sent.push(if number % 2 == 0 {
            StressEvent::Tampered { order }
        } else {
            StressEvent::Stale { order }
        });
    }
    // A hash gives the same shuffle in every run.
    sent.sort_by_key(|sent| {
        let mut hasher = DefaultHasher::new();
        match sent {
            StressEvent::Genuine { order, copy } => (order, copy).hash(&mut hasher),
            StressEvent::Tampered { order } | StressEvent::Stale { order } => {
                order.hash(&mut hasher)
            }
        }
        hasher.finish()
    });
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let deliveries = stream::iter(&sent).for_each_concurrent(CONCURRENCY, async |sent| {
        let status = send_to_order(&harness, *sent).await;
        match sent {
            StressEvent::Genuine { order, .. } => assert_eq!(status, 200, "{order}"),
            StressEvent::Tampered { .. } | StressEvent::Stale { .. } => assert_eq!(status, 400),
        }
        if status == 200 { &accepted } else { &refused }.fetch_add(1, Ordering::Relaxed);
    });
    let kills = async {
        for kill in 1..=KILLS {
            let read = async || accepted.load(Ordering::Relaxed);
            let enough = orders * COPIES * kill / (KILLS + 1);
            harness
                .wait_until_within(
                    Duration::from_secs(900),
                    "more accepted events",
                    read,
                    |accepted| *accepted >= enough,
                )
                .await;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        }
    };
    futures::join!(deliveries, kills);
    let delivered = started.elapsed();
    let read = async || {
        count_rows(
            &harness,
            "select count(*) from orders where state = 'delivered' and not is_running",
        )
        .await
    };
    harness
        .wait_until_within(Duration::from_secs(900), "all delivered", read, |count| {
            *count == orders
        })
        .await;
    let ended = started.elapsed();

    let counts = [
        (
            "payments captured",
            "select count(*) from payments where status = 'captured'",
            orders,
        ),
        (
            "other payments",
            "select count(*) from payments where status <> 'captured'",
            0,
        ),
        (
            "applied events",
            "select count(*) from webhook_deliveries where outcome = 'applied'",
            orders,
        ),
        (
            "other events",
            "select count(*) from webhook_deliveries where outcome <> 'applied'",
            0,
        ),
        (
            "confirmations in the audit logs",
            "select count(*) from events where type = 'payment_confirmed'",
            orders,
        ),
        (
            "orders that wait for payment",
            "select count(*) from orders where state = 'pending'",
            forged,
        ),
    ];
    for (name, query, expected) in counts {
        assert_eq!(count_rows(&harness, query).await, expected, "{name}");
    }
    assert_eq!(
        (accepted.into_inner(), refused.into_inner()),
        (orders * COPIES, forged)
    );
    harness.assert_invariants().await;
    println!(
        "{orders} orders, {} events accepted, {forged} rejected, {KILLS} workers killed: all accepted after {:.0} s, \
         all orders delivered after {:.0} s",
        orders * COPIES,
        delivered.as_secs_f64(),
        ended.as_secs_f64()
    );
}

fn order_id(order: usize) -> String {
    format!("stress-{order}")
}

async fn send_to_order(harness: &Harness, sent: StressEvent) -> u16 {
    let order = match sent {
        StressEvent::Genuine { order, .. }
        | StressEvent::Tampered { order }
        | StressEvent::Stale { order } => order,
    };
    let provider = [Stripe, Adyen, Standard, Square, Checkout][order % 5];
    match sent {
        StressEvent::Genuine { .. } => {
            let sender = WebhookSender::new(harness, provider);
            sender
                .send_event(Paid, &sample_payment(&sender, order), "stress")
                .await
        }
        StressEvent::Tampered { .. } => {
            let sender = WebhookSender::new(harness, Stripe);
            let message =
                sender.sign_event(Paid, &sample_payment(&sender, order), "forged", unix_now());
            let body = String::from_utf8(message.body)
                .unwrap()
                .replace("usd", "eur");
            sender
                .post_message(&Message {
                    body: body.into_bytes(),
                    ..message
                })
                .await
        }
        StressEvent::Stale { .. } => {
            let sender = WebhookSender::new(harness, Standard);
            sender
                .post_message(&sender.sign_event(
                    Paid,
                    &sample_payment(&sender, order),
                    "stale",
                    unix_now() - 3_600,
                ))
                .await
        }
    }
}

fn sample_payment(sender: &WebhookSender<'_>, order: usize) -> SamplePayment {
    sender.payment(&order_id(order), &format!("stress-payment-{order}"), TOTAL)
}

async fn count_rows(harness: &Harness, query: &str) -> usize {
    let response = adhoc_query::run_query(&harness.pool, query, 1)
        .await
        .unwrap();
    response.rows[0][0].as_ref().unwrap().parse().unwrap()
}
