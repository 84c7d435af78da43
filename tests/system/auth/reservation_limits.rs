//! The stock that unpaid orders of a customer's caller hold.

use futures::future::join_all;
use serde_json::{Value, json};

use super::{Keys, Scope, create_api_key, start_with_keys};
use crate::{api::ApiResponse, harness::Harness};

/// Returns keys of the customers C-1 and C-2, and of the shop.
fn keys() -> Keys {
    let scopes = &[Scope::Read, Scope::Write, Scope::Price, Scope::Operate][..];
    let key = |(name, customer): (&'static str, Option<&str>)| {
        let made = create_api_key(name, scopes, customer, None).unwrap();
        (name, made.key, made.line)
    };
    let all = [
        ("customer", Some("C-1")),
        ("other", Some("C-2")),
        ("shop", None),
    ];
    Keys(all.map(key).into())
}

fn order(quantity: u32) -> Value {
    json!({
        "items": [{"sku": "MUG", "quantity": quantity, "unit_price": "1.00"}],
        "shipping_address": {"street": "1 Main St"},
    })
}

struct Shop {
    harness: Harness,
    keys: Keys,
}

impl Shop {
    /// Starts a shop whose orders wait for a payment.
    async fn start(more: &[(&str, &str)]) -> Self {
        let keys = keys();
        let settings = [&[("ORDER_PROFILE", "checkout")], more].concat();
        let harness = start_with_keys(&keys, &settings).await;
        Self { harness, keys }
    }

    async fn post(&self, key: &str, path: &str, body: Value) -> ApiResponse {
        let key = self.keys.get(key);
        let send = async || {
            let body = Some(body.clone());
            self.harness.call(key, "POST", path, body).await
        };
        let is_answered = |response: &ApiResponse| response.status != 503;
        self.harness
            .wait_until("a response", send, is_answered)
            .await
    }

    async fn create(&self, key: &str, id: &str, quantity: u32) {
        let path = format!("/orders/{id}/start");
        let started = self.post(key, &path, order(quantity)).await;
        started.expect_status(202);
    }

    /// Returns the code of the failure, or the reason of the wait.
    async fn outcome(&self, id: &str) -> String {
        let path = format!("/orders/{id}");
        let read = async || {
            let key = self.keys.get("shop");
            let order = self.harness.call(key, "GET", &path, None).await.body;
            let code = order["failure"]["code"].as_str();
            let reason = order["waiting_for"]["reason"].as_str();
            code.or(reason).map(str::to_owned)
        };
        let found = self.harness.wait_until(id, read, Option::is_some).await;
        found.unwrap()
    }

    async fn pay(&self, id: &str, amount: u32) {
        let body = json!({"transaction_id": format!("tx-{id}"), "amount": amount});
        let path = format!("/orders/{id}/payment");
        let paid = self.post("shop", &path, body).await;
        // 202: undecided until the response had to be sent.
        assert!([200, 202, 409].contains(&paid.status.as_u16()), "{paid:?}");
    }

    async fn held(&self) -> i64 {
        let held = "select coalesce(sum(held), 0)::bigint from inventory";
        let held = sqlx::query_scalar(held);
        held.fetch_one(&self.harness.pool).await.unwrap()
    }

    async fn wait_for_held(&self, units: i64) {
        let read = async || self.held().await;
        let is_met = |held: &i64| *held == units;
        self.harness
            .wait_until(&format!("{units} held units"), read, is_met)
            .await;
    }
}

