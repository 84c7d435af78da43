//! The menu of signals, with the input of a script.

use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;

use super::assert_matches_snapshot;
use crate::harness::Harness;

impl Harness {
    /// Runs the program with these lines as its input.
    async fn typed(&self, arguments: &[&str], lines: &str) -> Output {
        let mut command = self.command();
        let program = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = program.spawn().unwrap();
        program
            .stdin
            .take()
            .unwrap()
            .write_all(lines.as_bytes())
            .await
            .unwrap();
        program.wait_with_output().await.unwrap()
    }
}

#[tokio::test]
async fn signals_are_picked_from_a_menu() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "menu-1", "--profile", "checkout", "--json"])
        .await;
    let look = async || harness.get("/orders/menu-1").await.body;
    harness
        .wait_until("waiting for its payment", look, |order| {
            order["step"] == "pay"
        })
        .await;
    // The menu asks for an order id or workflow id, and continues after rejected signals and typing
    // errors.
    let lines = "order-menu-1\n2\n2 Side St\nAnytown\n\n\n\n3\n12\n6\ntx-menu\n1.00\n\n8\n1\nchanged my mind\n0\n";
    let typed = harness.typed(&["signals"], lines).await;
    let (message, refused) = (
        Harness::expect_stdout(typed.clone()),
        String::from_utf8_lossy(&typed.stderr).into_owned(),
    );
    assert_matches_snapshot("signals_menu", &message);
    assert_eq!(refused.lines().count(), 2, "{refused}");
    assert!(refused.contains("payment_mismatch"), "{refused}");
    let order = harness.wait_for_end("menu-1").await;
    assert_eq!(
        order.cancellation_reason.as_deref(),
        Some("changed my mind")
    );
    assert_eq!(order.shipping_address.unwrap().street.as_str(), "2 Side St");
    // The end of the input ends the menu.
    Harness::expect_stdout(harness.typed(&["signals", "menu-1"], "8\n").await);
    let unknown = harness.typed(&["signals", "menu-2"], "0\n").await;
    assert_eq!(unknown.status.code(), Some(1));
    let no_input = harness.typed(&["signals"], "").await;
    assert_eq!(no_input.status.code(), Some(1));
}

#[tokio::test]
async fn menu_changes_holds_and_releases_an_order() {
    let harness = Harness::start().await;
    harness
        .run_json(&["start-order", "menu-3", "--profile", "checkout", "--json"])
        .await;
    harness.wait_for_reason("menu-3", "payment").await;
    // A line that is not an item is asked for again; the menu goes on without items too.
    let lines = "11\nSAMPLE-1\nSAMPLE-1=3\n\n11\n\n9\nthe customer asked to wait\n\n0\n";
    let typed = harness.typed(&["signals", "menu-3"], lines).await;
    let refused = String::from_utf8_lossy(&typed.stderr).into_owned();
    let text = Harness::expect_stdout(typed);
    assert_eq!(refused.lines().count(), 1, "{refused}");
    assert!(
        refused.contains("/items must have at least one item"),
        "{refused}"
    );
    for part in [
        "a change must be a SKU and its new quantity",
        "menu-3: Items updated.",
        "menu-3: Order held.",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let order = harness.get("/orders/menu-3").await.expect_status(200);
    assert_eq!(order["items"][0]["quantity"], 3, "{order}");
    assert_eq!(order["hold"]["reason"], "the customer asked to wait");
    let lines = "10\n\nThank you for waiting.\n1\n\n0\n";
    let text = Harness::expect_stdout(harness.typed(&["signals", "menu-3"], lines).await);
    assert!(text.contains("menu-3: Order released."), "{text}");
    harness.wait_for_end("menu-3").await;
    let events = harness.audit_event_types("menu-3").await;
    for kind in ["items_updated", "order_held", "order_released"] {
        assert!(events.iter().any(|event| event == kind), "{events:?}");
    }
}
