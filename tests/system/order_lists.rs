//! Lists of orders: filters, search, sort orders, CSV, and the index of each filter.

mod plans;
mod table;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use contract::OrderSort;
use orderflow_http::{ROUTES, Scope, create_api_key};

/// Inserts orders of different ages, changes, statuses and customers, without workflows.
async fn insert_orders(harness: &Harness) {
    for (id, status, minute, changed, customer, waits_for) in [
        ("A-1", "delivered", 1, 60, "Ada Lovelace", None),
        ("b-2", "cancelled", 2, 10, "Grace Hopper", None),
        ("C-3", "failed", 3, 30, "Ada Yonath", None),
        ("d-4", "pending", 4, 40, "Alan Turing", Some("review")),
        ("E-5", "preparing", 5, 20, "O'Brien", Some("payment_hold")),
        ("f-6", "pending", 6, 50, "100% Legal", Some("payment")),
    ] {
        let is_open = waits_for.is_some();
        sqlx::query(
            "insert into orders (id, run_id, state, step, is_running, customer_id, customer_json, currency, total_amount, items_json,
                 external_reference, details_json, waiting_json, waiting_until, version, last_seq, created_at, updated_at)
             values ($1, $1, $2, case when $3 then 'pay' else 'done' end, $3, 'CUST-' || $1,
                 jsonb_build_object('name', $4::text, 'email', lower($1) || '@Example.com'), 'USD', 1000,
                 jsonb_build_array(jsonb_build_object('sku', 'A', 'name', null, 'quantity', 1, 'unit_price', 10)), 'Erp No ' || $1,
                 jsonb_build_object('external_reference', 'Erp No ' || $1),
                 case when $3 then jsonb_build_object('reason', $5::text) end, case when $3 then now() + interval '1 hour' end, 1, 1,
                 timestamptz '2026-01-01' + $6 * interval '1 minute', timestamptz '2026-01-01' + $7 * interval '1 minute')",
        )
        .bind(id)
        .bind(status)
        .bind(is_open)
        .bind(customer)
        .bind(waits_for)
        .bind(minute)
        .bind(changed)
        .execute(&harness.pool)
        .await
        .unwrap();
        // Held during its wait for the payment.
        let held = "update orders set hold_json = '{\"reason\": \"fraud?\", \"since\": \"2026-01-01T00:00:00Z\"}' where id = 'f-6'";
        sqlx::query(held).execute(&harness.pool).await.unwrap();
        sqlx::query(
            "insert into events (order_id, seq, type, payload_json, ts)
             select id, 1, 'order_received', '{}', updated_at from orders where id = $1",
        )
        .bind(id)
        .execute(&harness.pool)
        .await
        .unwrap();
    }
    let payments = "insert into payments (payment_id, order_id, status, amount, currency, provider, transaction_id, captured,
             refunded, allocated, due)
         values ('pmt-A', 'A-1', 'captured', 1000, 'USD', 'stripe', 'pi_3Ab_1', 1000, 300, 700, 0),
             ('pmt-b', 'b-2', 'refund_due', 1000, 'USD', 'stripe', 'pi_3Ab%2', 1000, 0, 0, 1000)";
    sqlx::query(payments).execute(&harness.pool).await.unwrap();
    let shipments =
        "insert into shipments (shipment_id, order_id, state, items_json, tracking_number)
         values ('shp-A', 'A-1', 'dispatched', '[]', 'FEDEX-A-1')";
    sqlx::query(shipments).execute(&harness.pool).await.unwrap();
}

/// Returns the ids of a page and the path of the next page.
async fn read_page(harness: &Harness, path: &str) -> (Vec<String>, Option<String>) {
    let response = harness.get(path).await;
    let next = response
        .header("link")
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .map(str::to_owned);
    let body = response.expect_status(200);
    let orders = body["orders"].as_array().unwrap();
    let ids = orders
        .iter()
        .map(|order| order["order_id"].as_str().unwrap().to_owned());
    (ids.collect(), next)
}

async fn list(harness: &Harness, query: &str) -> Vec<String> {
    read_page(harness, &format!("/orders?{query}")).await.0
}

