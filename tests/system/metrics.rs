//! The metrics of the API and the worker in Prometheus format, and the timing of one request.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    api::{order_with_payment, sample_order},
    harness::Harness,
};
use store::simulator::{Fault, add_fault};

impl Harness {
    /// Returns the text of one address of `metrics_urls`.
    async fn read_metrics(&self, url: &str) -> String {
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        answer.text().await.unwrap()
    }

    /// Waits until each of these texts is the beginning of a line.
    pub(crate) async fn wait_for_metrics(&self, url: &str, lines: &[&str]) -> String {
        let missing = async || {
            let text = self.read_metrics(url).await;
            lines
                .iter()
                .filter(|line| !text.lines().any(|known| known.starts_with(**line)))
                .copied()
                .collect::<Vec<_>>()
        };
        self.wait_until(url, missing, Vec::is_empty).await;
        self.read_metrics(url).await
    }
}

#[tokio::test]
async fn order_metrics_cover_request_to_end() {
    let harness = Harness::start().await;
    let id = harness
        .post("/orders", order_with_payment("pmt-of-one"))
        .await
        .expect_started();
    harness.wait_for_end(&id).await;
    let shared = order_with_payment("pmt-shared");
    let first = harness
        .post("/orders", shared.clone())
        .await
        .expect_started();
    harness.wait_for_end(&first).await;
    let second = harness.post("/orders", shared).await.expect_started();
    assert_eq!(
        harness.wait_for_end(&second).await.status.as_str(),
        "failed"
    );
    harness
        .get("/orders/nobody")
        .await
        .expect_problem(404, "order_not_found");
    harness
        .get("/nowhere")
        .await
        .expect_problem(404, "route_not_found");
    let [api, worker] = &harness.metrics_urls;
    let text = harness
        .wait_for_metrics(
            api,
            &[
                "orderflow_http_request_seconds_count{method=\"POST\",route=\"/orders\",status=\"202\"} 3",
                "orderflow_http_request_seconds_count{method=\"GET\",route=\"-\",status=\"404\"}",
                "orderflow_http_request_seconds_bucket{method=\"POST\",route=\"/orders\",status=\"202\",le=\"+Inf\"} 3",
                "orderflow_http_step_seconds_count{step=\"temporal.start\"} 3",
                "orderflow_http_problems_total{code=\"order_not_found\"}",
                "orderflow_temporal_seconds_count{operation=\"start\"} 3",
                "orderflow_database_seconds_count{operation=\"orders.view\",outcome=\"ok\"}",
                "temporal_request",
            ],
        )
        .await;
    let text = text + &harness
        .wait_for_metrics(
            worker,
            &[
                "orderflow_order_seconds_count{outcome=\"delivered\"} 2",
                "orderflow_order_seconds_count{outcome=\"failed\"} 1",
                "orderflow_order_failures_total{code=\"payment_id_in_use\"} 1",
                "orderflow_order_step_seconds_count{step=\"order_validated\"} 3",
                "orderflow_order_step_seconds_count{step=\"order_delivered\"} 2",
                "orderflow_activity_seconds_count{activity=\"ChargePayment\",outcome=\"ok\"} 3",
                "orderflow_activity_seconds_count{activity=\"DispatchCarrier\",outcome=\"ok\"} 2",
                "orderflow_database_seconds_count{operation=\"inventory.reserve\",outcome=\"ok\"} 3",
                "temporal_workflow_completed",
                "temporal_workflow_endtoend_latency",
                "temporal_activity_execution_latency",
                "temporal_request",
            ],
        )
        .await;
    for secret in [id.as_str(), "pmt-shared", "CUST-001"] {
        assert!(!text.contains(secret), "{secret} is in a metric");
    }
    // The API's port serves no metrics, and the metrics port serves no API.
    assert_eq!(harness.get("/metrics").await.status, 404);
    let elsewhere = harness.metrics_urls[0].replace("/metrics", "/health");
    assert_eq!(
        harness.http.get(elsewhere).send().await.unwrap().status(),
        404
    );
}

