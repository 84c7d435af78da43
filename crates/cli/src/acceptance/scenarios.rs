//! The scenarios of `test-workflow`, one function each. A scenario returns a summary of its
//! observations.

use anyhow::{Context, Result, bail, ensure};
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::{change_scenarios, sample_order::sample_order, shop_scenarios, test_run::TestRun};

type Scenario<'a> = (&'static str, BoxFuture<'a, Result<String>>);

/// Lists the scenarios in the order in which they run.
pub(super) fn list_scenarios(run: &TestRun) -> Vec<Scenario<'_>> {
    vec![
        ("happy path", happy_path(run).boxed()),
        ("queries of a completed order", completed(run).boxed()),
        ("approval", approval(run).boxed()),
        ("rejection", rejection(run).boxed()),
        ("cancel before payment", cancel_before_payment(run).boxed()),
        ("cancel after payment", cancel_after_payment(run).boxed()),
        ("address, and payment by confirmation", address(run).boxed()),
        ("repeated start", duplicate_starts(run).boxed()),
        ("repeated idempotency key", duplicate_keys(run).boxed()),
        ("one payment for two orders", duplicate_payment(run).boxed()),
        ("notes of an order", change_scenarios::notes(run).boxed()),
        ("hold and release", change_scenarios::hold(run).boxed()),
        ("refund of a part", change_scenarios::refund(run).boxed()),
        ("return of units", change_scenarios::returned(run).boxed()),
        (
            "rejected and cancelled returns",
            change_scenarios::refused_returns(run).boxed(),
        ),
        ("fewer units", change_scenarios::fewer_units(run).boxed()),
        ("stock of an item", shop_scenarios::stock(run).boxed()),
        ("webhook endpoint", shop_scenarios::endpoint(run).boxed()),
        ("search and table", shop_scenarios::search(run).boxed()),
        ("statistics", shop_scenarios::statistics(run).boxed()),
        (
            "refused payment in the work list",
            shop_scenarios::work_list(run).boxed(),
        ),
        ("bad input", bad_input(run).boxed()),
    ]
}

pub(super) const FULFILLED: &[&str] = &["shipped", "delivered"];

async fn happy_path(run: &TestRun) -> Result<String> {
    let mut body = sample_order(&run.id_prefix);
    body["payment"] = json!({"payment_id": format!("pmt-{}", run.order_id("happy"))});
    let key = run.order_id("happy");
    let started = run
        .api
        .try_call(Method::POST, "orders", Some(body.to_string()), Some(&key))
        .await??;
    let id = started.text_at("/order_id").to_owned();
    ensure!(
        started.body["total_amount"] == 99.99,
        "the total is {}, not 99.99",
        started.body["total_amount"]
    );
    let state = run.read_order(&id).await?;
    if state["step"] == "manual_review" {
        run.send_signal(&id, "approve", json!({})).await?;
    }
    let state = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    ensure!(
        !state["shipment_info"]["tracking_number"].is_null(),
        "{id} has no tracking number"
    );
    Ok(format!(
        "{id} {}, charged once",
        state["status"].as_str().unwrap_or_default()
    ))
}

async fn completed(run: &TestRun) -> Result<String> {
    let id = run.start_order("completed", None, true).await?;
    let whole = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let short = run
        .call_api(Method::GET, &format!("orders/{id}/status"), None)
        .await??
        .body;
    ensure!(
        short["status"] == whole["status"],
        "status and full state differ"
    );
    let events = run
        .call_api(Method::GET, &format!("orders/{id}/events?limit=200"), None)
        .await??
        .body;
    let events = events["events"]
        .as_array()
        .context("the response has no events")?;
    let gapless = events
        .iter()
        .zip(1_u64..)
        .all(|(event, seq)| event["seq"] == seq);
    ensure!(gapless && !events.is_empty(), "the audit log has a gap");
    let late = run
        .call_api(
            Method::POST,
            &format!("orders/{id}/signals/cancel"),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        late.is_err_and(|problem| problem.status == 409),
        "a late cancel was not rejected with 409"
    );
    Ok(format!(
        "{} audit events without a gap; a late cancel is rejected",
        events.len()
    ))
}