#[tokio::test]
async fn each_filter_selects_its_orders() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    for (query, expected) in [
        ("", "f-6 E-5 d-4 C-3 b-2 A-1"),
        ("status=cancelled", "b-2"),
        ("status=cancelled,failed", "C-3 b-2"),
        ("status=failed&status=pending&status=failed", "f-6 d-4 C-3"),
        (
            "status=pending,preparing,delivered&sort=created_at",
            "A-1 d-4 E-5 f-6",
        ),
        (
            "created_after=2026-01-01&created_before=2026-01-01T00:03:00Z",
            "b-2 A-1",
        ),
        ("created_after=2026-01-01%2000:04:00Z", "f-6 E-5"),
        ("created_before=2026-01-01", ""),
        ("updated_after=2026-01-01T00:30:00Z", "f-6 d-4 A-1"),
        ("updated_before=2026-01-01T00:30:00Z", "E-5 b-2"),
        (
            "updated_after=2026-01-01T00:10:00Z&updated_before=2026-01-01T00:50:00Z&sort=updated_at",
            "E-5 C-3 d-4",
        ),
        ("sort=created_at", "A-1 b-2 C-3 d-4 E-5 f-6"),
        ("sort=-created_at", "f-6 E-5 d-4 C-3 b-2 A-1"),
        ("sort=updated_at", "b-2 E-5 C-3 d-4 f-6 A-1"),
        ("sort=-updated_at", "A-1 f-6 d-4 C-3 E-5 b-2"),
        ("sort=-updated_at&status=pending,failed", "f-6 d-4 C-3"),
        ("sort=updated_at&status=pending", "d-4 f-6"),
        ("email=A-1@EXAMPLE.COM", "A-1"),
        ("email=a-1@example.co", ""),
        ("email=B-2@example.com&status=failed", ""),
        ("customer_id=CUST-C-3", "C-3"),
        ("external_reference=ERP%20no%20c-3", "C-3"),
        ("external_reference=ERP", ""),
        ("attention=review", "d-4"),
        ("attention=hold", "f-6 E-5"),
        ("attention=money", "b-2"),
        ("attention=money&status=delivered", ""),
    ] {
        assert_eq!(list(&harness, query).await.join(" "), expected, "{query}");
    }
}

#[tokio::test]
async fn search_ignores_case_and_finds_every_field() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    for (text, expected) in [
        ("a-1", "A-1"),
        ("A-1", "A-1"),
        ("B-", "b-2"),
        ("B-2@example.com", "b-2"),
        ("lovelace", "A-1"),
        ("ADA", "C-3 A-1"),
        ("ada yon", "C-3"),
        ("Yonath Ada", "C-3"),
        ("ada turing", ""),
        ("velace", ""),
        ("O'Brien", "E-5"),
        ("100%", "f-6"),
        ("10_%", ""),
        ("PI_3AB_1", "A-1"),
        ("erp no B", "b-2"),
        ("rp no", ""),
        ("pi_3ab", "b-2 A-1"),
        ("pi_3ab%", "b-2"),
        ("pi%", ""),
        ("fedex-a", "A-1"),
        ("FEDEX-B", ""),
        ("a\\", ""),
        ("ada | grace", ""),
        ("ada:*", ""),
        ("!ada", ""),
    ] {
        let q: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for customer in ["", "&customer_id=CUST-A-1"] {
            let found = list(&harness, &format!("q={q}{customer}")).await.join(" ");
            let expected = if customer.is_empty() {
                expected
            } else if expected.contains("A-1") {
                "A-1"
            } else {
                ""
            };
            assert_eq!(found, expected, "{text}{customer}");
        }
    }
}

/// ORD-19
#[tokio::test]
async fn ids_differ_by_case_and_search_ignores_it() {
    let harness = Harness::start().await;
    for id in ["Case-1", "case-1"] {
        let path = format!("/orders/{id}/start");
        let order = order_with_payment(&format!("pmt-{id}"));
        let started = harness.post(&path, order).await.expect_status(202);
        assert_ne!(started["already_started"], true, "{started}");
        harness.wait_for_end(id).await;
    }
    harness
        .get("/orders/CASE-1")
        .await
        .expect_problem(404, "order_not_found");
    let mut found = list(&harness, "q=CASE-1").await;
    found.sort();
    assert_eq!(found, ["Case-1", "case-1"]);
    harness.assert_invariants().await;
}

