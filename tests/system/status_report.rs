//! The worker's status report, as the metric filters of the template read it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use url::Url;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    api::sample_order, harness::Harness, shared_servers::shared_servers,
    versions::set_current_build,
};

/// A frequent report in the format of the template.
const FREQUENT_REPORT: [(&str, &str); 2] = [("LOG_FORMAT", "json"), ("REPORT_EVERY", "250ms")];

/// The first values of a report of a system without waiting tasks and late orders.
const HEALTHY: [Option<u64>; 4] = [Some(0), Some(0), Some(1), Some(1)];

/// Reads a template of `infrastructure/`. Its functions, such as `!Ref`, become plain text.
pub(crate) fn read_template(name: &str) -> Yaml {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../infrastructure/{name}"));
    YamlLoader::load_from_str(&fs::read_to_string(path).unwrap())
        .unwrap()
        .remove(0)
}

/// Returns the fields of the status report that the metric filters of the worker's log select:
/// `{ $.NAME >= 0 }` with the value `$.NAME`.
fn metric_filter_fields() -> Vec<String> {
    let template = read_template("worker.yaml");
    let filters = template["Resources"].as_hash().unwrap().values();
    let filters =
        filters.filter(|resource| resource["Type"].as_str() == Some("AWS::Logs::MetricFilter"));
    let field = |filter: &Yaml| {
        let properties = &filter["Properties"];
        let pattern = properties["FilterPattern"].as_str().unwrap();
        // The filter of errors counts lines.
        let field = pattern.strip_prefix("{ $.")?.strip_suffix(" >= 0 }")?;
        assert_eq!(
            properties["MetricTransformations"][0]["MetricValue"].as_str(),
            Some(&*format!("$.{field}"))
        );
        Some(field.to_owned())
    };
    filters.filter_map(field).collect()
}

/// Returns the values of the newest status report, in the order of the template's filters.
fn report_values(harness: &Harness, log: &str, fields: &[String]) -> Vec<Option<u64>> {
    let log = harness.read_log(log);
    let mut lines = log
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_report = |line: &Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("waiting tasks"))
    };
    let newest = lines.find(is_report).unwrap_or_default();
    fields.iter().map(|field| newest[field].as_u64()).collect()
}

#[tokio::test]
async fn status_report_matches_template_metric_filters() {
    let settings = [
        ("PAYMENT_TIMEOUT", "8s"),
        ("REVIEW_THRESHOLD", "1000"),
        ("DELIVERY", "confirm"),
        ("ORDERS_LATE_AFTER", "1s"),
        FREQUENT_REPORT[0],
        FREQUENT_REPORT[1],
    ];
    let harness = Harness::start_with(&settings).await;
    let fields = metric_filter_fields();
    assert_eq!(
        fields,
        [
            "task_queue_backlog",
            "orders_late",
            "database_ok",
            "temporal_ok",
            "payments_attention",
            "mails_pending",
            "temporal_credential_days"
        ]
    );
    let values_in = async |log: &str| report_values(&harness, log, &fields);
    harness
        .wait_until(
            "an empty backlog",
            async || values_in("worker").await,
            |values| values[..4] == HEALTHY,
        )
        .await;
    let gauges = ["orderflow_task_queue_backlog 0", "orderflow_orders_late 0"];
    harness
        .wait_for_metrics(&harness.metrics_urls[1], &gauges)
        .await;

    // Two orders wait for a reviewer and a carrier, which is not late. One order is not paid in
    // time.
    let mut large = sample_order();
    large["items"][0]["quantity"] = json!(20);
    harness
        .post("/orders/report-reviewed/start", large)
        .await
        .expect_status(202);
    harness
        .post(
            "/orders/report-sent/start",
            json!({"payment_id": "pmt-report-sent"}),
        )
        .await
        .expect_status(202);
    let step = async |id: &str| {
        harness
            .get(&format!("/orders/{id}?source=database"))
            .await
            .body["step"]
            .clone()
    };
    harness
        .wait_until(
            "a review",
            async || step("report-reviewed").await,
            |step| step == "manual_review",
        )
        .await;
    harness
        .wait_until(
            "a shipped parcel",
            async || step("report-sent").await,
            |step| step == "deliver",
        )
        .await;
    let unpaid = harness
        .post("/orders", sample_order())
        .await
        .expect_started();
    harness
        .wait_until(
            "a payment request",
            async || step(&unpaid).await,
            |step| step == "pay",
        )
        .await;
    harness.worker.kill().await;
    // No worker handles its timeout or starts the new orders.
    for id in ["report-1", "report-2", "report-3"] {
        harness
            .post(&format!("/orders/{id}/start"), json!({}))
            .await
            .expect_status(202);
    }
    let _shipping = harness
        .start_another_worker("shipping", &[("WORKER_QUEUES", "shipping")])
        .await;
    let newest = async || values_in("shipping").await;
    let is_expected = |values: &Vec<Option<u64>>| {
        values[0].is_some_and(|waiting| waiting >= 3) && values[1] == Some(1)
    };
    harness
        .wait_until("the tasks of the killed worker", newest, is_expected)
        .await;

    let _again = harness.start_another_worker("again", &[]).await;
    harness
        .wait_until(
            "an empty backlog again",
            async || values_in("again").await,
            |values| values[..4] == HEALTHY,
        )
        .await;
    assert_eq!(
        harness.wait_for_end(&unpaid).await.status.as_str(),
        "cancelled"
    );
}

