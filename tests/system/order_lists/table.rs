//! Lists of orders as CSV.

use reqwest::Method;

use super::{insert_orders, plans};
use crate::harness::Harness;

async fn read_table(harness: &Harness, path: &str, accept: &str) -> (Vec<String>, String) {
    let response = harness
        .send(Method::GET, path, &[("accept", accept)], None)
        .await;
    assert_eq!(response.status, 200, "{:?}", response.body);
    assert_eq!(
        response.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(
        response.header("content-disposition"),
        "attachment; filename=\"orders.csv\""
    );
    assert!(response.header("vary").ends_with("Accept"));
    let link = response.header("link").to_owned();
    let text = response.body.as_str().unwrap();
    (
        text.split_terminator("\r\n").map(str::to_owned).collect(),
        link,
    )
}

#[tokio::test]
async fn table_has_a_row_for_each_order() {
    let harness = Harness::start().await;
    insert_orders(&harness).await;
    let name =
        "update orders set customer_json = jsonb_build_object('name', $1::text) where id = 'C-3'";
    let formula = "=HYPERLINK(\"https://evil.example\", \"Ada\")";
    sqlx::query(name)
        .bind(formula)
        .execute(&harness.pool)
        .await
        .unwrap();
    let (rows, link) = read_table(&harness, "/orders?sort=created_at", "text/csv").await;
    assert_eq!((rows.len(), link.as_str()), (7, ""));
    assert!(
        rows[0].starts_with("order_id,status,step,is_running,created_at,"),
        "{}",
        rows[0]
    );
    assert!(
        rows[1].starts_with("A-1,delivered,done,false,2026-01-01T00:01:00.000000Z,"),
        "{}",
        rows[1]
    );
    assert!(
        rows[1].contains(",USD,10.00,10.00,3.00,0.00,"),
        "{}",
        rows[1]
    );
    assert!(rows[1].ends_with(",Erp No A-1"), "{}", rows[1]);
    assert!(
        rows[3].contains(",\"'=HYPERLINK(\"\"https://evil.example\"\", \"\"Ada\"\")\","),
        "{}",
        rows[3]
    );
    let (rows, _) = read_table(
        &harness,
        "/orders?status=cancelled,failed",
        "text/csv, */*;q=0.1",
    )
    .await;
    assert_eq!(rows.len(), 3);
    let json = harness.send(
        Method::GET,
        "/orders",
        &[("accept", "text/csv;q=0.5, application/json")],
        None,
    );
    assert_eq!(json.await.header("content-type"), "application/json");
}

#[tokio::test]
async fn long_table_has_pages() {
    let harness = Harness::start().await;
    plans::insert_many_orders(&harness.pool, 2_500).await;
    let (rows, link) = read_table(&harness, "/orders", "text/csv").await;
    assert_eq!(rows.len(), 1_001);
    assert!(link.contains("cursor="), "{link}");
    let (rows, link) = read_table(&harness, "/orders?limit=5000", "text/csv").await;
    assert_eq!((rows.len(), link.as_str()), (2_501, ""));
    let most = harness.send(
        Method::GET,
        "/orders?limit=5001",
        &[("accept", "text/csv")],
        None,
    );
    most.await.expect_problem(422, "invalid_query");
}
