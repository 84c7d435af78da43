//! `/stock`: reading and changing the stock, and its movements.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, order_with_payment},
    harness::Harness,
};

impl Harness {
    pub(crate) async fn put_stock(
        &self,
        path: &str,
        body: Value,
        key: Option<&str>,
    ) -> ApiResponse {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.send(
            Method::PUT,
            &format!("/stock/{path}"),
            &headers,
            Some(body.to_string()),
        )
        .await
    }

    async fn available(&self, path: &str) -> Value {
        self.get(&format!("/stock/{path}")).await.expect_status(200)["available"].clone()
    }
}

#[tokio::test]
async fn stock_is_set_adjusted_and_read() {
    let harness = Harness::start().await;
    harness
        .get("/stock/A%2FB")
        .await
        .expect_problem(404, "sku_not_found");
    let created = harness
        .put_stock("A%2FB", json!({"available": 5}), None)
        .await;
    assert_eq!(created.header("location"), "/stock/A%2FB");
    assert_eq!(
        created.expect_status(201),
        json!({"sku": "A/B", "available": 5, "held": 0, "shipped": 0})
    );
    let body = json!({"adjust": -2, "reason": "damaged"});
    let adjusted = harness.put_stock("A%2FB", body, None).await;
    assert_eq!(adjusted.expect_status(200)["available"], 3);
    let read = harness.get("/stock/A%2FB").await.expect_status(200);
    assert_eq!(
        (&read["sku"], &read["available"]),
        (&json!("A/B"), &json!(3))
    );
    let movement = |index: usize| {
        let movement = &read["movements"][index];
        [
            "kind",
            "old_available",
            "new_available",
            "changed_by",
            "reason",
        ]
        .map(|name| movement[name].clone())
    };
    assert_eq!(
        movement(0),
        [
            json!("adjust"),
            json!(5),
            json!(3),
            json!("anonymous"),
            json!("damaged")
        ]
    );
    assert_eq!(
        movement(1),
        [
            json!("set"),
            json!(0),
            json!(5),
            json!("anonymous"),
            json!(null)
        ]
    );
    assert_eq!(read["movements"].as_array().unwrap().len(), 2);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn stock_pages_are_complete_under_inserts() {
    let harness = Harness::start().await;
    let skus = ["a", "b b", "c/c", "d%d", "é", "商品-1", "z"];
    for sku in skus {
        let path: String = url::form_urlencoded::byte_serialize(sku.as_bytes()).collect();
        harness
            .put_stock(&path.replace('+', "%20"), json!({"available": 1}), None)
            .await
            .expect_status(201);
    }
    let (mut path, mut read) = ("/stock?limit=2".to_owned(), Vec::new());
    loop {
        let page = harness.get(&path).await;
        let link = page.header("link").to_owned();
        let body = page.expect_status(200);
        let entries = body["stock"].as_array().unwrap();
        assert!(entries.len() <= 2, "{body}");
        read.extend(
            entries
                .iter()
                .map(|entry| entry["sku"].as_str().unwrap().to_owned()),
        );
        if link.is_empty() {
            break;
        }
        path = link[1..link.find('>').unwrap()].to_owned();
        // A SKU before the cursor moves no other one to another page.
        harness
            .put_stock(&format!("%21{}", read.len()), json!({"available": 1}), None)
            .await
            .expect_status(201);
    }
    let mut expected: Vec<_> = skus.map(str::to_owned).into();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
    for query in ["?cursor=x", "?limit=0", "?sku=a"] {
        harness
            .get(&format!("/stock{query}"))
            .await
            .expect_problem(422, "invalid_query");
    }
}

#[tokio::test]
async fn repeated_key_changes_the_stock_once() {
    let harness = Harness::start().await;
    harness
        .put_stock("A", json!({"available": 10}), Some("first"))
        .await
        .expect_status(201);
    let body = || json!({"adjust": 5, "reason": "delivery"});
    let at_once = futures::future::join_all(
        (0..8).map(|_| harness.put_stock("A", body(), Some("delivery-1"))),
    )
    .await;
    let already = at_once
        .into_iter()
        .map(|response| response.expect_status(200)["already"] == true);
    assert_eq!(already.filter(|already| *already).count(), 7);
    assert_eq!(harness.available("A").await, 15);

    // A late repetition of the first request does not set the old number again.
    let repeated = harness
        .put_stock("A", json!({"available": 10}), Some("first"))
        .await
        .expect_status(201);
    assert_eq!(
        (&repeated["available"], &repeated["already"]),
        (&json!(15), &json!(true))
    );
    for other in [
        json!({"available": 11}),
        json!({"adjust": 10, "reason": "r"}),
        json!({"available": 10, "reason": "r"}),
    ] {
        harness
            .put_stock("A", other, Some("first"))
            .await
            .expect_problem(422, "idempotency_key_reused");
    }
    // The same key changes another SKU.
    harness
        .put_stock("B", json!({"available": 10}), Some("first"))
        .await
        .expect_status(201);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn impossible_changes_are_refused_with_a_code() {
    let harness = Harness::start().await;
    let most = contract::MAX_STOCK;
    harness
        .put_stock("A", json!({"adjust": 1, "reason": "r"}), None)
        .await
        .expect_problem(404, "sku_not_found");
    harness
        .put_stock("A", json!({"available": 3}), None)
        .await
        .expect_status(201);
    let problem = harness
        .put_stock("A", json!({"adjust": -4, "reason": "r"}), None)
        .await
        .expect_problem(409, "insufficient_stock");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("Only 3 units")
    );
    harness
        .put_stock("A", json!({"adjust": most, "reason": "r"}), None)
        .await
        .expect_problem(409, "stock_limit");
    for body in [
        json!({}),
        json!({"available": -1}),
        json!({"available": most + 1}),
        json!({"adjust": 1}),
        json!({"available": 1, "adjust": 1, "reason": "r"}),
    ] {
        harness
            .put_stock("A", body, None)
            .await
            .expect_problem(422, "invalid_request");
    }
    let long = "x".repeat(101);
    for sku in [long.as_str(), "%20", "A%0AB"] {
        harness
            .put_stock(sku, json!({"available": 1}), None)
            .await
            .expect_problem(422, "invalid_request");
        harness
            .get(&format!("/stock/{sku}"))
            .await
            .expect_problem(404, "sku_not_found");
    }
    assert_eq!(harness.available("A").await, 3);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn changes_and_orders_keep_the_movements_true() {
    let harness = Harness::start().await;
    // The first SKU opens with DEFAULT_STOCK, the second one is set before its order.
    harness
        .put_stock("SET", json!({"available": 4}), None)
        .await
        .expect_status(201);
    let mut order = order_with_payment("pmt-stock");
    order["items"] = json!([
        {"sku": "OPENED", "quantity": 2, "unit_price": 1},
        {"sku": "SET", "quantity": 3, "unit_price": 1},
    ]);
    let id = harness.post("/orders", order).await.expect_started();
    let adjust = async |sku: &str, by: i64| {
        harness
            .put_stock(sku, json!({"adjust": by, "reason": "r"}), None)
            .await
    };
    harness.wait_for_end(&id).await;
    adjust("SET", -1).await.expect_status(200);
    adjust("SET", -1)
        .await
        .expect_problem(409, "insufficient_stock");
    let read = harness.get("/stock/SET").await.expect_status(200);
    let numbers = ["available", "held", "shipped"].map(|name| read[name].clone());
    assert_eq!(numbers, [json!(0), json!(0), json!(3)]);
    let opened = harness.get("/stock/OPENED").await.expect_status(200);
    assert_eq!(
        (
            &opened["movements"][0]["kind"],
            &opened["movements"][0]["changed_by"]
        ),
        (&json!("opening"), &json!("system"))
    );
    harness.assert_invariants().await;

    // A change by another way is a movement too; one without a movement is found.
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&harness.pool).await.unwrap();
    run(
        "update inventory set available = available + 2, received = received + 2 where sku = 'SET'",
    )
    .await;
    harness.assert_invariants().await;
    run("delete from stock_movements where sku = 'SET' and kind = 'correction'").await;
    let violations = store::verify::find_violations(&harness.pool).await.unwrap();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0].subject, "SET");
}

