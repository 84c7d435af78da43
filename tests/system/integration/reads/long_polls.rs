//! `Prefer: wait=N`: a long poll for a change, and for the end of the order.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{cancel_order, create_waiting_order, get_with_headers};
use crate::{api::sample_order, harness::Harness};

#[tokio::test]
async fn change_ends_long_poll() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let tag = harness
        .get(&format!("/orders/{id}"))
        .await
        .header("etag")
        .to_owned();
    let headers = [
        ("if-none-match", tag.as_str()),
        ("prefer", "respond-async, wait=20"),
    ];
    let changed = async |path: String| {
        let news = async || get_with_headers(&harness, &path, &headers).await;
        // On a slow machine a cancel can take longer than one long poll, so the client repeats it.
        harness
            .wait_until("a change", news, |response| response.status != 304)
            .await
    };
    let [order, events, row] =
        ["", "/events", "?source=database"].map(|rest| format!("/orders/{id}{rest}"));
    let (order, events, row, ()) = futures::join!(
        changed(order),
        changed(events),
        changed(row),
        cancel_order(&harness, &id)
    );
    for response in [&order, &events, &row] {
        assert_eq!(
            (
                response.status.as_u16(),
                response.header("preference-applied")
            ),
            (200, "wait=20")
        );
        assert_ne!(response.header("etag"), tag);
    }
    assert_eq!(
        (&order.body["status"], &row.body["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert!(
        events.body.to_string().contains("cancel"),
        "{:?}",
        events.body
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn long_poll_without_change_returns_304() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let tag = harness
        .get(&format!("/orders/{id}"))
        .await
        .header("etag")
        .to_owned();
    for rest in ["", "/status", "/estimated-delivery", "/events"] {
        let began = Instant::now();
        let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=1")];
        let response = get_with_headers(&harness, &format!("/orders/{id}{rest}"), &headers).await;
        assert_eq!(
            (
                response.status.as_u16(),
                response.header("preference-applied")
            ),
            (304, "wait=1"),
            "{rest}"
        );
        assert!(began.elapsed() >= Duration::from_secs(1), "{rest}");
    }
    // A request without a tag returns immediately and without `Preference-Applied`.
    let response =
        get_with_headers(&harness, &format!("/orders/{id}"), &[("prefer", "wait=20")]).await;
    assert_eq!(
        (
            response.status.as_u16(),
            response.header("preference-applied")
        ),
        (200, "")
    );
    // An outdated tag returns immediately.
    let headers = [("if-none-match", "W/\"1\""), ("prefer", "wait=20")];
    let response = get_with_headers(&harness, &format!("/orders/{id}"), &headers).await;
    assert_eq!(
        (
            response.status.as_u16(),
            response.header("preference-applied")
        ),
        (200, "wait=20")
    );
    // An unreadable preference is ignored.
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=soon")];
    let response = get_with_headers(&harness, &format!("/orders/{id}"), &headers).await;
    assert_eq!(
        (
            response.status.as_u16(),
            response.header("preference-applied")
        ),
        (304, "")
    );
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn disconnected_client_ends_its_long_poll() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let tag = harness
        .get(&format!("/orders/{id}"))
        .await
        .header("etag")
        .to_owned();
    let url = format!("{}/orders/{id}", harness.url);
    let wait = harness
        .http
        .get(url)
        .header("if-none-match", &tag)
        .header("prefer", "wait=2");
    assert!(
        wait.timeout(Duration::from_millis(500))
            .send()
            .await
            .unwrap_err()
            .is_timeout()
    );
    // This request starts later and takes longer. By its end, the other one would have been
    // answered and logged.
    let headers = [("if-none-match", tag.as_str()), ("prefer", "wait=3")];
    assert_eq!(
        get_with_headers(&harness, &format!("/orders/{id}"), &headers)
            .await
            .status,
        304
    );
    let answered = async || {
        harness
            .read_log("api")
            .matches("GET /orders/{id} 304")
            .count()
    };
    harness
        .wait_until("the log line of the second request", answered, |count| {
            *count > 0
        })
        .await;
    assert_eq!(answered().await, 1);
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn long_poll_waits_for_unreceived_order() {
    let harness = Harness::start().await;
    harness.worker.kill().await;
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let id = harness.post("/orders", order).await.expect_started();
    let received = async |path: String| {
        let headers = [("if-none-match", "W/\"0\""), ("prefer", "wait=20")];
        let news = async || get_with_headers(&harness, &path, &headers).await;
        harness
            .wait_until("the received order", news, |response| {
                response.status != 304
            })
            .await
            .expect_status(200)
    };
    let restart = async { harness.worker.restart().await.unwrap() };
    let [status, events] = ["status", "events"].map(|rest| format!("/orders/{id}/{rest}"));
    let (status, events, ()) = futures::join!(received(status), received(events), restart);
    assert_ne!(status["source"], "temporal");
    assert_eq!(events["events"][0]["type"], "order_received");
    cancel_order(&harness, &id).await;
}

#[tokio::test]
async fn result_is_available_after_order_end() {
    let harness = Harness::start().await;
    let id = create_waiting_order(&harness).await;
    let result = format!("/orders/{id}/result");
    let problem = harness
        .get(&result)
        .await
        .expect_problem(409, "order_running");
    assert_eq!(problem["order_status"], "pending");
    let began = Instant::now();
    let response = get_with_headers(&harness, &result, &[("prefer", "wait=1")]).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(response.header("preference-applied"), "wait=1");
    response.expect_problem(409, "order_running");
    let ended = async |path: String| {
        let result = async || get_with_headers(&harness, &path, &[("prefer", "wait=20")]).await;
        harness
            .wait_until("the result", result, |response| response.status != 409)
            .await
    };
    let (response, row, ()) = futures::join!(
        ended(result.clone()),
        ended(format!("{result}?source=database")),
        cancel_order(&harness, &id)
    );
    assert_eq!(
        (response.header("preference-applied"), row.status.as_u16()),
        ("wait=20", 200)
    );
    let tag = response.header("etag").to_owned();
    let outcome = response.expect_status(200);
    assert_eq!(
        (
            &outcome["status"],
            &outcome["cancellation_reason"],
            &outcome["failure"]
        ),
        (&json!("cancelled"), &json!("changed my mind"), &json!(null))
    );
    assert_eq!(
        get_with_headers(
            &harness,
            &result,
            &[("if-none-match", &tag), ("prefer", "wait=20")]
        )
        .await
        .status,
        304
    );
    harness.assert_invariants().await;
}

#[tokio::test]
async fn each_outcome_has_its_result() {
    let harness = Harness::start().await;
    let order = async |id: &str, change: serde_json::Value| {
        let mut order = sample_order();
        order["payment"] = json!({"payment_id": format!("pmt-{id}")});
        order
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_started();
        harness.wait_for_end(id).await;
        harness
            .get(&format!("/orders/{id}/result"))
            .await
            .expect_status(200)
    };
    store::simulator::add_fault(
        &harness.pool,
        "charge",
        "r-declined",
        store::simulator::Fault::Decline,
        1,
    )
    .await
    .unwrap();
    let delivered = order("r-delivered", json!({})).await;
    assert_eq!(
        (&delivered["status"], &delivered["total_amount"]),
        (&json!("delivered"), &json!(99.99))
    );
    assert_eq!(delivered["payment_info"]["status"], "captured");
    assert_eq!(
        delivered["shipment_info"]["tracking_number"],
        "FEDEX-r-delivered-PKG-001"
    );
    assert!(
        delivered["shipment_info"]["delivered_at"].is_string(),
        "{delivered}"
    );
    let declined = order("r-declined", json!({})).await;
    assert_eq!(
        (&declined["status"], &declined["failure"]["code"]),
        (&json!("failed"), &json!("payment_declined"))
    );
    assert_eq!(
        (
            &declined["shipment_info"],
            &declined["payment_info"]["status"]
        ),
        (&json!(null), &json!("declined"))
    );
    let rejected = order("r-rejected", json!({"profile": "approval"}));
    let reject = async {
        let path = "/orders/r-rejected/signals/reject";
        let decided = async || harness.post(path, json!({"reason": "too dear"})).await;
        harness
            .wait_until("the rejection", decided, |response| response.status == 200)
            .await;
    };
    let (rejected, ()) = futures::join!(rejected, reject);
    assert_eq!(
        (&rejected["status"], &rejected["cancellation_reason"]),
        (&json!("cancelled"), &json!("too dear"))
    );
    harness.assert_invariants().await;
}
