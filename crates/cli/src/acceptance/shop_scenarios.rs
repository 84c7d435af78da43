//! The scenarios of `test-workflow` about data of the shop: stock, endpoints, lists, statistics and the
//! work list.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{scenarios::FULFILLED, test_run::TestRun};

pub(super) async fn stock(run: &TestRun) -> Result<String> {
    let sku = run.order_id("sku");
    let path = format!("stock/{sku}");
    // No unit is left at the end.
    for (change, available) in [
        (json!({"available": 3, "reason": "a test"}), 3),
        (json!({"adjust": -3, "reason": "a test"}), 0),
    ] {
        let key = format!("{sku}-{available}");
        // The second request changes nothing.
        for is_repeated in [false, true] {
            let changed = run
                .call_or_skip(Method::PUT, &path, Some(&change), Some(&key))
                .await?;
            ensure!(
                changed.body["available"] == available
                    && changed.is_true("/already") == is_repeated,
                "the response to {change} is {}",
                changed.text
            );
        }
    }
    let read = run.call_api(Method::GET, &path, None).await??.body;
    let movements: Vec<_> = read["movements"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|movement| (&movement["kind"], &movement["new_available"]))
        .collect();
    ensure!(
        read["available"] == 0
            && movements == [(&json!("adjust"), &json!(0)), (&json!("set"), &json!(3))],
        "the stock is {read}"
    );
    Ok("set and adjusted once each, with both movements".to_owned())
}

pub(super) async fn endpoint(run: &TestRun) -> Result<String> {
    // No address belongs to this name, so no message leaves the deployment.
    let new = json!({
        "url": "https://orderflow.invalid/test", "events": ["order.failed"], "description": run.id_prefix,
    });
    let created = run
        .call_or_skip(Method::POST, "webhook-endpoints", Some(&new), None)
        .await?;
    let path = format!("webhook-endpoints/{}", created.text_at("/id"));
    let tested = send_test(run, &path).await;
    // Also after a failure.
    run.call_api(Method::DELETE, &path, None).await??;
    tested?;
    let deleted = run.call_api(Method::GET, &path, None).await?;
    ensure!(
        deleted.is_err_and(|problem| problem.code == "endpoint_not_found"),
        "/{path} is not deleted"
    );
    Ok("created, a test message accepted, deleted".to_owned())
}

async fn send_test(run: &TestRun, path: &str) -> Result<()> {
    let test = format!("{path}/test");
    let accepted = run
        .call_api(Method::POST, &test, Some(&json!({})))
        .await??
        .body;
    let listed = run
        .call_api(Method::GET, &format!("{path}/deliveries"), None)
        .await??
        .body;
    let id = &accepted["id"];
    ensure!(
        !id.is_null() && listed["deliveries"][0]["id"] == *id,
        "the test message {accepted} is not in the list {listed}"
    );
    Ok(())
}

pub(super) async fn search(run: &TestRun) -> Result<String> {
    let id = run.start_order("found", None, true).await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let path = format!("orders?q={id}");
    let found = run.call_api(Method::GET, &path, None).await??.body;
    let ids: Vec<_> = found["orders"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|order| &order["order_id"])
        .collect();
    ensure!(ids == [&json!(id)], "the search for {id} has found {found}");
    let table = run.api.get_csv(&path).await?.text;
    let rows: Vec<_> = table.lines().collect();
    let is_table = matches!(
        rows.as_slice(),
        [head, row] if head.starts_with("order_id,status,") && row.starts_with(&format!("{id},"))
    );
    ensure!(is_table, "the table is {table}");
    Ok("found by its id, as JSON and as CSV".to_owned())
}

pub(super) async fn statistics(run: &TestRun) -> Result<String> {
    let id = run.start_order("counted", None, true).await?;
    let state = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let stats = run.get_or_skip("stats").await?;
    let is_counted = |count: &Value| count["status"] == state["status"] && count["orders"] != 0;
    let statuses = stats["statuses"].as_array();
    ensure!(
        statuses.is_some_and(|statuses| statuses.iter().any(is_counted)),
        "no order is {} in {stats}",
        state["status"]
    );
    let entries = list_work(run, &id).await?;
    ensure!(
        entries == json!([]),
        "the paid order is in the work list: {entries}"
    );
    Ok("counted, and not in the work list".to_owned())
}

pub(super) async fn work_list(run: &TestRun) -> Result<String> {
    let id = run.start_order("refused", Some("checkout"), false).await?;
    run.wait_until(&id, "waiting for its payment", |state| {
        state["step"] == "pay"
    })
    .await?;
    let paid = |amount: f64| json!({"transaction_id": format!("tx-{id}"), "amount": amount, "payment_method": "card"});
    run.expect_refusal(&id, "confirm-payment", paid(50.0), "payment_mismatch")
        .await?;
    let entry = &list_work(run, &id).await?[0];
    ensure!(
        entry["concern"] == "report_refused" && entry["amount"] == 50,
        "the work list has the entry {entry}"
    );
    run.send_signal(&id, "confirm-payment", paid(99.99)).await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let left = list_work(run, &id).await?;
    ensure!(left == json!([]), "the work list still has {left}");
    Ok("listed until the right amount was paid".to_owned())
}

/// Returns the entries of the work list that are about an order.
async fn list_work(run: &TestRun, id: &str) -> Result<Value> {
    let path = format!("payments/attention?order_id={id}");
    Ok(run.get_or_skip(&path).await?["entries"].clone())
}
