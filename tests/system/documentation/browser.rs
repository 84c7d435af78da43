//! The pages in a real browser: they show their content, log no error and send no foreign request.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{api::order_with_payment, harness::Harness};

const BROWSERS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];

fn find_browser() -> Option<&'static str> {
    let runs = |name: &&&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    BROWSERS.iter().find(runs).copied()
}

/// The page after its scripts ran, its console messages, and the requested addresses.
struct PageReport {
    page: String,
    console_messages: Vec<String>,
    requested_urls: Vec<String>,
}

async fn open_page(browser: &'static str, url: String) -> PageReport {
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("net.json");
        let output = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args([
                "--enable-logging=stderr",
                "--log-level=0",
                "--dump-dom",
                "--virtual-time-budget=20000",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.path().join("profile").display()
            ))
            .arg(format!("--log-net-log={}", log.display()))
            .arg(url)
            .output()
            .unwrap();
        let log_lines = String::from_utf8_lossy(&output.stderr).into_owned();
        let console_messages = log_lines
            .lines()
            .filter(|line| line.contains(":CONSOLE"))
            .map(str::to_owned)
            .collect();
        let net: Value = serde_json::from_str(&fs::read_to_string(&log).unwrap()).unwrap();
        let kind = &net["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
        let requests = net["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["type"] == *kind);
        let requested_urls = requests
            .filter_map(|event| event["params"]["url"].as_str())
            .map(str::to_owned)
            .collect();
        PageReport {
            page: String::from_utf8_lossy(&output.stdout).into_owned(),
            console_messages,
            requested_urls,
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn pages_work_in_browser_without_foreign_requests() {
    let Some(browser) = find_browser() else {
        println!("SKIPPED: no browser is installed (Debian: chromium-headless-shell)");
        return;
    };
    let harness = Harness::start().await;
    let mut order = order_with_payment("pmt-browser");
    order["customer"]["name"] = json!("<img src=x onerror=alert(1)>");
    let id = harness.post("/orders", order).await.expect_started();
    harness.wait_for_end(&id).await;
    for (path, shown) in [
        (
            "/".to_owned(),
            vec![
                id.as_str(),
                "Start a sample order",
                "delivered",
                "&lt;img src=x",
            ],
        ),
        (
            format!("/#/orders/{id}"),
            vec![
                &id,
                "Dispatched: done",
                "order received",
                "ABC123",
                "Cancel order",
                "&lt;img src=x",
            ],
        ),
        (
            "/#/orders/nobody".to_owned(),
            vec!["Order not found", "order_not_found"],
        ),
        (
            "/docs".to_owned(),
            vec![
                "swagger-ui",
                "/orders/{id}/signals/update-address",
                "operations-tag-Orders",
            ],
        ),
        (
            "/redoc".to_owned(),
            vec![
                "update-address",
                "Update the shipping address",
                "Idempotency-Key",
            ],
        ),
    ] {
        let report = open_page(browser, format!("{}{path}", harness.url)).await;
        for text in shown {
            assert!(
                report.page.contains(text),
                "{path} does not show {text}: {:?}\n{}",
                report.console_messages,
                report.page
            );
        }
        // The browser logs each failed request. No other message is allowed.
        let refused =
            |line: &&String| !line.contains("Failed to load resource") || !path.ends_with("nobody");
        assert_eq!(
            report
                .console_messages
                .iter()
                .filter(refused)
                .collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{path}"
        );
        assert!(
            report.requested_urls.len() > 3,
            "{path}: {:?}",
            report.requested_urls
        );
        for address in report.requested_urls {
            let ours = address.starts_with(&harness.url)
                || address.starts_with("data:")
                || address.starts_with("blob:");
            assert!(ours, "{path} requests {address}");
        }
    }
}
