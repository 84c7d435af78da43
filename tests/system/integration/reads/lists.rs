//! Lists of orders and the audit log of one order, page by page.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{cancel_order, create_waiting_order, get_with_headers};
use crate::{api::sample_order, harness::Harness};
use domain::{AuditEventType, OrderId, OrderState};
use store::order_write::{Fence, OrderWrite, write_order};

/// Returns the rows of one page and the path of the next page.
async fn read_page(harness: &Harness, path: &str) -> (Vec<Value>, Option<String>) {
    let response = harness.get(path).await;
    let link = response.header("link").to_owned();
    let next = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        .map(str::to_owned);
    assert_eq!(next.is_some(), !link.is_empty(), "{link}");
    let body = response.expect_status(200);
    let rows = body
        .get("orders")
        .or_else(|| body.get("events"))
        .unwrap_or_else(|| panic!("{body}"));
    (rows.as_array().unwrap().clone(), next)
}

async fn list_ids(harness: &Harness, path: &str) -> Vec<String> {
    let (rows, _) = read_page(harness, path).await;
    rows.iter()
        .map(|order| order["order_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Inserts a row as the worker does when it receives an order, `second` seconds after the epoch.
async fn insert_received_order(harness: &Harness, name: &str, second: i64) -> String {
    let created = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
    let mut record = OrderState::new(OrderId::parse(name).unwrap(), created);
    let events = [record.append_audit_event(AuditEventType::OrderReceived, json!({}), created)];
    write_order(
        &harness.pool,
        OrderWrite {
            state: &record,
            fence: Fence {
                chain_id: Some("run"),
                run_id: "run",
                version: 1,
                task_time: record.updated_at(),
            },
            events: &events,
        },
    )
    .await
    .unwrap();
    name.to_owned()
}

#[tokio::test]
async fn pages_list_each_order_once_during_inserts() {
    let harness = Harness::start().await;
    let mut expected = Vec::new();
    for number in 0..205 {
        // Five orders share each second, so the id decides their order.
        expected.push(
            insert_received_order(&harness, &format!("page-{number:03}"), 1_000 + number / 5).await,
        );
    }
    expected.reverse();
    for limit in [10, 50, 200] {
        let (mut seen, mut next) = (
            Vec::new(),
            Some(format!(
                "/orders?limit={limit}&created_before=1971-01-01T00:00:00Z"
            )),
        );
        while let Some(path) = next {
            let (rows, link) = read_page(&harness, &path).await;
            assert!(
                rows.len() <= limit && (link.is_none() || rows.len() == limit),
                "{path}"
            );
            seen.extend(
                rows.into_iter()
                    .map(|order| order["order_id"].as_str().unwrap().to_owned()),
            );
            // A new order appears at the head of the list between any two pages.
            insert_received_order(&harness, &format!("new-{limit}-{}", seen.len()), 5_000).await;
            next = link;
        }
        let old: Vec<_> = seen
            .iter()
            .filter(|id| id.starts_with("page-"))
            .cloned()
            .collect();
        assert_eq!(
            old, expected,
            "limit {limit}: each order once, newest first"
        );
    }
    let (rows, next) = read_page(&harness, "/orders").await;
    assert_eq!((rows.len(), next.is_some()), (50, true), "without a limit");
}

#[tokio::test]
async fn combined_filters_persist_across_pages() {
    let harness = Harness::start().await;
    let mut orders = Vec::new();
    for number in 0..6 {
        let mut order = sample_order();
        order["customer"]["id"] = json!(format!("C+{}&x", number % 2));
        order["profile"] = json!("checkout");
        orders.push(harness.post("/orders", order).await.expect_started());
    }
    // The row has its customer once the order is validated.
    let of = |customer: u8| format!("customer_id=C%2B{customer}%26x");
    let rows = async || {
        let count = async |customer| {
            list_ids(&harness, &format!("/orders?{}", of(customer)))
                .await
                .len()
        };
        (count(0).await, count(1).await)
    };
    harness
        .wait_until("six rows", rows, |counts| *counts == (3, 3))
        .await;
    cancel_order(&harness, &orders[0]).await;
    cancel_order(&harness, &orders[1]).await;
    assert_eq!(
        list_ids(&harness, "/orders?status=cancelled").await.len(),
        2
    );
    assert_eq!(
        list_ids(&harness, &format!("/orders?status=cancelled&{}", of(0))).await,
        [orders[0].clone()]
    );
    let (mut seen, mut pages) = (BTreeSet::new(), 0);
    let mut next = Some(format!(
        "/orders?status=pending&{}&limit=1&created_after=2020-01-01T00:00:00%2B01:00&created_before=2100-01-01T00:00:00Z&source=database",
        of(1)
    ));
    while let Some(path) = next {
        let (rows, link) = read_page(&harness, &path).await;
        for order in rows {
            assert_eq!(
                (&order["status"], &order["customer_id"]),
                (&json!("pending"), &json!("C+1&x"))
            );
            assert!(seen.insert(order["order_id"].to_string()));
        }
        pages += 1;
        for kept in [
            "status=pending",
            &of(1),
            "limit=1",
            "created_after=2020-01-01T00%3A00%3A00%2B01%3A00",
            "source=database",
        ] {
            assert!(
                link.as_ref().is_none_or(|link| link.contains(kept)),
                "{kept} is not in {link:?}"
            );
        }
        next = link;
    }
    assert_eq!((seen.len(), pages), (2, 2));
    for id in &orders[2..] {
        cancel_order(&harness, id).await;
    }
    harness.assert_invariants().await;
}

#[tokio::test]
async fn time_bounds_are_exclusive() {
    let harness = Harness::start().await;
    for second in 1..=3 {
        insert_received_order(&harness, &format!("at-{second}"), second).await;
    }
    let at = |second: i64| {
        (DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(second))
            .to_rfc3339()
            .replace('+', "%2B")
    };
    assert_eq!(
        list_ids(&harness, &format!("/orders?created_after={}", at(1))).await,
        ["at-3", "at-2"]
    );
    assert_eq!(
        list_ids(&harness, &format!("/orders?created_before={}", at(3))).await,
        ["at-2", "at-1"]
    );
    let between = format!("/orders?created_after={}&created_before={}", at(1), at(3));
    assert_eq!(list_ids(&harness, &between).await, ["at-2"]);
    // The plus sign is not escaped.
    assert_eq!(
        list_ids(
            &harness,
            "/orders?created_after=1970-01-01T01:00:02%2B01:00"
        )
        .await,
        ["at-3"]
    );
    assert_eq!(
        list_ids(&harness, "/orders?created_after=1970-01-01T01:00:02+01:00").await,
        ["at-3"]
    );
}

#[tokio::test]
async fn invalid_list_parameters_are_rejected() {
    let harness = Harness::start().await;
    // A cursor with a time out of the database's range, and one with an invalid order id.
    let (far, nobody) = ("OTAwMDAwMDAwMDAwMDAwMDAwMHxPUkQtMQ", "MHxhIGI");
    for (bad, pointer) in [
        ("limit=0".to_owned(), "/limit"),
        ("limit=201".to_owned(), "/limit"),
        ("limit=x".to_owned(), "/limit"),
        ("limit=1&limit=2".to_owned(), "/limit"),
        ("status=lost".to_owned(), "/status"),
        ("status=Delivered".to_owned(), "/status"),
        ("status=".to_owned(), "/status"),
        ("customer_id=".to_owned(), "/customer_id"),
        ("customer_id=a%20b".to_owned(), "/customer_id"),
        ("customer_id=%00".to_owned(), "/customer_id"),
        ("created_after=yesterday".to_owned(), "/created_after"),
        (
            "created_after=-200000-01-01T00:00:00Z".to_owned(),
            "/created_after",
        ),
        ("created_before=2026-11-31".to_owned(), "/created_before"),
        ("updated_after=noon".to_owned(), "/updated_after"),
        ("updated_before=".to_owned(), "/updated_before"),
        ("status=delivered,lost".to_owned(), "/status"),
        ("status=delivered&status=".to_owned(), "/status"),
        ("email=nobody".to_owned(), "/email"),
        ("q=".to_owned(), "/q"),
        ("q=%20".to_owned(), "/q"),
        ("q=a&q=b".to_owned(), "/q"),
        ("attention=all".to_owned(), "/attention"),
        ("sort=total".to_owned(), "/sort"),
        ("sort=%2Bcreated_at".to_owned(), "/sort"),
        ("cursor=!!".to_owned(), "/cursor"),
        ("cursor=MTIz".to_owned(), "/cursor"),
        (format!("cursor={far}"), "/cursor"),
        (format!("cursor={nobody}"), "/cursor"),
        ("stauts=delivered".to_owned(), "/stauts"),
        ("offset=50".to_owned(), "/offset"),
    ] {
        let problem = harness
            .get(&format!("/orders?{bad}"))
            .await
            .expect_problem(422, "invalid_query");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{bad}");
    }
    let problem = harness
        .get("/orders?limit=0&status=lost&cursor=x&page=2")
        .await
        .expect_problem(422, "invalid_query");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 4, "{problem}");
    for bad in [
        "after=-1",
        "after=x",
        "after=99999999999",
        "limit=0",
        "cursor=x",
    ] {
        harness
            .get(&format!("/orders/o-1/events?{bad}"))
            .await
            .expect_problem(422, "invalid_query");
    }
    // A request that changes data accepts no query parameters.
    for path in [
        "/orders?dry_run=true",
        "/orders/o-1/start?profile=quick",
        "/orders/o-1/cancel?force=1",
    ] {
        harness
            .post(path, sample_order())
            .await
            .expect_problem(422, "invalid_query");
    }
    assert_eq!(
        list_ids(&harness, "/orders").await.len(),
        0,
        "no order was started"
    );
}

#[tokio::test]
async fn audit_events_are_paginated() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    cancel_order(&harness, &id).await;
    let whole = harness.get(&format!("/orders/{id}/events")).await;
    assert_eq!(whole.header("link"), "");
    let tag = whole.header("etag").to_owned();
    let whole = whole.expect_status(200)["events"]
        .as_array()
        .unwrap()
        .clone();
    let (mut seen, mut next) = (
        Vec::new(),
        Some(format!("/orders/{id}/events?limit=2&source=database")),
    );
    while let Some(path) = next {
        let (events, link) = read_page(&harness, &path).await;
        seen.extend(events);
        next = link;
    }
    assert_eq!(seen, whole);
    let seqs: Vec<_> = seen
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    let numbers = 1..=u64::try_from(seen.len()).unwrap();
    assert_eq!(seqs, numbers.collect::<Vec<_>>());
    // The tag is the order's tag on each page, and after the last page.
    let beyond = get_with_headers(
        &harness,
        &format!("/orders/{id}/events?after=4000000000"),
        &[],
    )
    .await;
    assert_eq!(
        (beyond.header("etag"), &beyond.body),
        (tag.as_str(), &json!({"events": []}))
    );
}
