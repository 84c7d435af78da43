//! With `FLAKY`, two of three external calls fail or hang, and every order still ends correctly.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use serde_json::json;

use crate::{api::order_with_payment, harness::Harness};
use store::orders::{ListFilter, ListedOrder, Matches};

const ORDERS: usize = 100;

#[tokio::test]
async fn orders_complete_when_most_calls_fail_or_hang() {
    let harness = Harness::start_with(&[("FLAKY", "fail:0.33,hang:0.33,hang_for:300s")]).await;
    let ids: Vec<_> = (0..ORDERS)
        .map(|number| format!("flaky-{number}"))
        .collect();
    join_all(ids.iter().map(async |id| {
        let path = format!("/orders/{id}/start");
        harness
            .post(&path, order_with_payment(&format!("pmt-{id}")))
            .await
            .expect_status(202);
    }))
    .await;
    // Some orders are cancelled in any state: accepted, too late, or not decided yet.
    join_all(ids.iter().step_by(7).map(async |id| {
        let response = harness
            .post(&format!("/orders/{id}/cancel"), json!({}))
            .await;
        assert!(
            [200, 202, 409].contains(&response.status.as_u16()),
            "{response:?}"
        );
    }))
    .await;
    // Most of the time is waiting: a hanging call times out after seconds and is retried later.
    let filter = ListFilter {
        limit: 200,
        ..ListFilter::default()
    };
    let running = async || {
        let listed = store::orders::list(&harness.pool, &filter, &Matches::default()).await;
        let orders = listed.unwrap();
        let is_running = |listed: &&ListedOrder| listed.order.is_running;
        orders.iter().filter(is_running).count() + ORDERS - orders.len()
    };
    harness
        .wait_until_within(
            Duration::from_secs(1_200),
            "the end of all orders",
            running,
            |running| *running == 0,
        )
        .await;
    let mut ends = BTreeMap::new();
    for id in &ids {
        let (view, books) = (
            harness.wait_for_end(id).await,
            harness.provider_movements(id).await,
        );
        let captures = books.iter().filter(|kind| *kind == "capture").count();
        *ends.entry(view.status).or_insert(0) += 1;
        match view.status.as_str() {
            "delivered" => assert_eq!((captures, books.len()), (1, 1), "{id}: {books:?}"),
            // Compensated: captured payments are refunded, and an uncaptured payment can no longer
            // be captured.
            "cancelled" | "failed" => {
                assert_eq!(
                    captures,
                    books.iter().filter(|kind| *kind == "refund").count(),
                    "{id}"
                )
            }
            other => panic!("{id} ended {other}"),
        }
    }
    println!("{ends:?}");
    harness.assert_invariants().await;
}