#[tokio::test]
async fn order_beyond_a_limit_holds_nothing() {
    let shop = Shop::start(&[]).await;
    for (key, id) in [("customer", "large"), ("shop", "large-2")] {
        let path = format!("/orders/{id}/start");
        let large = shop.post(key, &path, order(101)).await;
        if id == "large" {
            let problem = large.expect_problem(422, "invalid_request");
            assert_eq!(problem["errors"][0]["pointer"], "/items", "{problem}");
        } else {
            large.expect_status(202);
        }
    }
    shop.wait_for_held(101).await;

    // 10 orders of 60 units at the same time: three of them have at most 200.
    let ids: Vec<_> = (0..10).map(|number| format!("many-{number}")).collect();
    join_all(ids.iter().map(|id| shop.create("customer", id, 60))).await;
    let outcomes = join_all(ids.iter().map(|id| shop.outcome(id))).await;
    let count = |wanted: &str| {
        let equal = outcomes.iter().filter(|outcome| *outcome == wanted);
        equal.count()
    };
    assert_eq!(
        (count("payment"), count("reservation_limit")),
        (3, 7),
        "{outcomes:?}"
    );
    assert_eq!(shop.held().await, 101 + 180);
    // The limit is for each customer, and not for orders of the shop.
    shop.create("other", "other-1", 100).await;
    assert_eq!(shop.outcome("other-1").await, "payment");

    // A paid order counts no more.
    let paid = outcomes.iter().position(|outcome| outcome == "payment");
    let paid = &ids[paid.unwrap()];
    shop.pay(paid, 60).await;
    shop.harness.wait_for_end(paid).await;
    shop.create("customer", "again", 60).await;
    assert_eq!(shop.outcome("again").await, "payment");
    shop.harness.assert_invariants().await;
}

/// Lets two orders release their stock, and pays one of them.
async fn release_and_pay() -> Shop {
    let limits = [("RESERVATION_TIMEOUT", "1s"), ("DEFAULT_STOCK", "10")];
    let shop = Shop::start(&limits).await;
    shop.create("customer", "paid-late", 8).await;
    shop.create("customer", "sold-out", 2).await;
    for id in ["paid-late", "sold-out"] {
        let read = async || shop.harness.audit_event_types(id).await;
        let is_released = |log: &Vec<String>| log.iter().any(|kind| kind == "inventory_released");
        shop.harness
            .wait_until("the release", read, is_released)
            .await;
        assert_eq!(shop.outcome(id).await, "payment");
    }
    assert_eq!(shop.held().await, 0);
    // An order of the shop holds its stock until the end of its wait.
    shop.create("shop", "of-shop", 2).await;
    shop.wait_for_held(2).await;
    shop.pay("paid-late", 8).await;
    let ended = shop.harness.wait_for_end("paid-late").await;
    assert_eq!(ended.status.as_str(), "delivered");
    shop
}

/// Takes the order `paid-late` through a release and another reservation.
pub(crate) async fn run_late_payment() -> Harness {
    release_and_pay().await.harness
}

#[tokio::test]
async fn unpaid_order_releases_its_stock_in_time() {
    let shop = release_and_pay().await;
    let log = shop.harness.audit_event_types("paid-late").await;
    let stock: Vec<_> = log
        .iter()
        .filter(|kind| kind.starts_with("inventory"))
        .collect();
    let twice = [
        "inventory_reserved",
        "inventory_released",
        "inventory_reserved",
    ];
    assert_eq!(stock, twice);
    let path = "/orders/sold-out/signals/update-items";
    let less = json!({"items": [{"sku": "MUG", "quantity": 1}]});
    let changed = shop.post("customer", path, less).await;
    changed.expect_problem(409, "items_not_changeable");
    for source in ["workflow", "database"] {
        let path = format!("/orders/sold-out?source={source}");
        let key = shop.keys.get("customer");
        let read = async || shop.harness.call(key, "GET", &path, None).await;
        let is_read = |response: &ApiResponse| response.status == 200;
        let order = shop.harness.wait_until("the order", read, is_read).await;
        let order = order.body;
        assert_eq!(order["waiting_for"]["stock_released"], true, "{order}");
        let actions = order["actions"].as_array().unwrap();
        assert!(!actions.contains(&json!("update-items")), "{order}");
        assert!(actions.contains(&json!("cancel")), "{order}");
    }

    shop.pay("sold-out", 2).await;
    let ended = shop.harness.wait_for_end("sold-out").await;
    assert_eq!(ended.failure.unwrap().code.as_str(), "out_of_stock");
    let payment = ended.payment_info.unwrap().status;
    assert!(payment.is_refunded_or_due(), "{payment}");
    assert_eq!(shop.held().await, 2);
    // It held nothing any more, so nothing was released.
    let log = shop.harness.audit_event_types("sold-out").await;
    let released = log.iter().filter(|kind| *kind == "inventory_released");
    assert_eq!(released.count(), 1, "{log:?}");
    shop.harness.assert_invariants().await;
}

