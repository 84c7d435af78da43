//! Reading orders: from the workflow, from the database, page by page.

use crate::{api::paid_order, world::World};
use serde_json::json;

#[tokio::test]
async fn a_state_reads_the_same_from_the_workflow_and_from_the_database() {
    let world = World::start().await;
    let mut order = paid_order();
    order["profile"] = json!("checkout");
    let id = world.post("/orders", order).await.started();
    let trail = async || world.trail(&id).await;
    world
        .eventually("the wait for payment in the trail", trail, |trail| trail.contains(&"payment_requested".to_owned()))
        .await;
    let mut workflow = world.get(&format!("/orders/{id}")).await.is(200);
    let mut database = world.get(&format!("/orders/{id}?source=database")).await.is(200);
    assert_eq!((workflow["source"].take(), database["source"].take()), (json!("workflow"), json!("database")));
    assert_eq!(workflow, database);
    let status = world.get(&format!("/orders/{id}/status")).await.is(200);
    assert_eq!(
        (&status["status"], &status["step"], &status["is_running"]),
        (&json!("pending"), &json!("pay"), &json!(true))
    );
    // Nobody answers for the workflow: the row does.
    world.worker.kill().await;
    let status = world.get(&format!("/orders/{id}/status")).await.is(200);
    assert_eq!(status["source"], "database");
    world.worker.restart().await.unwrap();
    world.post(&format!("/orders/{id}/cancel"), json!({})).await.is(200);
    world.ended(&id).await;
}

#[tokio::test]
async fn an_order_without_a_row_yet_is_read_from_temporal() {
    let world = World::start().await;
    world.worker.kill().await;
    let id = world.post("/orders", paid_order()).await.started();
    let state = world.get(&format!("/orders/{id}/status")).await.is(200);
    assert_eq!(
        (&state["source"], &state["status"], &state["step"]),
        (&json!("temporal"), &json!("pending"), &json!("receive"))
    );
    assert_eq!(world.get(&format!("/orders/{id}/events")).await.is(200), json!({"events": []}));
    let approve = format!("/orders/{id}/signals/approve");
    world.post_once(&approve, &json!({}), &[]).await.problem(503, "worker_unavailable");
    world.worker.restart().await.unwrap();
    world.reaches(&id, "pending").await;
}

#[tokio::test]
async fn lists_come_in_pages_and_by_filter() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let mut order = paid_order();
        order["customer"]["id"] = json!(format!("CUST-{}", number % 2));
        order["profile"] = json!("checkout");
        ids.push(world.post("/orders", order).await.started());
    }
    let list = async |path: &str| {
        let reply = world.get(path).await;
        let link = reply.header("link").to_owned();
        let orders = reply.is(200)["orders"].as_array().unwrap().clone();
        (orders.iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), link)
    };
    // A row tells its customer once the order is validated.
    let rows =
        async || (list("/orders?customer_id=CUST-0").await.0.len(), list("/orders?customer_id=CUST-1").await.0.len());
    world.eventually("five rows", rows, |counts| *counts == (3, 2)).await;
    let (mut seen, mut path) = (Vec::new(), "/orders?limit=2".to_owned());
    loop {
        let (page, link) = list(&path).await;
        seen.extend(page);
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        path = next.to_owned();
    }
    let mut sorted = seen.clone();
    sorted.sort();
    ids.sort();
    assert_eq!(sorted, ids, "each once");
    assert_eq!(list("/orders?status=delivered").await.0.len(), 0);
    assert_eq!(list("/orders?created_before=2020-01-01T00:00:00Z").await.0.len(), 0);
    let reply = world.get(&format!("/orders/{}/events?limit=1", ids[0])).await;
    assert!(reply.header("link").contains("after=1"), "{:?}", reply.headers);
    for bad in ["limit=0", "limit=201", "limit=x", "status=lost", "created_after=yesterday", "cursor=!!"] {
        world.get(&format!("/orders?{bad}")).await.problem(422, "invalid_query");
    }
    world.get("/orders/nobody/events").await.problem(404, "order_not_found");
}

#[tokio::test]
async fn health_names_the_cause() {
    let world = World::start().await;
    assert_eq!(world.get("/health").await.is(200)["status"], "ok");
}