async fn approval(run: &TestRun) -> Result<String> {
    let id = run.start_order("approval", Some("approval"), true).await?;
    run.wait_until(&id, "in review", |state| state["step"] == "manual_review")
        .await?;
    run.send_signal(&id, "approve", json!({"reviewer": "test-workflow"}))
        .await?;
    run.expect_end(&id, FULFILLED, Some("captured")).await?;
    Ok("waited until it was approved".to_owned())
}

async fn rejection(run: &TestRun) -> Result<String> {
    let id = run.start_order("rejection", Some("approval"), true).await?;
    run.wait_until(&id, "in review", |state| state["step"] == "manual_review")
        .await?;
    run.send_signal(&id, "reject", json!({"reason": "a test"}))
        .await?;
    run.expect_end(&id, &["cancelled"], None).await?;
    Ok("cancelled, nothing charged".to_owned())
}

async fn cancel_before_payment(run: &TestRun) -> Result<String> {
    let id = run.start_order("unpaid", Some("checkout"), false).await?;
    run.wait_until(&id, "waiting for its payment", |state| {
        state["step"] == "pay"
    })
    .await?;
    run.send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    let state = run.expect_end(&id, &["cancelled"], None).await?;
    ensure!(
        state["cancellation_reason"] == "a test",
        "the reason was lost"
    );
    let again = run
        .send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    ensure!(
        again.is_true("/already"),
        "the response to a second cancel has no `already`"
    );
    Ok("cancelled, nothing charged; a second cancel changes nothing".to_owned())
}

async fn cancel_after_payment(run: &TestRun) -> Result<String> {
    // The profile waits before it ships, so the order can be cancelled after its payment.
    let id = run.start_order("paid", Some("lifecycle"), true).await?;
    run.wait_until(&id, "paid", |state| {
        state["payment_info"]["status"] == "captured"
    })
    .await?;
    run.send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    run.expect_end(&id, &["cancelled"], Some("refunded"))
        .await?;
    Ok("cancelled and refunded".to_owned())
}

async fn address(run: &TestRun) -> Result<String> {
    let id = run.start_order("address", Some("checkout"), false).await?;
    run.wait_until(&id, "waiting for its payment", |state| {
        state["step"] == "pay"
    })
    .await?;
    run.send_signal(&id, "update-address", json!({"street": "2 Side St"}))
        .await?;
    let paid = |amount: f64| json!({"transaction_id": format!("tx-{id}"), "amount": amount, "payment_method": "card"});
    run.expect_refusal(&id, "confirm-payment", paid(1.0), "payment_mismatch")
        .await?;
    run.send_signal(&id, "confirm-payment", paid(99.99)).await?;
    let state = run.expect_end(&id, FULFILLED, Some("captured")).await?;
    let to = &state["shipping_address"];
    ensure!(
        to["street"] == "2 Side St" && to["city"] == "Anytown",
        "the shipping address is {to}"
    );
    Ok("sent to the new address; a wrong amount is rejected".to_owned())
}

async fn duplicate_starts(run: &TestRun) -> Result<String> {
    let id = run.start_order("twice", None, true).await?;
    let path = format!("orders/{id}/start");
    let mut body = sample_order(&run.id_prefix);
    body["payment_id"] = json!(format!("pmt-{id}"));
    let again = run.call_api(Method::POST, &path, Some(&body)).await??;
    ensure!(
        again.is_true("/already_started"),
        "the response to a repeated start has no `already_started`"
    );
    body["items"][0]["quantity"] = json!(2);
    match run.call_api(Method::POST, &path, Some(&body)).await? {
        Err(problem) if problem.status == 409 => {}
        Err(problem) => bail!(
            "another order with the same id was rejected with {}, not 409",
            problem.status
        ),
        Ok(_) => bail!("another order was started with the same id"),
    }
    run.wait_for_end(&id).await?;
    Ok("one order; another order with its id is rejected".to_owned())
}

