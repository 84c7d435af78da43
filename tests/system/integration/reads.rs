//! Reading orders: sources, conditional requests and pagination.

mod estimates;
mod etags;
mod lists;
mod long_polls;
mod sources;
mod state;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{ApiResponse, sample_order},
    harness::Harness,
};

/// Creates an order whose row shows that it waits for its payment. It does not change without a
/// request.
async fn create_waiting_order(harness: &Harness) -> String {
    let mut order = sample_order();
    order["profile"] = json!("checkout");
    let id = harness.post("/orders", order).await.expect_started();
    let trail = async || harness.audit_event_types(&id).await;
    let waits = |trail: &Vec<String>| trail.contains(&"payment_requested".to_owned());
    harness
        .wait_until("payment_requested in the audit log", trail, waits)
        .await;
    id
}

async fn cancel_order(harness: &Harness, id: &str) {
    harness
        .post(
            &format!("/orders/{id}/cancel"),
            json!({"reason": "changed my mind"}),
        )
        .await
        .expect_status(200);
    harness.wait_for_end(id).await;
}

/// Returns every path that reads one order.
fn read_paths(id: &str) -> [String; 5] {
    ["", "/status", "/estimated-delivery", "/result", "/events"]
        .map(|rest| format!("/orders/{id}{rest}"))
}

async fn get_with_headers(harness: &Harness, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
    harness.send(Method::GET, path, headers, None).await
}

/// Removes the fields that differ by source and time of the read.
fn without_volatile_fields(mut state: Value) -> Value {
    for field in ["source", "estimated_delivery"] {
        state.as_object_mut().unwrap().remove(field);
    }
    state
}
