//! What `test-workflow` does, one function each: what it says is what it saw.

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::Method;
use serde_json::{Value, json};

use super::{sample_order::sample_order, test_run::TestRun};

type Scenario<'a> = (&'static str, BoxFuture<'a, Result<String>>);

/// In the order in which they run.
pub(super) fn list_scenarios(bench: &TestRun) -> Vec<Scenario<'_>> {
    vec![
        ("happy path", happy_path(bench).boxed()),
        ("queries of a completed order", completed(bench).boxed()),
        ("approval", approval(bench).boxed()),
        ("rejection", rejection(bench).boxed()),
        (
            "cancel before payment",
            cancel_before_payment(bench).boxed(),
        ),
        ("cancel after payment", cancel_after_payment(bench).boxed()),
        (
            "address, and payment by confirmation",
            address(bench).boxed(),
        ),
        ("the same start again", duplicate_starts(bench).boxed()),
        (
            "the same idempotency key again",
            duplicate_keys(bench).boxed(),
        ),
        (
            "one payment for two orders",
            duplicate_payment(bench).boxed(),
        ),
        ("bad input", bad_input(bench).boxed()),
    ]
}

const FULFILLED: &[&str] = &["shipped", "delivered"];

async fn happy_path(bench: &TestRun) -> Result<String> {
    let mut body = sample_order(&bench.run);
    body["payment"] = json!({"payment_id": format!("pmt-{}", bench.order_id("happy"))});
    let key = bench.order_id("happy");
    let started = bench
        .api
        .try_call(Method::POST, "orders", Some(body.to_string()), Some(&key))
        .await??;
    let id = started.text_at("/order_id").to_owned();
    ensure!(
        started.body["total_amount"] == 99.99,
        "the total is {}, not 99.99",
        started.body["total_amount"]
    );
    let state = bench.read_order(&id).await?;
    if state["step"] == "manual_review" {
        bench.send_signal(&id, "approve", json!({})).await?;
    }
    let state = bench.expect_end(&id, FULFILLED, Some("captured")).await?;
    ensure!(
        !state["shipment_info"]["tracking_number"].is_null(),
        "{id} has no tracking number"
    );
    Ok(format!(
        "{id} {}, charged once",
        state["status"].as_str().unwrap_or_default()
    ))
}

async fn completed(bench: &TestRun) -> Result<String> {
    let id = bench.start_order("completed", None, true).await?;
    let whole = bench.expect_end(&id, FULFILLED, Some("captured")).await?;
    let short = bench
        .call_api(Method::GET, &format!("orders/{id}/status"), None)
        .await??
        .body;
    ensure!(
        short["status"] == whole["status"],
        "status and full state differ"
    );
    let events = bench
        .call_api(Method::GET, &format!("orders/{id}/events?limit=200"), None)
        .await??
        .body;
    let events = events["events"]
        .as_array()
        .context("the answer has no events")?;
    let gapless = events
        .iter()
        .zip(1_u64..)
        .all(|(event, seq)| event["seq"] == seq);
    ensure!(gapless && !events.is_empty(), "the audit trail has a gap");
    let late = bench
        .call_api(
            Method::POST,
            &format!("orders/{id}/signals/cancel"),
            Some(&json!({})),
        )
        .await?;
    ensure!(
        late.is_err_and(|problem| problem.status == 409),
        "a late cancel was not refused with 409"
    );
    Ok(format!(
        "{} events without a gap, a late cancel is refused",
        events.len()
    ))
}

async fn approval(bench: &TestRun) -> Result<String> {
    let id = bench
        .start_order("approval", Some("approval"), true)
        .await?;
    bench
        .wait_until(&id, "in review", |state| state["step"] == "manual_review")
        .await?;
    bench
        .send_signal(&id, "approve", json!({"reviewer": "test-workflow"}))
        .await?;
    bench.expect_end(&id, FULFILLED, Some("captured")).await?;
    Ok("held until it was approved".to_owned())
}

async fn rejection(bench: &TestRun) -> Result<String> {
    let id = bench
        .start_order("rejection", Some("approval"), true)
        .await?;
    bench
        .wait_until(&id, "in review", |state| state["step"] == "manual_review")
        .await?;
    bench
        .send_signal(&id, "reject", json!({"reason": "a test"}))
        .await?;
    bench.expect_end(&id, &["cancelled"], None).await?;
    Ok("cancelled, nothing charged".to_owned())
}

async fn cancel_before_payment(bench: &TestRun) -> Result<String> {
    let id = bench.start_order("unpaid", Some("checkout"), false).await?;
    bench
        .wait_until(&id, "waiting for its payment", |state| {
            state["step"] == "pay"
        })
        .await?;
    bench
        .send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    let state = bench.expect_end(&id, &["cancelled"], None).await?;
    ensure!(
        state["cancellation_reason"] == "a test",
        "the reason was lost"
    );
    let again = bench
        .send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    ensure!(
        again.is_true("/already"),
        "a second cancel is not said to be one"
    );
    Ok("cancelled, nothing charged; again changes nothing".to_owned())
}