fn order_of(payment: &str, sku: &str, quantity: u32) -> Value {
    let mut order = order_with_payment(payment);
    order["items"] = json!([
        {"sku": sku, "quantity": quantity, "unit_price": 1},
        {"sku": sku, "quantity": 1, "unit_price": 2},
    ]);
    order
}

const WAIT: (&str, &str) = ("prefer", "wait=10");

#[tokio::test]
async fn waiting_start_reports_the_short_skus() {
    let harness = Harness::start().await;
    harness
        .put_stock("FEW", json!({"available": 2}), None)
        .await
        .expect_status(201);
    let key = ("idempotency-key", "short");
    for attempt in 1..=2 {
        let refused = harness
            .post_with_headers("/orders", order_of("p-1", "FEW", 2), &[WAIT, key])
            .await;
        assert_eq!(refused.header("preference-applied"), "wait=10");
        let problem = refused.expect_problem(409, "out_of_stock");
        assert_eq!(
            problem["shortages"],
            json!([{"sku": "FEW", "wanted": 3, "available": 2}]),
            "attempt {attempt}"
        );
        assert_eq!(problem["order_status"], "failed");
    }
    harness
        .post_with_headers("/orders/short-2/start", order_of("p-2", "FEW", 2), &[WAIT])
        .await
        .expect_problem(409, "out_of_stock");

    let accepted = harness
        .post_with_headers("/orders", order_of("p-3", "FEW", 1), &[WAIT])
        .await;
    assert_eq!(accepted.header("preference-applied"), "wait=10");
    let id = accepted.expect_started();
    let types = harness.audit_event_types(&id).await;
    let is_reserved = async || harness.audit_event_types(&id).await;
    harness
        .wait_until("the reservation", is_reserved, |types| {
            types.iter().any(|kind| kind == "inventory_reserved")
        })
        .await;
    assert!(!types.iter().any(|kind| kind == "inventory_unavailable"));
    // Without the header, the response does not wait.
    let plain = harness.post("/orders", order_of("p-4", "FEW", 9)).await;
    assert_eq!(plain.header("preference-applied"), "");
    harness.wait_for_end(&plain.expect_started()).await;
    harness.wait_for_end(&id).await;
    harness.assert_invariants().await;
}

