//! Reading orders: from where, what has changed since, and page by page.

mod estimates;
mod lists;
mod sources;
mod state;
mod tags;
mod waits;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{Reply, paid_order},
    world::World,
};

/// An order that waits for its payment, with all of that in its row: nothing moves until somebody asks.
async fn resting(world: &World) -> String {
    let mut order = paid_order();
    order["profile"] = json!("checkout");
    let id = world.post("/orders", order).await.started();
    let trail = async || world.trail(&id).await;
    let waits = |trail: &Vec<String>| trail.contains(&"payment_requested".to_owned());
    world
        .eventually("the wait for payment in the trail", trail, waits)
        .await;
    id
}

async fn cancel(world: &World, id: &str) {
    world
        .post(
            &format!("/orders/{id}/cancel"),
            json!({"reason": "changed my mind"}),
        )
        .await
        .is(200);
    world.ended(id).await;
}

/// Every path that reads one order.
fn paths(id: &str) -> [String; 5] {
    ["", "/status", "/estimated-delivery", "/result", "/events"]
        .map(|rest| format!("/orders/{id}{rest}"))
}

async fn get_with(world: &World, path: &str, headers: &[(&str, &str)]) -> Reply {
    world.send(Method::GET, path, headers, None).await
}

/// A state without what differs by when and where it was read.
fn timeless(mut state: Value) -> Value {
    for field in ["source", "estimated_delivery"] {
        state.as_object_mut().unwrap().remove(field);
    }
    state
}