async fn cancel_after_payment(bench: &TestRun) -> Result<String> {
    // It waits before it ships, so that there is time to change one's mind.
    let id = bench.start_order("paid", Some("lifecycle"), true).await?;
    bench
        .wait_until(&id, "paid", |state| {
            state["payment_info"]["status"] == "captured"
        })
        .await?;
    bench
        .send_signal(&id, "cancel", json!({"reason": "a test"}))
        .await?;
    bench
        .expect_end(&id, &["cancelled"], Some("refunded"))
        .await?;
    Ok("cancelled and refunded".to_owned())
}

async fn address(bench: &TestRun) -> Result<String> {
    let id = bench
        .start_order("address", Some("checkout"), false)
        .await?;
    bench
        .wait_until(&id, "waiting for its payment", |state| {
            state["step"] == "pay"
        })
        .await?;
    bench
        .send_signal(&id, "update-address", json!({"street": "2 Side St"}))
        .await?;
    let paid = |amount: f64| json!({"transaction_id": format!("tx-{id}"), "amount": amount, "payment_method": "card"});
    bench
        .expect_refusal(&id, "confirm-payment", paid(1.0), "payment_mismatch")
        .await?;
    bench
        .send_signal(&id, "confirm-payment", paid(99.99))
        .await?;
    let state = bench.expect_end(&id, FULFILLED, Some("captured")).await?;
    let to = &state["shipping_address"];
    ensure!(
        to["street"] == "2 Side St" && to["city"] == "Anytown",
        "it went to {to}"
    );
    Ok("sent to the new address; a wrong amount is refused".to_owned())
}

async fn duplicate_starts(bench: &TestRun) -> Result<String> {
    let id = bench.start_order("twice", None, true).await?;
    let path = format!("orders/{id}/start");
    let mut body = sample_order(&bench.run);
    body["payment_id"] = json!(format!("pmt-{id}"));
    let again = bench.call_api(Method::POST, &path, Some(&body)).await??;
    ensure!(
        again.is_true("/already_started"),
        "the same start is not said to be one"
    );
    body["items"][0]["quantity"] = json!(2);
    match bench.call_api(Method::POST, &path, Some(&body)).await? {
        Err(problem) if problem.status == 409 => {}
        Err(problem) => bail!(
            "another order under the same id was refused with {}, not 409",
            problem.status
        ),
        Ok(_) => bail!("another order was started under the same id"),
    }
    bench.wait_for_end(&id).await?;
    Ok("one order; another one under its id is refused".to_owned())
}

async fn duplicate_keys(bench: &TestRun) -> Result<String> {
    let key = bench.order_id("key");
    let create = async |body: &Value| {
        bench
            .api
            .try_call(Method::POST, "orders", Some(body.to_string()), Some(&key))
            .await
    };
    let mut body = sample_order(&bench.run);
    body["payment"] = json!({"payment_id": format!("pmt-{key}")});
    let (first, second) = (create(&body).await??, create(&body).await??);
    let id = first.text_at("/order_id");
    ensure!(id == second.text_at("/order_id"), "one key made two orders");
    body["items"][0]["quantity"] = json!(2);
    match create(&body).await? {
        Err(problem) if problem.status == 422 => {}
        Err(problem) => bail!(
            "another body under the same key was refused with {}, not 422",
            problem.status
        ),
        Ok(_) => bail!("another body was taken under the same key"),
    }
    bench.wait_for_end(id).await?;
    Ok("one order; another body under its key is refused".to_owned())
}

async fn duplicate_payment(bench: &TestRun) -> Result<String> {
    let mut ids = Vec::new();
    for name in ["payer", "second"] {
        let mut body = sample_order(&bench.run);
        body["payment_id"] = json!(bench.order_id("pmt"));
        let id = bench.order_id(name);
        bench
            .call_api(Method::POST, &format!("orders/{id}/start"), Some(&body))
            .await??;
        let state = bench.wait_for_end(&id).await?;
        ids.push((id, state));
    }
    let [(_, first), (id, second)] = ids.as_slice() else {
        bail!("two were started")
    };
    ensure!(
        first["payment_info"]["status"] == "captured",
        "the first order was not charged"
    );
    let code = &second["failure"]["code"];
    ensure!(
        second["status"] == "failed" && code == "payment_id_in_use",
        "{id} ended {} ({code})",
        second["status"]
    );
    Ok("the second order failed, nothing charged".to_owned())
}

async fn bad_input(bench: &TestRun) -> Result<String> {
    let whole = || sample_order(&bench.run);
    let with = |pointer: &str, value: Value| {
        let mut body = whole();
        if let Some(place) = body.pointer_mut(pointer) {
            *place = value;
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
        match bench.api.try_call(method.clone(), path, body, None).await? {
            Err(problem) if problem.status == status && problem.code == code => {}
            Err(problem) => {
                bail!(
                    "{method} /{path} {sent}: {} {}, not {status} {code}",
                    problem.status,
                    problem.code
                )
            }
            Ok(_) => bail!("{method} /{path} {sent}: accepted, not {status} {code}"),
        }
    }
    Ok(format!(
        "{count} bad requests, each refused as it should be"
    ))
}