#[tokio::test]
async fn search_that_matches_too_much_is_refused() {
    let harness = Harness::start().await;
    plans::insert_many_orders(&harness.pool, 5_001).await;
    let problem = harness.get("/orders?q=ord").await;
    let problem = problem.expect_problem(422, "invalid_query");
    assert_eq!(problem["errors"][0]["pointer"], "/q");
    assert_eq!(list(&harness, "q=ORD-000005001").await, ["ORD-000005001"]);
    // The orders of one customer are few, so nothing is refused.
    let own = list(&harness, "q=ord&customer_id=CUST-7&limit=200").await;
    assert_eq!(own.len(), 50);
}

#[tokio::test]
async fn pages_stay_stable_during_inserts_and_updates() {
    let harness = Harness::start().await;
    plans::insert_many_orders(&harness.pool, 60).await;
    for sort in OrderSort::ALL {
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!(
            "/orders?limit=7&sort={sort}&updated_after=2026-01-01"
        ));
        while let Some(path) = next {
            let (ids, link) = read_page(&harness, &path).await;
            seen.extend(ids);
            pages += 1;
            if !sort.is_by_change() {
                // A change of an order that was seen moves no other order.
                let changed = seen[0].clone();
                touch(&harness, &changed).await;
            }
            next = link;
        }
        let unique: BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), unique.len(), pages), (60, 60, 9), "{sort}");
    }
    // A change during the list shows the order again at the end, and hides none.
    let (mut seen, mut next) = (
        Vec::new(),
        Some("/orders?limit=20&sort=updated_at".to_owned()),
    );
    let mut is_first = true;
    while let Some(path) = next {
        let (ids, link) = read_page(&harness, &path).await;
        if is_first {
            touch(&harness, &ids[0]).await;
            is_first = false;
        }
        seen.extend(ids);
        next = link;
    }
    assert_eq!((seen.len(), seen.first()), (61, seen.last()));
}

/// Changes an order as a write of its workflow does.
async fn touch(harness: &Harness, id: &str) {
    for statement in [
        "insert into events (order_id, seq, type, payload_json, ts)
             select id, last_seq + 1, 'address_updated', '{}', now() from orders where id = $1",
        "update orders set last_seq = last_seq + 1, updated_at = (
             select ts from events where order_id = orders.id and seq = orders.last_seq + 1) where id = $1",
    ] {
        sqlx::query(statement)
            .bind(id)
            .execute(&harness.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn cursor_belongs_to_its_sort() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    let (_, next) = read_page(&harness, "/orders?limit=1&sort=updated_at").await;
    let next = next.unwrap();
    assert!(next.contains("sort=updated_at"), "{next}");
    assert_eq!(read_page(&harness, &next).await.0, ["E-5"]);
    let other = next.replace("sort=updated_at", "sort=-updated_at");
    let problem = harness
        .get(&other)
        .await
        .expect_problem(422, "invalid_query");
    assert_eq!(problem["errors"][0]["pointer"], "/cursor");
    // A cursor of an earlier release has no sort order: base64url of `1767225960000000|d-4`.
    let earlier = "MTc2NzIyNTg0MDAwMDAwMHxkLTQ";
    assert_eq!(
        list(&harness, &format!("cursor={earlier}")).await,
        ["C-3", "b-2", "A-1"]
    );
}

#[tokio::test]
async fn every_link_of_a_list_works() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    let largest = "9999-12-31T23:59:59-05:00";
    for query in [
        format!("created_before={largest}"),
        format!("updated_before={largest}&sort=-updated_at"),
        "created_after=0000-01-01T00:00:00%2B05:00".to_owned(),
        "created_after=2020-01-01T00:00:00+01:00".to_owned(),
        "created_after=2020-01-01%2000:00:00Z".to_owned(),
        "updated_after=2020-01-01&sort=updated_at&source=database".to_owned(),
        "status=pending&status=failed,cancelled".to_owned(),
        "q=%20Ada%20".to_owned(),
    ] {
        let mut next = Some(format!("/orders?limit=1&{query}"));
        let mut count = 0;
        while let Some(path) = next {
            let (ids, link) = read_page(&harness, &path).await;
            count += ids.len();
            next = link;
        }
        assert!(count > 1, "{query}: {count}");
    }
}