#[tokio::test]
async fn report_counts_tasks_of_other_worker_builds() {
    let deployment = format!("reporting-{}", std::process::id());
    let build = [
        ("TEMPORAL_DEPLOYMENT_NAME", deployment.as_str()),
        ("TEMPORAL_WORKER_BUILD_ID", "one"),
    ];
    let harness = Harness::start_with(&[&build, &FREQUENT_REPORT[..]].concat()).await;
    set_current_build(&harness, &deployment, "one").await;
    harness.worker.kill().await;
    for id in ["report-built-1", "report-built-2"] {
        harness
            .post(&format!("/orders/{id}/start"), json!({}))
            .await
            .expect_status(202);
    }
    let _shipping = harness
        .start_another_worker("shipping", &[("WORKER_QUEUES", "shipping")])
        .await;
    let fields = metric_filter_fields();
    let waits = |values: &Vec<Option<u64>>| values[0].is_some_and(|waiting| waiting >= 2);
    harness
        .wait_until(
            "the backlog",
            async || report_values(&harness, "shipping", &fields),
            waits,
        )
        .await;
}

/// Returns the alarms on metrics of the worker's report: the metric and the treatment of missing
/// data.
fn report_alarms() -> Vec<(String, String)> {
    let template = read_template("watch.yaml");
    let resources = template["Resources"].as_hash().unwrap().values();
    let text = |alarm: &Yaml, name: &str| {
        let text = alarm["Properties"][name].as_str();
        text.unwrap_or_default().to_owned()
    };
    resources
        .filter(|resource| resource["Type"].as_str() == Some("AWS::CloudWatch::Alarm"))
        .filter(|alarm| text(alarm, "Namespace") == "WorkerNamespace")
        .map(|alarm| (text(alarm, "MetricName"), text(alarm, "TreatMissingData")))
        .collect()
}

/// A worker whose database is unavailable omits numbers, and a stopped one reports nothing.
#[test]
fn missing_report_values_are_alarms() {
    let mut alarms = report_alarms();
    // Not every credential has an end, and most workers log no error.
    alarms.retain(|(metric, _)| metric != "TemporalCredentialDays" && metric != "WorkerErrors");
    let alarm = |metric: &str| (metric.to_owned(), "breaching".to_owned());
    assert_eq!(
        alarms,
        [
            "OrdersLate",
            "TaskQueueBacklog",
            "DatabaseOk",
            "TemporalOk",
            "PaymentsAttention",
            "MailsPending"
        ]
        .map(alarm)
    );
}

/// Returns the address of a proxy to a server, and a handle that cuts all its connections.
async fn start_cuttable_proxy(to: String) -> (String, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        // All connections end with this task.
        let mut callers = JoinSet::new();
        while let Ok((mut caller, _)) = listener.accept().await {
            let to = to.clone();
            callers.spawn(async move {
                let mut server = TcpStream::connect(to).await.ok()?;
                copy_bidirectional(&mut caller, &mut server).await.ok()
            });
        }
    });
    (address, serving.abort_handle())
}

/// Returns a URL of the database through a proxy, and a handle that cuts all its connections.
pub(crate) async fn start_database_proxy(url: &str) -> (Url, AbortHandle) {
    let mut url = Url::parse(url).unwrap();
    let (address, cut) = start_cuttable_proxy(format!("127.0.0.1:{}", url.port().unwrap())).await;
    let port = address.rsplit_once(':').unwrap().1;
    url.set_port(port.parse().ok()).unwrap();
    (url, cut)
}

#[tokio::test]
async fn report_omits_unavailable_counts() {
    let harness = Harness::start().await;
    let (temporal, cut_temporal) =
        start_cuttable_proxy(shared_servers().await.temporal.address.clone()).await;
    let (database, cut_database) = start_database_proxy(&harness.database_url).await;
    let settings = [
        ("TEMPORAL_ADDRESS", temporal.as_str()),
        ("DATABASE_URL", database.as_str()),
        FREQUENT_REPORT[0],
        FREQUENT_REPORT[1],
    ];
    let _worker = harness.start_another_worker("cabled", &settings).await;
    let fields = metric_filter_fields();
    let values = async || report_values(&harness, "cabled", &fields);
    harness
        .wait_until("both counts", values, |values| values[..4] == HEALTHY)
        .await;
    cut_temporal.abort();
    harness
        .wait_until("no backlog", values, |values| {
            values[..6] == [None, Some(0), Some(1), Some(0), Some(0), Some(0)]
        })
        .await;
    cut_database.abort();
    harness
        .wait_until("no count", values, |values| {
            values[..6] == [None, None, Some(0), Some(0), None, None]
        })
        .await;
}