async fn duplicate_keys(run: &TestRun) -> Result<String> {
    let key = run.order_id("key");
    let create = async |body: &Value| {
        run.api
            .try_call(Method::POST, "orders", Some(body.to_string()), Some(&key))
            .await
    };
    let mut body = sample_order(&run.id_prefix);
    body["payment"] = json!({"payment_id": format!("pmt-{key}")});
    let (first, second) = (create(&body).await??, create(&body).await??);
    let id = first.text_at("/order_id");
    ensure!(
        id == second.text_at("/order_id"),
        "one key started two orders"
    );
    body["items"][0]["quantity"] = json!(2);
    match create(&body).await? {
        Err(problem) if problem.status == 422 => {}
        Err(problem) => bail!(
            "another body with the same key was rejected with {}, not 422",
            problem.status
        ),
        Ok(_) => bail!("another body was accepted with the same key"),
    }
    run.wait_for_end(id).await?;
    Ok("one order; another body with its key is rejected".to_owned())
}

async fn duplicate_payment(run: &TestRun) -> Result<String> {
    let mut ids = Vec::new();
    for name in ["payer", "second"] {
        let mut body = sample_order(&run.id_prefix);
        body["payment_id"] = json!(run.order_id("pmt"));
        let id = run.order_id(name);
        run.call_api(Method::POST, &format!("orders/{id}/start"), Some(&body))
            .await??;
        let state = run.wait_for_end(&id).await?;
        ids.push((id, state));
    }
    let [(_, first), (id, second)] = ids.as_slice() else {
        bail!("two orders were started")
    };
    ensure!(
        first["payment_info"]["status"] == "captured",
        "the first order was not charged"
    );
    let code = &second["failure"]["code"];
    ensure!(
        second["status"] == "failed" && code == "payment_id_in_use",
        "order {id} ended {} ({code})",
        second["status"]
    );
    Ok("the second order failed, nothing charged".to_owned())
}

async fn bad_input(run: &TestRun) -> Result<String> {
    let valid = || sample_order(&run.id_prefix);
    let with = |pointer: &str, value: Value| {
        let mut body = valid();
        if let Some(field) = body.pointer_mut(pointer) {
            *field = value;
        }
        Some(body.to_string())
    };
    let cases = [
        (
            Method::POST,
            "orders",
            with("/items", json!([])),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            with("/items/0/quantity", json!(0)),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            with("/items/0/quantity", json!(-1)),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            with("/items/0/unit_price", json!("99.999")),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            with("/items/0/unit_price", json!(-1)),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            with("/shipping_address", json!({"city": "Anytown"})),
            422,
            "invalid_request",
        ),
        (
            Method::POST,
            "orders",
            Some("{".to_owned()),
            400,
            "malformed_json",
        ),
        (
            Method::GET,
            "orders/no-such-order-at-all",
            None,
            404,
            "order_not_found",
        ),
        (Method::GET, "no-such-route", None, 404, "route_not_found"),
        (
            Method::PUT,
            "orders",
            Some("{}".to_owned()),
            405,
            "method_not_allowed",
        ),
        (Method::GET, "orders?limit=0", None, 422, "invalid_query"),
    ];
    let count = cases.len();
    for (method, path, body, status, code) in cases {
        let sent = body.clone().unwrap_or_default();
        match run.api.try_call(method.clone(), path, body, None).await? {
            Err(problem) if problem.status == status && problem.code == code => {}
            Err(problem) => {
                bail!(
                    "{method} /{path} {sent}: {} {}, expected {status} {code}",
                    problem.status,
                    problem.code
                )
            }
            Ok(_) => bail!("{method} /{path} {sent}: accepted, expected {status} {code}"),
        }
    }
    Ok(format!(
        "{count} invalid requests, each rejected as expected"
    ))
}
