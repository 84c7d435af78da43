//! The scenarios of `test-workflow` that change an order: notes, hold, refund, return and items.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use super::{sample_order::sample_order, scenarios::FULFILLED, test_run::TestRun};

pub(super) async fn notes(run: &TestRun) -> Result<String> {
    let id = run.start_order("noted", None, true).await?;
    let notes = json!({"external_reference": id, "metadata": {"ticket": 4711}});
    run.call_api(Method::PATCH, &format!("orders/{id}"), Some(&notes))
        .await??;
    let found = run
        .call_api(
            Method::GET,
            &format!("orders?external_reference={id}"),
            None,
        )
        .await??
        .body;
    let order = &found["orders"][0];
    ensure!(
        order["order_id"] == id.as_str() && order["metadata"]["ticket"] == 4711,
        "the order is not found by its reference, or has no metadata"
    );
    run.wait_for_end(&id).await?;
    Ok("found by its reference, with its metadata".to_owned())
}

pub(super) async fn hold(run: &TestRun) -> Result<String> {
    let id = run.start_order("held", Some("checkout"), false).await?;
    run.wait_until(&id, "waiting for its payment", |state| {
        state["step"] == "pay"
    })
    .await?;
    run.send_signal(&id, "hold", json!({"reason": "a test"}))
        .await?;
    run.wait_until(&id, "held", |state| state["hold"]["reason"] == "a test")
        .await?;
    let paid =
        json!({"transaction_id": format!("tx-{id}"), "amount": 99.99, "payment_method": "card"});
    run.send_signal(&id, "confirm-payment", paid).await?;
    run.send_signal(&id, "release", json!({})).await?;
    let state = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    ensure!(state["hold"].is_null(), "{id} is still held");
    Ok("held with its reason, and completed after the release".to_owned())
}

pub(super) async fn refund(run: &TestRun) -> Result<String> {
    let id = run.start_order("refunded", None, true).await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let refunds = format!("orders/{id}/refunds");
    let part = json!({"amount": "20.00", "reason": "a test"});
    let key = run.order_id("refund");
    let first = run.post_or_skip(&refunds, &part, &key).await?;
    let again = run.post_or_skip(&refunds, &part, &key).await?;
    let refund_id = first.text_at("/refund_id");
    ensure!(
        refund_id == again.text_at("/refund_id"),
        "one key made two refunds"
    );
    run.wait_for_state(&format!("{refunds}/{refund_id}"), "refunded")
        .await?;
    let too_much = json!({"amount": "80.00"});
    let refused = run
        .call_api(Method::POST, &refunds, Some(&too_much))
        .await?;
    ensure!(
        refused.is_err_and(|problem| problem.code == "refund_exceeds_payment"),
        "more than the payment was refunded"
    );
    let amounts = &run.read_order(&id).await?["amounts"];
    ensure!(
        amounts["refunded"] == 20,
        "{} of the payment is refunded, not 20",
        amounts["refunded"]
    );
    Ok("20.00 of 99.99 refunded once; more than the rest is rejected".to_owned())
}

pub(super) async fn returned(run: &TestRun) -> Result<String> {
    let id = run.start_order("returned", None, true).await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let returns = format!("orders/{id}/returns");
    let units = json!({"items": [{"sku": "ABC123", "quantity": 1, "reason": "a test"}]});
    let key = run.order_id("return");
    let requested = run.post_or_skip(&returns, &units, &key).await?;
    let path = format!("{returns}/{}", requested.text_at("/return_id"));
    for step in ["approve", "receive"] {
        run.post_or_skip(&format!("{path}/{step}"), &json!({}), &key)
            .await?;
    }
    run.wait_for_state(&path, "closed").await?;
    let amounts = &run.read_order(&id).await?["amounts"];
    ensure!(
        amounts["refunded"] == 99.99,
        "{} of the payment is refunded, not 99.99",
        amounts["refunded"]
    );
    Ok("sent back and refunded".to_owned())
}

pub(super) async fn refused_returns(run: &TestRun) -> Result<String> {
    let id = run.start_order("kept", None, true).await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let returns = format!("orders/{id}/returns");
    let units = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    for (step, state) in [("reject", "rejected"), ("cancel", "cancelled")] {
        let key = run.order_id(step);
        let requested = run.post_or_skip(&returns, &units, &key).await?;
        let path = format!("{returns}/{}/{step}", requested.text_at("/return_id"));
        let decided = run
            .post_or_skip(&path, &json!({"reason": "a test"}), &key)
            .await?;
        ensure!(
            decided.body["state"] == state,
            "a return is {}, expected {state}",
            decided.body["state"]
        );
    }
    let amounts = &run.read_order(&id).await?["amounts"];
    ensure!(
        amounts["refunded"] == 0,
        "{} of the payment is refunded, not 0",
        amounts["refunded"]
    );
    Ok("one rejected, one cancelled, nothing refunded".to_owned())
}

pub(super) async fn fewer_units(run: &TestRun) -> Result<String> {
    let mut order = sample_order(&run.id_prefix);
    order["items"][0]["quantity"] = json!(2);
    order["profile"] = json!("checkout");
    let id = run.start_order_of("fewer", &order).await?;
    run.wait_until(&id, "waiting for its payment", |state| {
        state["step"] == "pay"
    })
    .await?;
    let fewer = json!({"items": [{"sku": "ABC123", "quantity": 1}]});
    let changed = run.send_signal(&id, "update-items", fewer.clone()).await?;
    ensure!(
        changed.body["total_amount"] == 99.99,
        "the new total is {}, not 99.99",
        changed.body["total_amount"]
    );
    let again = run.send_signal(&id, "update-items", fewer).await?;
    ensure!(
        again.is_true("/already"),
        "the response to a repeated change has no `already`"
    );
    let paid =
        json!({"transaction_id": format!("tx-{id}"), "amount": 99.99, "payment_method": "card"});
    run.send_signal(&id, "confirm-payment", paid).await?;
    let state = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    ensure!(
        state["items"][0]["quantity"] == 1,
        "{id} has {} units, not 1",
        state["items"][0]["quantity"]
    );
    Ok("one unit less, and the new total is paid".to_owned())
}