#[tokio::test]
async fn stalled_orders_make_no_progress_without_a_wait() {
    let harness = Harness::start_with(&[("ORDERS_LATE_AFTER", "1h")]).await;
    insert_orders(&harness).await;
    assert!(list(&harness, "attention=stalled").await.is_empty());
    let ended = "update orders set waiting_until = timestamptz '2026-01-02' where id = 'f-6'";
    sqlx::query(ended).execute(&harness.pool).await.unwrap();
    assert_eq!(list(&harness, "attention=stalled").await, ["f-6"]);
    let changed = "update orders set updated_at = now() where id = 'f-6'";
    sqlx::query(changed).execute(&harness.pool).await.unwrap();
    assert!(list(&harness, "attention=stalled").await.is_empty());
}

#[tokio::test]
async fn stats_count_orders_times_failures_and_money() {
    let harness = Harness::start_with(&[("REVIEW_THRESHOLD", "1000")]).await;
    let paid = harness
        .post("/orders", order_with_payment("pmt-stats"))
        .await;
    let paid = paid.expect_started();
    let mut declined = order_with_payment("pmt-stats-declined");
    declined["payment"]["method"] = json!("pm_card_chargeDeclined");
    let failed = harness.post("/orders", declined).await.expect_started();
    let mut reviewed = sample_order();
    reviewed["items"][0]["quantity"] = json!(11);
    let waiting = harness.post("/orders", reviewed).await.expect_started();
    futures::join!(harness.wait_for_end(&paid), harness.wait_for_end(&failed));
    harness.wait_for_step(&waiting, "manual_review").await;
    let read = async || harness.get("/stats").await.expect_status(200);
    let stats = harness
        .wait_until("the row of the review", read, |stats| {
            stats["in_review"] == 1
        })
        .await;
    let count = |status: &str| {
        let counts = stats["statuses"].as_array().unwrap().iter();
        let mut counts = counts.filter(|count| count["status"] == status);
        counts.next().map(|count| count["orders"].as_u64().unwrap())
    };
    assert_eq!(
        [
            count("delivered"),
            count("failed"),
            count("pending"),
            count("shipped")
        ],
        [Some(1), Some(1), Some(1), None]
    );
    let hours = stats["hours"].as_array().unwrap().iter();
    assert_eq!(
        hours
            .map(|hour| hour["orders"].as_u64().unwrap())
            .sum::<u64>(),
        3
    );
    assert_eq!(
        stats["failures"],
        json!([{"code": "payment_declined", "orders": 1}])
    );
    let steps: Vec<_> = stats["steps"].as_array().unwrap().iter().collect();
    for (step, orders) in [("validate", 3), ("pay", 1), ("dispatch", 1), ("deliver", 1)] {
        let time = steps.iter().find(|time| time["step"] == step).unwrap();
        let (p50, p95) = (
            time["p50_seconds"].as_f64().unwrap(),
            time["p95_seconds"].as_f64().unwrap(),
        );
        assert_eq!(time["orders"], orders, "{time}");
        assert!(0.0 <= p50 && p50 <= p95 && p95 < 600.0, "{time}");
    }
    // `DELIVERY=auto:1s`.
    let deliver = steps.iter().find(|time| time["step"] == "deliver").unwrap();
    assert!(deliver["p50_seconds"].as_f64().unwrap() >= 1.0, "{deliver}");
    assert_eq!(
        (&stats["held"], &stats["stalled"], &stats["money"]),
        (&json!(0), &json!(0), &json!([]))
    );
    let held = format!("/orders/{waiting}/signals/hold");
    harness.post(&held, json!({})).await.expect_status(200);
    let stats = harness
        .wait_until("the held order", read, |stats| stats["held"] == 1)
        .await;
    assert_eq!(stats["in_review"], 1);
    let due = "insert into payments (payment_id, status, amount, currency, provider, captured, due, unmatched)
         values ('pmt-due', 'refund_due', 1000, 'JPY', 'stripe', 1000, 400, 600)";
    sqlx::query(due).execute(&harness.pool).await.unwrap();
    let later = harness.get("/stats").await.expect_status(200);
    assert_eq!(
        later["money"],
        json!([{"currency": "JPY", "due": 400, "unmatched": 600}])
    );
    let earlier = harness
        .get("/stats?from=2020-01-01&to=2020-01-02")
        .await
        .expect_status(200);
    assert_eq!(
        (&earlier["statuses"], &earlier["hours"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(
        (&earlier["from"], &earlier["in_review"]),
        (&json!("2020-01-01T00:00:00Z"), &json!(1))
    );
    for (query, pointer) in [
        ("from=2026-01-02&to=2026-01-01", "/from"),
        ("from=2026-01-01&to=2026-01-01", "/from"),
        ("from=2026-01-01&to=2026-03-01", "/from"),
        ("from=2020-01-01", "/from"),
        ("from=9999-12-31T23:59:59-05:00", "/from"),
        ("to=soon", "/to"),
        ("until=2026-01-01", "/until"),
    ] {
        let problem = harness.get(&format!("/stats?{query}")).await;
        let problem = problem.expect_problem(422, "invalid_query");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
    }
    harness
        .post(&format!("/orders/{waiting}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&waiting).await;
}

#[tokio::test]
async fn customer_stays_bound_in_every_list() {
    let own = create_api_key("ada", &Scope::ALL, Some("CUST-A-1"), None).unwrap();
    let settings = [("API_AUTH", "api-key"), ("API_KEYS", own.line.as_str())];
    let harness = Harness::start_with(&settings).await;
    insert_orders(&harness).await;
    let call = async |path: &str, accept: &str| {
        let headers = [("x-api-key", own.key.as_str()), ("accept", accept)];
        harness.send(Method::GET, path, &headers, None).await
    };
    for query in [
        "",
        "status=delivered,cancelled,failed,pending",
        "q=ada",
        "q=pi_3ab",
        "q=fedex",
        "email=a-1@example.com",
        "email=b-2@example.com",
        "updated_after=2026-01-01",
        "sort=updated_at",
        "sort=-updated_at&status=delivered,pending",
        "attention=review",
        "attention=hold",
        "attention=money",
        "attention=stalled",
        "customer_id=CUST-b-2",
        "customer_id=CUST-b-2&q=grace",
    ] {
        let listed = call(&format!("/orders?{query}"), "*/*")
            .await
            .expect_status(200);
        for order in listed["orders"].as_array().unwrap() {
            assert_eq!(order["order_id"], "A-1", "{query}");
        }
        let table = call(&format!("/orders?{query}"), "text/csv")
            .await
            .expect_status(200);
        let rows = table.as_str().unwrap().lines().skip(1);
        assert!(
            rows.map(|row| &row[..4]).all(|row| row == "A-1,"),
            "{query}: {table}"
        );
    }
    for (query, count) in [
        ("", 1),
        ("q=ada", 1),
        ("q=pi_3ab", 1),
        ("sort=updated_at", 1),
        ("attention=money", 0),
    ] {
        let listed = call(&format!("/orders?{query}"), "*/*")
            .await
            .expect_status(200);
        assert_eq!(listed["orders"].as_array().unwrap().len(), count, "{query}");
    }
    let stats = call("/stats?from=2026-01-01&to=2026-01-02", "*/*")
        .await
        .expect_status(200);
    assert_eq!(
        (&stats["statuses"], &stats["in_review"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn amounts_after_the_end_are_those_of_the_ledger() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    for (id, expected) in [
        ("A-1", [10.0, 10.0, 10.0, 3.0, 0.0]),
        ("b-2", [10.0, 10.0, 10.0, 0.0, 10.0]),
        ("C-3", [10.0, 10.0, 0.0, 0.0, 0.0]),
    ] {
        let order = harness.get(&format!("/orders/{id}?source=database")).await;
        let amounts = order.expect_status(200)["amounts"].clone();
        let names = ["items", "total", "captured", "refunded", "due"];
        let read = names.map(|name| amounts[name].as_f64().unwrap_or(-1.0));
        assert_eq!(read, expected, "{id}: {amounts}");
    }
}

#[tokio::test]
async fn amounts_are_equal_from_every_source() {
    let harness = Harness::start_with(&[("SHIPPING_DELAY", "1h")]).await;
    let order = order_with_payment("pmt-amounts");
    let id = harness.post("/orders", order).await.expect_started();
    harness.wait_for_status(&id, "preparing").await;
    let read = async |source: &str| -> [f64; 5] {
        let order = harness.get(&format!("/orders/{id}{source}")).await;
        let amounts = order.expect_status(200)["amounts"].clone();
        ["items", "total", "captured", "refunded", "due"]
            .map(|name| amounts[name].as_f64().unwrap_or(-1.0))
    };
    let paid = [99.99, 99.99, 99.99, 0.0, 0.0];
    for source in ["", "?source=workflow", "?source=database"] {
        let same = async || read(source).await;
        harness
            .wait_until(&format!("the payment{source}"), same, |read| *read == paid)
            .await;
    }
    harness
        .post(&format!("/orders/{id}/cancel"), json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end(&id).await;
    for source in ["", "?source=workflow", "?source=database"] {
        assert_eq!(
            read(source).await,
            [99.99, 99.99, 99.99, 99.99, 0.0],
            "{source}"
        );
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn only_configured_origins_may_call_the_api() {
    let origins = "https://shop.example,http://localhost:3000";
    let harness = Harness::start_with(&[("CORS_ORIGINS", origins)]).await;
    let call = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        harness.send(method, path, headers, None).await
    };
    let wanted = ("access-control-request-method", "POST");
    for route in ROUTES {
        let path = route
            .pattern
            .replace("{id}", "o-1")
            .replace("{provider}", "stripe")
            .replace("{path+}", "a");
        let shop = ("origin", "https://shop.example");
        let response = call(Method::OPTIONS, &path, &[shop, wanted]).await;
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(
            response.header("access-control-allow-origin"),
            "https://shop.example"
        );
        let allowed: Vec<_> = response
            .header("access-control-allow-methods")
            .split(", ")
            .collect();
        assert!(
            allowed.contains(&route.method.as_str()),
            "{path}: {allowed:?}"
        );
        assert!(
            response
                .header("access-control-allow-headers")
                .contains("X-Api-Key")
        );
        assert!(response.header("vary").contains("Origin"), "{path}");
        let foreign = call(
            Method::OPTIONS,
            &path,
            &[("origin", "https://evil.example"), wanted],
        )
        .await;
        assert_eq!(
            (
                foreign.status.as_u16(),
                foreign.header("access-control-allow-origin")
            ),
            (405, "")
        );
        assert!(foreign.header("vary").contains("Origin"), "{path}");
    }
    for path in ["/orders", "/orders/nobody", "/health", "/nowhere"] {
        let response = call(Method::GET, path, &[("origin", "http://localhost:3000")]).await;
        assert_eq!(
            response.header("access-control-allow-origin"),
            "http://localhost:3000",
            "{path}"
        );
        assert!(
            response
                .header("access-control-expose-headers")
                .contains("Link"),
            "{path}"
        );
        assert_eq!(response.header("access-control-allow-credentials"), "");
        for other in [
            "https://evil.example",
            "null",
            "https://shop.example.evil.example",
        ] {
            let response = call(Method::GET, path, &[("origin", other)]).await;
            assert_eq!(
                response.header("access-control-allow-origin"),
                "",
                "{path} from {other}"
            );
        }
    }
}

#[tokio::test]
async fn without_the_setting_no_page_may_call_the_api() {
    let harness = Harness::start().await;
    let headers = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "GET"),
    ];
    let preflight = harness
        .send(Method::OPTIONS, "/orders", &headers, None)
        .await;
    assert_eq!(preflight.header("access-control-allow-origin"), "");
    preflight.expect_problem(405, "method_not_allowed");
    let read = harness
        .send(Method::GET, "/orders", &headers[..1], None)
        .await;
    assert_eq!(read.header("vary"), "Authorization, X-Api-Key, Accept");
    assert_eq!(read.header("cache-control"), "private, no-cache");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
}
