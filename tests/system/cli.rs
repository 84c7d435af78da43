//! The command line, as a person or a script has it.

use crate::world::World;
use serde_json::Value;
use std::{
    io::Write,
    process::{Output, Stdio},
};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_orderflow-under-test");

impl World {
    /// Runs the program with this world's addresses.
    async fn orderflow(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .env("ORDERFLOW_URL", &self.url)
            .env("TEMPORAL_ADDRESS", &self.temporal_address)
            .env("ORDER_TASK_QUEUE", &self.orders_task_queue)
            .env("SHIPPING_TASK_QUEUE", &self.shipping_task_queue)
            .env("DATABASE_URL", &self.database_url)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    }

    /// What it prints when it works.
    #[track_caller]
    fn printed(output: Output) -> String {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&Self::printed(self.orderflow(arguments).await)).unwrap()
    }
}

#[tokio::test]
async fn an_order_from_the_command_line() {
    let world = World::start().await;
    let started = world.json(&["start-order", "cli-1", "pmt-cli-1", "--json"]).await;
    assert_eq!((&started["order_id"], &started["payment_id"]), (&"cli-1".into(), &"pmt-cli-1".into()));
    let watched = World::printed(world.orderflow(&["status", "cli-1", "--watch"]).await);
    assert!(watched.lines().last().unwrap().contains("delivered"), "{watched}");
    // Either id will do.
    let shown = World::printed(world.orderflow(&["show", "order-cli-1"]).await);
    for part in ["cli-1", "delivered", "9.99 USD", "FEDEX-cli-1-PKG-001"] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let events = World::printed(world.orderflow(&["events", "cli-1"]).await);
    assert_eq!(events.lines().count(), 7, "{events}");
    let late = world.orderflow(&["cancel", "cli-1"]).await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert_eq!((late.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("already_shipped"), "{said}");
}

#[tokio::test]
async fn signals_from_the_command_line() {
    let world = World::start().await;
    let start = async |id: &str, profile: &str| world.json(&["start-order", id, "--profile", profile, "--json"]).await;
    start("cli-2", "approval").await;
    World::printed(world.orderflow(&["approve", "cli-2"]).await);
    assert_eq!(world.ended("cli-2").await.status.as_str(), "shipped");
    start("cli-3", "approval").await;
    World::printed(world.orderflow(&["reject", "cli-3", "--reason", "fraud"]).await);
    assert_eq!(world.ended("cli-3").await.cancellation_reason.as_deref(), Some("fraud"));
    start("cli-4", "checkout").await;
    World::printed(world.orderflow(&["update-address", "cli-4", "--street", "1 A", "--city", "B"]).await);
    let paid = ["confirm-payment", "cli-4", "--transaction-id", "cli-tx", "--amount", "9.99", "--method", "card"];
    World::printed(world.orderflow(&paid).await);
    let view = world.ended("cli-4").await;
    assert_eq!((view.status.as_str(), view.shipping_address.unwrap().street.as_str()), ("delivered", "1 A"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{}", crate::api::paid_order()).unwrap();
    let path = file.path().to_str().unwrap();
    let started = world.json(&["start-order", "cli-5", "--file", path, "--profile", "checkout", "--json"]).await;
    assert_eq!(started["total_amount"], 99.99);
    World::printed(world.orderflow(&["cancel", "cli-5", "--reason", "changed my mind"]).await);
    assert_eq!(world.ended("cli-5").await.status.as_str(), "cancelled");
    // Temporal's search is a moment behind.
    let listed = async || World::printed(world.orderflow(&["list", "--limit", "200", "--status", "cancelled"]).await);
    world.eventually("the list", listed, |list| list.contains("cli-5") && list.contains("cli-3")).await;
}

#[tokio::test]
async fn check_names_what_is_wrong_and_usage_is_2() {
    let world = World::start().await;
    let fine = World::printed(world.orderflow(&["check"]).await);
    assert!(fine.lines().count() >= 7 && fine.lines().all(|line| line.starts_with("ok")), "{fine}");
    let broken = Command::new(PROGRAM)
        .arg("check")
        .env("ORDERFLOW_URL", &world.url)
        .env("TEMPORAL_ADDRESS", "127.0.0.1:9")
        .env("DATABASE_URL", "postgres://app:secret@127.0.0.1:9/app")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert_eq!(broken.status.code(), Some(1), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let bad = said.lines().filter(|line| !line.starts_with("ok")).count();
    assert!(bad >= 2, "{said}");
    let nowhere =
        Command::new(PROGRAM).args(["status", "x"]).env("ORDERFLOW_URL", "http://127.0.0.1:9").output().await.unwrap();
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert_eq!((nowhere.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("orderflow up"), "{said}");
    for usage in [&["fly"][..], &["approve"], &["status"], &["confirm-payment", "x"]] {
        assert_eq!(world.orderflow(usage).await.status.code(), Some(2), "{usage:?}");
    }
}

/// The README's first command. It must end well, and nothing of it may live on.
#[tokio::test]
async fn the_demo_shows_both_orders_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .arg("demo")
        .current_dir(folder.path())
        .env_remove("DATABASE_URL")
        .env_remove("ORDER_PROFILE")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let shown = World::printed(output);
    for part in
        ["order_delivered", "→ delivered, payment captured", "payment_refunded", "→ cancelled, payment refunded"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    for url in shown.lines().filter_map(|line| line.split_once("http://").map(|(_, address)| address.trim())) {
        assert!(tokio::net::TcpStream::connect(url).await.is_err(), "something still listens at {url}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demo left files behind");
}
