//! `stats`.

use serde_json::json;

use crate::harness::Harness;

/// Returns whether a line of the text has exactly these words.
fn has_line(text: &str, words: &[&str]) -> bool {
    text.lines()
        .any(|line| line.split_whitespace().eq(words.iter().copied()))
}

#[tokio::test]
async fn stats_count_orders_and_waiting_work() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "stats-1", "pmt-stats-1", "--json"])
        .await;
    harness.wait_for_end("stats-1").await;
    let set = ["stock", "set", "SAMPLE-1", "1"];
    Harness::expect_stdout(harness.run_orderflow(&set).await);
    harness
        .run_json(&["start-order", "stats-2", "--profile", "checkout", "--json"])
        .await;
    harness.wait_for_reason("stats-2", "payment").await;
    harness.run_json(&["hold", "stats-2", "--json"]).await;
    // The held order has the last unit.
    harness
        .run_json(&["start-order", "stats-3", "pmt-stats-3", "--json"])
        .await;
    harness.wait_for_end("stats-3").await;
    let due = "insert into payments (payment_id, status, amount, currency, provider, captured, due, unmatched)
         values ('pmt-due', 'refund_due', 1000, 'JPY', 'stripe', 1000, 400, 600)";
    sqlx::query(due).execute(&harness.pool).await.unwrap();
    let read = async || harness.run_json(&["stats", "--json"]).await;
    let stats = harness
        .wait_until("the held order", read, |stats| stats["held"] == 1)
        .await;
    assert_eq!(
        stats["failures"],
        json!([{"code": "out_of_stock", "orders": 1}])
    );
    let text = Harness::expect_stdout(harness.run_orderflow(&["stats"]).await);
    assert!(text.starts_with("3 orders were created from "), "{text}");
    for words in [
        &["delivered", "1"][..],
        &["pending", "1"],
        &["out_of_stock", "1"],
        &["STEP", "ORDERS", "P50", "P95"],
        &["in", "review", "now", "0"],
        &["held", "now", "1"],
        &["stalled", "now", "0"],
        &["money", "due", "400", "JPY"],
        &["unmatched", "money", "600", "JPY"],
    ] {
        assert!(has_line(&text, words), "{words:?} is not in {text}");
    }
    let earlier = ["stats", "--from", "2020-01-01", "--to", "2020-01-02"];
    let text = Harness::expect_stdout(harness.run_orderflow(&earlier).await);
    assert!(
        text.starts_with("0 orders were created from 2020-01-01T00:00:00Z"),
        "{text}"
    );
    assert!(
        !text.contains("STATUS") && has_line(&text, &["held", "now", "1"]),
        "{text}"
    );
    let refused = harness.run_orderflow(&["stats", "--from", "soon"]).await;
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        (refused.status.code(), message.lines().count()),
        (Some(1), 1),
        "{message}"
    );
    assert!(message.contains("/from must be"), "{message}");
}
