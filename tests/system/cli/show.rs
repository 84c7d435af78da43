//! `show`: what the order has, and nothing else.

use std::io::Write;

use serde_json::json;

use crate::harness::Harness;

impl Harness {
    async fn show(&self, id: &str) -> String {
        Self::expect_stdout(self.run_orderflow(&["show", id]).await)
    }
}

/// Returns the value of the line with this name, or an empty text.
fn value_of<'a>(shown: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| {
        line.strip_prefix(name)
            .filter(|rest| rest.starts_with("  "))
    };
    shown
        .lines()
        .find_map(value)
        .map(str::trim_start)
        .unwrap_or_default()
}

#[tokio::test]
async fn show_prints_what_the_order_has() {
    let harness = Harness::start().await;
    let mut order = crate::api::sample_order();
    order["billing_address"] =
        json!({"name": "Ada Ltd", "street": "1 Side St", "city": "Berlin", "country": "DE"});
    order["external_reference"] = json!("ERP-4711");
    order["note"] = json!("ring twice");
    order["gift_message"] = json!("Happy birthday");
    order["metadata"] = json!({"channel": "web", "urgent": true});
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{order}").unwrap();
    let path = file.path().to_str().unwrap();
    let start = ["start-order", "shown", "--file", path];
    let start = [&start[..], &["--profile", "checkout", "--json"]].concat();
    harness.run_json(&start).await;
    harness.wait_for_reason("shown", "payment").await;
    let shown = harness.show("shown").await;
    for (name, value) in [
        ("total", "99.99 USD"),
        ("billing address", "Ada Ltd, 1 Side St, Berlin, DE"),
        ("reference", "ERP-4711"),
        ("note", "ring twice"),
        ("gift message", "Happy birthday"),
        ("metadata", "channel=web, urgent=true"),
        ("captured", ""),
        ("held", ""),
        ("refund", ""),
        ("delivered", ""),
    ] {
        assert_eq!(value_of(&shown, name), value, "{name}: {shown}");
    }
    assert!(
        value_of(&shown, "waiting for").starts_with("payment until "),
        "{shown}"
    );
    assert!(
        !value_of(&shown, "estimated delivery").is_empty(),
        "{shown}"
    );

    let hold = ["hold", "shown", "--reason", "a question", "--json"];
    harness.run_json(&hold).await;
    let shown = harness.show("shown").await;
    assert!(
        value_of(&shown, "held").ends_with(", a question"),
        "{shown}"
    );
    assert!(value_of(&shown, "allowed").contains("release"), "{shown}");
    harness.run_json(&["release", "shown", "--json"]).await;
    let pay = ["confirm-payment", "shown", "--transaction-id", "tx-shown"];
    let pay = [&pay[..], &["--amount", "99.99", "--json"]].concat();
    harness.run_json(&pay).await;
    harness.wait_for_end("shown").await;

    let refund = [
        "refund",
        "shown",
        "--amount",
        "5.00",
        "--reason",
        "a scratch",
        "--public-reason",
        "as we agreed",
    ];
    Harness::expect_stdout(harness.run_orderflow(&refund).await);
    let refunds = harness.get("/orders/shown/refunds").await.body;
    assert_eq!(refunds["refunds"][0]["public_reason"], "as we agreed");
    let request = ["return", "shown", "request", "--item", "ABC123=1"];
    Harness::expect_stdout(harness.run_orderflow(&request).await);
    let read = async || harness.show("shown").await;
    let shown = harness
        .wait_until("the refund", read, |shown| {
            value_of(shown, "refund").ends_with(" 5.00 USD refunded, a scratch")
                && value_of(shown, "refunded") == "5.00 USD"
        })
        .await;
    assert!(value_of(&shown, "refund").starts_with("RF-"), "{shown}");
    let requested = value_of(&shown, "return");
    assert!(
        requested.starts_with("RT-") && requested.ends_with(" requested, ABC123 0/1"),
        "{shown}"
    );
    for (name, value) in [
        ("captured", "99.99 USD"),
        ("due", ""),
        ("waiting for", ""),
        ("held", ""),
        ("estimated delivery", ""),
    ] {
        assert_eq!(value_of(&shown, name), value, "{name}: {shown}");
    }
    assert!(value_of(&shown, "delivered").ends_with('Z'), "{shown}");
    let read = async || harness.audit_event_types("shown").await;
    harness
        .wait_until("the events of refund and return", read, |events| {
            ["refund_completed", "return_requested"]
                .iter()
                .all(|kind| events.iter().any(|event| event == kind))
        })
        .await;
    harness.assert_invariants().await;
}
