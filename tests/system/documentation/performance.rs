//! The SQL query of `docs/performance.md` runs and returns durations.

use super::read_file;
use crate::{api::order_with_payment, harness::Harness};
use store::adhoc_query;

#[tokio::test]
async fn performance_page_query_returns_charge_durations() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_with_payment("pmt-measured"))
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    // The page states this number of rows for a successful order.
    assert_eq!(harness.audit_event_types(&id).await.len(), 7);
    let page = read_file("docs/performance.md");
    assert!(page.contains("seven rows of a happy order"));
    let query = page
        .split("```sql\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let response = adhoc_query::run_query(&harness.pool, query.trim(), 10)
        .await
        .unwrap();
    // The array {median, 95th percentile}, in seconds.
    let seconds = response.rows[0][0]
        .clone()
        .unwrap_or_else(|| panic!("{response:?}"));
    let seconds: Vec<f64> = seconds
        .trim_matches(['{', '}'])
        .split(',')
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(
        matches!(seconds[..], [median, most] if median > 0.0 && median <= most),
        "{seconds:?}"
    );
}