/// ORD-06
#[tokio::test]
async fn failure_names_every_short_line() {
    let made =
        orderflow_http::create_api_key("alice", &orderflow_http::Scope::ALL, Some("C-ALICE"), None)
            .unwrap();
    let shop = orderflow_http::create_api_key("shop", &orderflow_http::Scope::ALL, None, None);
    let shop = shop.unwrap();
    let keys = format!("{}\n{}", made.line, shop.line);
    let settings = [("API_AUTH", "api-key"), ("API_KEYS", keys.as_str())];
    let harness = Harness::start_with(&settings).await;
    for (sku, available) in [("O1", 0), ("O2", 1), ("O3", 9)] {
        let sku = domain::Sku::parse(sku).unwrap();
        store::inventory::set_available(&harness.pool, &sku, available)
            .await
            .unwrap();
    }
    let mut order = order_with_payment("pmt-short-lines");
    order.as_object_mut().unwrap().remove("customer");
    order["items"] = json!([
        {"sku": "O1", "name": "Lamp", "quantity": 1, "unit_price": "1.00"},
        {"sku": "O2", "quantity": 2, "unit_price": "1.00"},
        {"sku": "O3", "quantity": 1, "unit_price": "1.00"},
    ]);
    let header = [("x-api-key", made.key.as_str())];
    let id = harness
        .post_with_headers("/orders", order, &header)
        .await
        .expect_started();
    harness.wait_for_end(&id).await;
    let read = async |key: &str, path: &str| {
        let headers = [("x-api-key", key)];
        let read = harness.send(Method::GET, path, &headers, None).await;
        read.expect_status(200)
    };
    let figures = json!([
        {"sku": "O1", "wanted": 1, "available": 0}, {"sku": "O2", "wanted": 2, "available": 1},
    ]);
    let names = json!([{"sku": "O1"}, {"sku": "O2"}]);
    for (key, shortages, detail) in [
        (&shop.key, &figures, "O1 has 0 left, O2 has 1 left"),
        (&made.key, &names, "not available in this quantity"),
    ] {
        for path in [format!("/orders/{id}"), format!("/orders/{id}/result")] {
            let failure = read(key, &path).await["failure"].clone();
            assert_eq!(
                failure,
                json!({"code": "out_of_stock", "detail": detail, "shortages": shortages}),
                "{path}"
            );
        }
        let listed = read(key, "/orders").await;
        assert_eq!(&listed["orders"][0]["failure"]["shortages"], shortages);
        let log = read(key, &format!("/orders/{id}/events")).await;
        let events = log["events"].as_array().unwrap();
        let of_kind = |kind: &str| {
            let event = events.iter().find(|event| event["type"] == kind);
            event.unwrap()["payload"].clone()
        };
        assert_eq!(&of_kind("inventory_unavailable")["shortages"], shortages);
        assert_eq!(of_kind("order_failed")["detail"], detail);
        if key == &made.key {
            assert!(!log.to_string().contains("available\":"), "{log}");
        }
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn waiting_customer_sees_no_stock_figures() {
    let made =
        orderflow_http::create_api_key("alice", &orderflow_http::Scope::ALL, Some("C-ALICE"), None)
            .unwrap();
    let settings = [("API_AUTH", "api-key"), ("API_KEYS", made.line.as_str())];
    let harness = Harness::start_with(&settings).await;
    let sku = domain::Sku::parse("FEW").unwrap();
    store::inventory::set_available(&harness.pool, &sku, 2)
        .await
        .unwrap();
    let mut order = order_of("p-1", "FEW", 2);
    order.as_object_mut().unwrap().remove("customer");
    let refused = harness
        .post_with_headers("/orders", order, &[WAIT, ("x-api-key", &made.key)])
        .await
        .expect_problem(409, "out_of_stock");
    assert_eq!(refused["shortages"], json!([{"sku": "FEW"}]));
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.ends_with("are available of FEW."), "{detail}");
}

#[tokio::test]
async fn waiting_start_is_accepted_without_a_worker() {
    let harness = Harness::start().await;
    harness.worker.stop().await;
    let accepted = harness
        .post_with_headers("/orders", order_of("p-1", "SOME", 2), &[WAIT])
        .await;
    assert_eq!(accepted.header("preference-applied"), "wait=10");
    accepted.expect_started();
}
