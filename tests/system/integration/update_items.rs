//! Changes of the quantities of an order: its total, its stock and its money.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{api::ApiResponse, harness::Harness, write_path::assert_gapless_audit_log};

/// Two lines: 27.00 with a discount, and 5.00; with shipping and tax 38.70.
fn order(payment_id: Option<&str>) -> Value {
    json!({
        "items": [
            {"sku": "MUG-1", "quantity": 3, "unit_price": "10.00", "discount_amount": "3.00"},
            {"sku": "PEN-1", "quantity": 1, "unit_price": "5.00"},
        ],
        "shipping_amount": "3.50", "tax_amount": "3.20",
        "shipping_address": {"street": "123 Main St", "city": "Anytown"},
        "payment": payment_id.map(|id| json!({"payment_id": id})),
    })
}

async fn start(harness: &Harness, id: &str, payment_id: Option<&str>) {
    harness
        .post(&format!("/orders/{id}/start"), order(payment_id))
        .await
        .expect_status(202);
}

async fn update(harness: &Harness, id: &str, items: Value) -> ApiResponse {
    let path = format!("/orders/{id}/signals/update-items");
    harness.post(&path, json!({"items": items})).await
}

async fn set_stock(harness: &Harness, sku: &str, available: u32) {
    let set = harness.put_stock(sku, json!({"available": available}), None);
    let status = set.await.status.as_u16();
    assert!([200, 201].contains(&status), "{status}");
}

/// Returns the available and the held units.
async fn stock(harness: &Harness, sku: &str) -> (Value, Value) {
    let path = format!("/stock/{sku}");
    let read = async || harness.get(&path).await;
    let is_read = |response: &ApiResponse| response.status != 503;
    let response = harness.wait_until("the stock", read, is_read).await;
    let stock = response.expect_status(200);
    (stock["available"].clone(), stock["held"].clone())
}

#[tokio::test]
async fn unpaid_order_gets_less_and_more() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    set_stock(&harness, "MUG-1", 10).await;
    set_stock(&harness, "PEN-1", 10).await;
    let id = "less-and-more";
    start(&harness, id, None).await;
    harness.wait_for_reason(id, "payment").await;

    let less = json!([{"sku": "MUG-1", "quantity": 1}, {"sku": "PEN-1", "quantity": 0}]);
    let changed = update(&harness, id, less.clone()).await.expect_status(200);
    // 10.00 less a third of the discount, its part of the tax, and the shipping.
    assert_eq!(changed["total_amount"], json!(13.4), "{changed}");
    assert_eq!(
        changed["items"][0]["discount_amount"],
        json!(1),
        "{changed}"
    );
    assert_eq!(stock(&harness, "MUG-1").await, (json!(9), json!(1)));
    assert_eq!(stock(&harness, "PEN-1").await, (json!(10), json!(0)));
    let again = update(&harness, id, json!([{"sku": "MUG-1", "quantity": 1}])).await;
    assert_eq!(again.expect_status(200)["already"], true);

    let short = update(&harness, id, json!([{"sku": "MUG-1", "quantity": 11}])).await;
    let problem = short.expect_problem(409, "insufficient_stock");
    assert!(
        problem["detail"].as_str().unwrap().contains("9 more"),
        "{problem}"
    );
    assert_eq!(stock(&harness, "MUG-1").await, (json!(9), json!(1)));
    let more = update(&harness, id, json!([{"sku": "MUG-1", "quantity": 10}])).await;
    let total = more.expect_status(200)["total_amount"].clone();
    assert_eq!(stock(&harness, "MUG-1").await, (json!(0), json!(10)));

    // The removed SKU cannot come back, and the order needs an item.
    for (items, detail) in [
        (less, "the order has no PEN-1"),
        (
            json!([{"sku": "MUG-1", "quantity": 0}]),
            "cancel it instead",
        ),
    ] {
        let refused = update(&harness, id, items).await;
        let problem = refused.expect_problem(409, "items_not_changeable");
        let found = problem["detail"].as_str().unwrap().to_lowercase();
        assert!(found.contains(&detail.to_lowercase()), "{problem}");
    }
    let order = harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200);
    assert_eq!(
        (&order["total_amount"], &order["amounts"]["total"]),
        (&total, &total)
    );
    harness
        .post(
            &format!("/orders/{id}/payment"),
            json!({"transaction_id": "tx-more", "amount": total}),
        )
        .await
        .expect_status(200);
    harness.wait_for_status(id, "shipped").await;
    harness
        .post(&format!("/orders/{id}/signals/confirm-delivery"), json!({}))
        .await;
    harness.wait_for_end(id).await;
    update(&harness, id, json!([{"sku": "MUG-1", "quantity": 1}]))
        .await
        .expect_problem(409, "already_shipped");
    assert_eq!(stock(&harness, "MUG-1").await, (json!(0), json!(0)));
    let log = harness.audit_event_types(id).await;
    assert_eq!(
        log.iter().filter(|kind| *kind == "items_updated").count(),
        2
    );
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn paid_order_ships_less_and_gets_the_difference_back() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "60s")]).await;
    let id = "less-paid";
    start(&harness, id, Some("pmt-less-paid")).await;
    harness.wait_for_reason(id, "shipping_delay").await;
    let more = update(&harness, id, json!([{"sku": "PEN-1", "quantity": 2}])).await;
    more.expect_problem(409, "increase_not_allowed");
    let changed = update(&harness, id, json!([{"sku": "MUG-1", "quantity": 2}])).await;
    let changed = changed.expect_status(200);
    // 18.00 and 5.00 of items, 23/32 of the tax, and the shipping.
    assert_eq!(changed["total_amount"], json!(28.8), "{changed}");
    let ended = harness.wait_for_end(id).await;
    assert_eq!(ended.status.as_str(), "delivered");
    let order = harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200);
    let amounts = &order["amounts"];
    assert_eq!(
        (
            &amounts["total"],
            &amounts["captured"],
            &amounts["refunded"],
            &amounts["due"]
        ),
        (&json!(28.8), &json!(38.7), &json!(9.9), &json!(0)),
        "{order}"
    );
    assert_eq!(harness.provider_movements(id).await, ["capture", "refund"]);
    let parcels: Value = sqlx::query_scalar(
        "select items_json from shipments where order_id = $1 and state = 'dispatched'",
    )
    .bind(id)
    .fetch_one(&harness.pool)
    .await
    .unwrap();
    assert_eq!(parcels[0]["quantity"], 2);
    let shipped = harness.get("/stock/MUG-1").await.expect_status(200);
    assert_eq!(
        (&shipped["held"], &shipped["shipped"]),
        (&json!(0), &json!(2))
    );
    assert_gapless_audit_log(&harness, id).await;
    harness.assert_invariants().await;
}

