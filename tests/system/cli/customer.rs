//! The export and the erasure of personal data.

use serde_json::{Value, json};
use sqlx::Row;

use crate::{
    api::order_with_payment,
    carriers::{SECRET, send_report},
    harness::Harness,
};

/// Personal data in the orders of the test.
const PERSONAL: [&str; 11] = [
    "C-PRIVATE",
    "Jane Private",
    "jane@private.example",
    "1 Private St",
    "2 Private St",
    "3 Private St",
    "private note",
    "private gift",
    "private reason",
    "private neighbour",
    "private garage",
];

fn order(payment_id: &str) -> Value {
    let mut order = order_with_payment(payment_id);
    let private = json!({
        "customer": {"id": "C-PRIVATE", "name": "Jane Private", "email": "Jane@private.example"},
        "shipping_address": {"street": "1 Private St", "city": "Anytown", "country": "DE"},
        "billing_address": {"street": "2 Private St"},
        "note": "private note", "gift_message": "private gift", "metadata": {"hobby": "private note"},
        "external_reference": "ERP-1", "shipping_amount": 4.9,
    });
    order
        .as_object_mut()
        .unwrap()
        .extend(private.as_object().unwrap().clone());
    order
}

/// Returns all rows of each table as one text in lower case.
async fn dump(harness: &Harness) -> Vec<(String, String)> {
    let tables = sqlx::query(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables
         where table_schema in ('public', 'simulator') and table_type = 'BASE TABLE'",
    )
    .fetch_all(&harness.pool)
    .await
    .unwrap();
    let mut dumped = Vec::new();
    for table in tables {
        let table = table.get::<String, _>(0);
        let query = format!(
            "select coalesce(string_agg(lower(to_jsonb(t)::text), E'\n'), '') from {table} as t"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_one(&harness.pool)
            .await
            .unwrap();
        dumped.push((table, rows.get::<String, _>(0)));
    }
    dumped
}

/// Reports the delivery of the order as its carrier.
async fn report_delivery(harness: &Harness, id: &str) {
    harness.wait_for_status(id, "shipped").await;
    for kind in ["in_transit", "delivered"] {
        let body = json!({
            "type": format!("shipment.{kind}"), "timestamp": chrono::Utc::now(),
            "data": {
                "shipment_id": format!("{id}-PKG-001"),
                "description": "left with the private neighbour", "location": "private garage",
            },
        });
        let message = format!("{id}-{kind}");
        assert_eq!(send_report(harness, &message, &body).await, 200);
    }
}

/// Refunds a part of the order's money, and waits for the refund.
async fn refund(harness: &Harness, id: &str, body: Value) {
    let refunds = format!("/orders/{id}/refunds");
    let requested = harness.post(&refunds, body).await.expect_status(202);
    let path = format!("{refunds}/{}", requested["refund_id"].as_str().unwrap());
    let read = async || harness.get(&path).await.body;
    let is_refunded = |refund: &Value| refund["state"] == "refunded";
    harness.wait_until("the refund", read, is_refunded).await;
}

#[tokio::test]
async fn erased_customer_is_in_no_table() {
    let settings = [
        ("REVIEW", "approval"),
        ("REVIEW_THRESHOLD", "100"),
        ("DELIVERY", "confirm"),
        ("WEBHOOK_SECRETS_CARRIER", SECRET),
    ];
    let harness = Harness::start_with(&settings).await;
    for id in ["private-1", "private-2", "private-3"] {
        let mut order = order(&format!("pmt-{id}"));
        order["items"][0]["metadata"] = json!({"engraving": "private note"});
        if id == "private-1" {
            order["items"][0]["unit_price"] = json!(50);
        }
        harness
            .post(&format!("/orders/{id}/start"), order)
            .await
            .expect_status(202);
    }
    report_delivery(&harness, "private-1").await;
    assert_eq!(
        harness.wait_for_end("private-1").await.status.as_str(),
        "delivered"
    );
    let part =
        json!({"amount": "5.00", "reason": "private reason", "public_reason": "private reason"});
    refund(&harness, "private-1", part).await;
    let item = json!({"sku": "ABC123", "quantity": 1, "reason": "private reason"});
    let requested = harness
        .post("/orders/private-1/returns", json!({"items": [item]}))
        .await
        .expect_status(201);
    let path = requested["return_id"].as_str().unwrap();
    harness
        .post(
            &format!("/orders/private-1/returns/{path}/reject"),
            json!({"reason": "private reason", "public_reason": "private reason"}),
        )
        .await
        .expect_status(200);
    for id in ["private-2", "private-3"] {
        harness.wait_for_step(id, "manual_review").await;
    }
    for (request, body) in [
        (
            "signals/hold",
            json!({"reason": "private reason", "public_reason": "private reason"}),
        ),
        ("signals/update-address", json!({"street": "3 Private St"})),
        ("cancel", json!({"reason": "private reason"})),
    ] {
        harness
            .post(&format!("/orders/private-2/{request}"), body)
            .await
            .expect_status(200);
    }
    harness.wait_for_end("private-2").await;

    let exported = harness
        .run_json(&["customer", "export", "jane@PRIVATE.example"])
        .await;
    let orders = exported["orders"].as_array().unwrap();
    assert_eq!(orders.len(), 3);
    assert!(
        orders[0]["audit_log"].as_array().unwrap().len() > 5
            && orders[0]["payments"].as_array().unwrap().len() == 1
            && orders[0]["returns"].as_array().unwrap().len() == 1
            && orders[0]["mails"].as_array().unwrap().len() == 5,
        "{exported}"
    );
    for text in ["left with the private neighbour", "private garage"] {
        assert!(orders[0].to_string().contains(text), "{text}: {exported}");
    }
    assert_eq!(orders[0]["order"]["details_json"]["note"], "private note");

    let planned = harness
        .run_json(&["customer", "erase", "C-PRIVATE", "--dry-run", "--json"])
        .await;
    assert_eq!(
        (&planned["erased"], &planned["open"]),
        (&json!(["private-1", "private-2"]), &json!(["private-3"]))
    );
    let before = harness.get("/orders/private-1").await.expect_status(200);
    assert_eq!(before["note"], "private note");
    let unconfirmed = harness
        .run_orderflow(&["customer", "erase", "C-PRIVATE"])
        .await;
    assert_eq!(unconfirmed.status.code(), Some(1), "{unconfirmed:?}");
    let erased = harness
        .run_json(&["customer", "erase", "C-PRIVATE", "--yes", "--json"])
        .await;
    assert_eq!(erased["erased"], planned["erased"]);
    let after = harness.get("/orders/private-1").await.expect_status(200);
    assert_eq!(after["customer"]["name"], "[erased]");
    assert_eq!(
        after["shipping_address"],
        json!({"name": "[erased]", "street": "[erased]", "city": null, "state": null, "postal_code": null, "country": "DE"})
    );
    for kept in [
        "total_amount",
        "payment_info",
        "external_reference",
        "seq",
        "status",
    ] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    let item = |order: &Value| order["items"][0].as_object().unwrap().clone();
    let mut kept = item(&before);
    assert!(kept.remove("metadata").is_some(), "{kept:?}");
    assert_eq!(item(&after), kept);
    // The open order keeps its data.
    let open = harness.get("/orders/private-3").await.expect_status(200);
    assert_eq!(open["note"], "private note");
    harness
        .post("/orders/private-3/cancel", json!({}))
        .await
        .expect_status(200);
    harness.wait_for_end("private-3").await;
    let again = harness
        .run_json(&[
            "customer",
            "erase",
            "jane@private.example",
            "--yes",
            "--json",
        ])
        .await;
    assert_eq!(
        (&again["erased"], &again["open"]),
        (&json!(["private-3"]), &json!([]))
    );
    for (table, rows) in dump(&harness).await {
        for personal in PERSONAL {
            assert!(
                !rows.contains(&personal.to_lowercase()),
                "{personal} is in {table}: {rows}"
            );
        }
    }
    let unknown = harness
        .run_orderflow(&["customer", "erase", "C-PRIVATE", "--yes"])
        .await;
    assert_eq!(unknown.status.code(), Some(1));
    harness.assert_invariants().await;
}