/// Otherwise, an order could grow beyond the limit of its units, at a price that no quote has.
#[tokio::test]
async fn customer_increases_no_quantity() {
    let shop = Shop::start(&[]).await;
    shop.create("customer", "held-increase", 2).await;
    assert_eq!(shop.outcome("held-increase").await, "payment");
    let update = async |key: &str, quantity: u32| {
        let body = json!({"items": [{"sku": "MUG", "quantity": quantity}]});
        let path = "/orders/held-increase/signals/update-items";
        shop.post(key, path, body).await
    };
    let refused = update("customer", 3).await;
    refused.expect_problem(409, "increase_not_allowed");
    assert_eq!(shop.held().await, 2);
    update("shop", 3).await.expect_status(200);
    assert_eq!(shop.held().await, 3);
    update("customer", 1).await.expect_status(200);
    assert_eq!(shop.held().await, 1);
    shop.harness.assert_invariants().await;
}

#[tokio::test]
async fn limits_come_from_the_settings() {
    let settings = [("HELD_PER_ORDER", "5"), ("HELD_PER_CUSTOMER", "8")];
    let shop = Shop::start(&settings).await;
    // The units of all lines count.
    let mut lines = order(3);
    lines["items"] = json!([
        {"sku": "MUG", "quantity": 3, "unit_price": "1.00"},
        {"sku": "PEN", "quantity": 3, "unit_price": "1.00"},
    ]);
    let refused = shop
        .post("customer", "/orders/held-lines/start", lines)
        .await;
    let problem = refused.expect_problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/items", "{problem}");
    shop.create("customer", "held-limit-1", 5).await;
    assert_eq!(shop.outcome("held-limit-1").await, "payment");
    let headers = [
        ("x-api-key", shop.keys.get("customer")),
        ("prefer", "wait=10"),
    ];
    let path = "/orders/held-limit-2/start";
    let refused = shop.harness.post_with_headers(path, order(4), &headers);
    refused.await.expect_problem(409, "reservation_limit");
    shop.create("customer", "held-limit-3", 3).await;
    assert_eq!(shop.outcome("held-limit-3").await, "payment");
    assert_eq!(shop.held().await, 8);
    shop.harness.assert_invariants().await;
}

/// The limits are fixed when the order starts: a worker with other settings changes nothing.
#[tokio::test]
async fn started_order_keeps_its_limits() {
    let settings = [("HELD_PER_CUSTOMER", "8"), ("RESERVATION_TIMEOUT", "1s")];
    let shop = Shop::start(&settings).await;
    shop.harness.worker.stop().await;
    shop.create("customer", "held-kept", 5).await;
    let changed = [
        ("HELD_PER_ORDER", "1"),
        ("HELD_PER_CUSTOMER", "1"),
        ("RESERVATION_TIMEOUT", "1h"),
    ];
    let _worker = shop.harness.start_another_worker("changed", &changed).await;
    assert_eq!(shop.outcome("held-kept").await, "payment");
    let read = async || shop.harness.audit_event_types("held-kept").await;
    let is_released = |log: &Vec<String>| log.iter().any(|kind| kind == "inventory_released");
    let log = shop
        .harness
        .wait_until("the release", read, is_released)
        .await;
    assert!(log.contains(&"inventory_reserved".to_owned()), "{log:?}");
    assert_eq!(shop.held().await, 0);
    shop.harness.assert_invariants().await;
}