#[tokio::test]
async fn failures_and_retries_are_counted() {
    let harness = Harness::start().await;
    // The order counts the carrier's refusals. The activity counts the retries of a failing refund.
    add_fault(&harness.pool, "dispatch", "m-1", Fault::Fail, 100)
        .await
        .unwrap();
    add_fault(&harness.pool, "refund", "m-1", Fault::Fail, 1)
        .await
        .unwrap();
    harness
        .post("/orders/m-1/start", order_with_payment("pmt-m-1"))
        .await
        .expect_status(202);
    assert_eq!(harness.wait_for_end("m-1").await.status.as_str(), "failed");
    harness
        .wait_for_metrics(
            &harness.metrics_urls[1],
            &[
                "orderflow_activity_seconds_count{activity=\"RefundPayment\",outcome=\"failed\"} 1",
                "orderflow_activity_seconds_count{activity=\"RefundPayment\",outcome=\"ok\"} 1",
                "orderflow_activity_retries_total{activity=\"RefundPayment\"} 1",
                "orderflow_order_failures_total{code=\"dispatch_failed\"} 1",
                "orderflow_order_step_errors_total{step=\"dispatch\"} ",
                "orderflow_order_step_seconds_count{step=\"payment_refunded\"} 1",
            ],
        )
        .await;
    monitoring_files_use_existing_metrics(&harness).await;
}

/// Checks the names of the metrics in the alerts, in the dashboard and in the collector's
/// configuration. The harness has an order that failed, and activities that were repeated.
async fn monitoring_files_use_existing_metrics(harness: &Harness) {
    harness.get("/orders/unknown").await.expect_status(404);
    let mut exposed = String::new();
    for url in &harness.metrics_urls {
        exposed += &harness.read_metrics(url).await;
    }
    let known: BTreeSet<_> = metric_names(&exposed).collect();
    for file in [
        "monitoring/prometheus-alerts.yaml",
        "monitoring/grafana-dashboard.json",
        "infrastructure/collector/cloudwatch.yaml",
    ] {
        let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let names: BTreeSet<_> = metric_names(&text).collect();
        assert!(names.len() > 8, "{file}: {names:?}");
        let unknown: Vec<_> = names.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

/// Returns the names of metrics in a text, such as `orderflow_order_seconds_count`. The SDK's names
/// begin with `temporal_`.
fn metric_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("orderflow_") || word.starts_with("temporal_"))
}

#[tokio::test]
async fn outbox_depth_is_counted_at_each_scrape() {
    // No server listens on this port, so the mails of the delivered order wait.
    let nowhere = format!("smtp://127.0.0.1:{}", devstack::ports::free_port().unwrap());
    let away = [
        ("MAIL", "smtp"),
        ("SMTP_URL", nowhere.as_str()),
        ("MAIL_FROM", "Shop <orders@shop.example>"),
    ];
    let harness = Harness::start_with(&away).await;
    harness
        .wait_for_metrics(&harness.metrics_urls[1], &["orderflow_outbox_depth 0"])
        .await;
    let id = harness
        .post("/orders", order_with_payment("pmt-mailed"))
        .await
        .expect_started();
    assert_eq!(harness.wait_for_end(&id).await.status.as_str(), "delivered");
    harness
        .wait_for_metrics(&harness.metrics_urls[1], &["orderflow_outbox_depth 4"])
        .await;
}

#[tokio::test]
async fn response_reports_time_of_each_step() {
    for format in ["pretty", "json"] {
        let harness = Harness::start_with(&[("LOG_FORMAT", format)]).await;
        let response = harness.post("/orders", sample_order()).await;
        let timing = response.header("server-timing").to_owned();
        for step in [
            "auth;dur=",
            "parse;dur=",
            "temporal.start;dur=",
            "total;dur=",
        ] {
            assert!(timing.contains(step), "{step} is not in {timing}");
        }
        let id = response.expect_started();
        let response = harness.get(&format!("/orders/{id}?source=database")).await;
        assert!(
            response
                .header("server-timing")
                .contains("store.orders.view;dur="),
            "{:?}",
            response.headers
        );
        let started = |log: &String| {
            log.lines()
                .find(|line| line.contains("POST /orders 202"))
                .map(str::to_owned)
        };
        let line = harness
            .wait_until(
                "the log line",
                async || harness.read_log("api"),
                |log| started(log).is_some(),
            )
            .await;
        let line = started(&line).unwrap();
        let message = match format {
            "json" => {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(
                    (&line["route"], &line["status"]),
                    (&json!("/orders"), &json!(202)),
                    "{line}"
                );
                for field in ["duration_ms", "parse_ms", "temporal_ms"] {
                    assert!(
                        line[field].as_f64().is_some_and(|spent| spent >= 0.0),
                        "{field} of {line}"
                    );
                }
                line["message"].as_str().unwrap().to_owned()
            }
            _ => line,
        };
        // POST /orders 202 in 12.4 ms (auth 0.0, parse 0.1, temporal.start 11.9)
        let (_, rest) = message.split_once("POST /orders 202 in ").unwrap();
        let (total, rest) = rest.split_once(" ms (").unwrap();
        assert!(total.parse::<f64>().unwrap() > 0.0, "{message}");
        assert!(
            rest.contains("temporal.start ") && rest.contains("parse "),
            "{message}"
        );
    }
}