#[tokio::test]
async fn cancel_after_a_change_refunds_the_rest() {
    let settings = [("SHIPPING_DELAY", "60s")];
    let harness = Harness::start_with(&settings).await;
    let id = "less-cancelled";
    start(&harness, id, Some("pmt-less-cancelled")).await;
    harness.wait_for_reason(id, "shipping_delay").await;
    let hold = format!("/orders/{id}/signals/hold");
    harness.post(&hold, json!({})).await.expect_status(200);
    harness.wait_for_reason(id, "hold").await;
    update(&harness, id, json!([{"sku": "PEN-1", "quantity": 0}]))
        .await
        .expect_status(200);
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(id).await;
    let order = harness
        .get(&format!("/orders/{id}"))
        .await
        .expect_status(200);
    assert_eq!(
        order["amounts"]["refunded"], order["amounts"]["captured"],
        "{order}"
    );
    assert_eq!(stock(&harness, "PEN-1").await.1, json!(0));
    harness.assert_invariants().await;
}

/// A refund can be for the units that a change removes, so the customer would get their price twice.
#[tokio::test]
async fn refunded_order_keeps_its_quantities() {
    let settings = [("SHIPPING_DELAY", "60s")];
    let harness = Harness::start_with(&settings).await;
    let id = "less-refunded";
    start(&harness, id, Some("pmt-less-refunded")).await;
    harness.wait_for_reason(id, "shipping_delay").await;
    let refund = json!({"items": [{"sku": "PEN-1", "quantity": 1}]});
    harness
        .post(&format!("/orders/{id}/refunds"), refund)
        .await
        .expect_status(202);
    let refunded = async || {
        let log = harness.audit_event_types(id).await;
        log.iter().any(|kind| kind == "refund_completed")
    };
    harness
        .wait_until("the refund", refunded, |is_refunded| *is_refunded)
        .await;
    update(&harness, id, json!([{"sku": "PEN-1", "quantity": 0}]))
        .await
        .expect_problem(409, "items_not_changeable");
    assert_eq!(harness.provider_movements(id).await, ["capture", "refund"]);
    harness.assert_invariants().await;
}

/// Five changes at the same time, while the worker is killed: the order holds exactly its items.
#[tokio::test]
async fn changes_survive_killed_worker() {
    let harness = Harness::start_with(&[("ORDER_PROFILE", "checkout")]).await;
    let id = "less-killed";
    start(&harness, id, None).await;
    harness.wait_for_reason(id, "payment").await;
    let change = async |quantity: u32| {
        let items = json!([{"sku": "MUG-1", "quantity": quantity}]);
        let send = async || update(&harness, id, items.clone()).await;
        // 429: two other changes wait for their outcomes.
        let is_decided = |response: &ApiResponse| ![429, 503].contains(&response.status.as_u16());
        harness.wait_until("an outcome", send, is_decided).await
    };
    let changes = (1..=5).map(change);
    let kills = async {
        for wanted in [1, 3] {
            let updated = async || {
                let log = harness.audit_event_types(id).await;
                log.iter().filter(|kind| *kind == "items_updated").count()
            };
            harness
                .wait_until("a change", updated, |count| *count >= wanted)
                .await;
            harness.worker.kill().await;
            harness.worker.restart().await.unwrap();
        }
    };
    let (responses, ()) = futures::join!(join_all(changes), kills);
    for response in responses {
        let status = response.status.as_u16();
        assert!([200, 202].contains(&status), "{:?}", response.body);
    }
    let open = async || {
        let order = harness.get(&format!("/orders/{id}")).await.body;
        let held: i64 = sqlx::query_scalar(
            "select quantity from reservations where order_id = $1 and sku = 'MUG-1'",
        )
        .bind(id)
        .fetch_one(&harness.pool)
        .await
        .unwrap();
        (order["items"][0]["quantity"].clone(), json!(held))
    };
    harness
        .wait_until("equal quantities", open, |(ordered, held)| ordered == held)
        .await;
    assert_gapless_audit_log(&harness, id).await;
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(id).await;
    harness.assert_invariants().await;
}
