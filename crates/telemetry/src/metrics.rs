//! The project's metrics in one registry; docs/metrics.md describes each metric.
//!
//! A metric appears with its first value. Each label has a fixed set of values, for example the routes
//! of the route table.

use std::{sync::LazyLock, time::Duration};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Buckets in seconds, from a read in memory to the longest long poll.
const QUICK: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Buckets in seconds, from an order of a test to an order without a delivery confirmation for two weeks.
const SLOW: &[f64] = &[
    0.1,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3_600.0,
    21_600.0,
    86_400.0,
    604_800.0,
    1_209_600.0,
];

type Histogram = LazyLock<HistogramVec>;
type Counter = LazyLock<IntCounterVec>;

fn histogram(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let made =
        HistogramVec::new(options, labels).expect("names and labels are constants, and valid");
    REGISTRY
        .register(Box::new(made.clone()))
        .expect("each name is registered once");
    made
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let made = IntCounterVec::new(Opts::new(name, help), labels)
        .expect("names and labels are constants, and valid");
    REGISTRY
        .register(Box::new(made.clone()))
        .expect("each name is registered once");
    made
}

fn gauge(name: &str, help: &str) -> IntGauge {
    let made = IntGauge::new(name, help).expect("a valid name");
    REGISTRY
        .register(Box::new(made.clone()))
        .expect("each name is registered once");
    made
}

static HTTP: Histogram = LazyLock::new(|| {
    let labels = ["method", "route", "status"];
    histogram(
        "orderflow_http_request_seconds",
        "API calls, from arrival to response.",
        &labels,
        QUICK,
    )
});
static HTTP_STEPS: Histogram = LazyLock::new(|| {
    histogram(
        "orderflow_http_step_seconds",
        "Steps of API calls.",
        &["step"],
        QUICK,
    )
});
static PROBLEMS: Counter = LazyLock::new(|| {
    counter(
        "orderflow_http_problems_total",
        "API calls that were answered with a problem, by its code.",
        &["code"],
    )
});
static DATABASE: Histogram = LazyLock::new(|| {
    let labels = ["operation", "outcome"];
    histogram(
        "orderflow_database_seconds",
        "Database operations, each with its transaction.",
        &labels,
        QUICK,
    )
});
static TEMPORAL: Histogram = LazyLock::new(|| {
    let help = "Requests of the API to Temporal, retries included.";
    histogram("orderflow_temporal_seconds", help, &["operation"], QUICK)
});
static ACTIVITIES: Histogram = LazyLock::new(|| {
    let labels = ["activity", "outcome"];
    histogram(
        "orderflow_activity_seconds",
        "Executions of activities, one value for each attempt.",
        &labels,
        QUICK,
    )
});
static ACTIVITY_RETRIES: Counter = LazyLock::new(|| {
    counter(
        "orderflow_activity_retries_total",
        "Executions of activities after the first attempt.",
        &["activity"],
    )
});
static ORDERS: Histogram = LazyLock::new(|| {
    let help = "Ended orders, from their start to the end of the last compensation.";
    histogram("orderflow_order_seconds", help, &["outcome"], SLOW)
});
static ORDER_STEPS: Histogram = LazyLock::new(|| {
    let help = "Steps of ended orders: from one audit event to the next, which names the step.";
    histogram("orderflow_order_step_seconds", help, &["step"], SLOW)
});
static ORDER_FAILURES: Counter = LazyLock::new(|| {
    counter(
        "orderflow_order_failures_total",
        "Failed orders, by the code of the failure.",
        &["code"],
    )
});
static ORDER_RETRIES: Counter = LazyLock::new(|| {
    let help = "Failed attempts at a step of ended orders: the provider or the carrier rejected the call or did not respond.";
    counter("orderflow_order_step_errors_total", help, &["step"])
});
static OUTBOX: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_outbox_depth",
        "Mails of all orders that are not sent yet.",
    )
});
static BACKLOG: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_task_queue_backlog",
        "Tasks of workflows and activities in the task queues.",
    )
});
static LATE: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_orders_late",
        "Open orders without progress although they do not wait for an event.",
    )
});
static ATTENTION: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_payments_attention",
        "Amounts that have waited for an operator for longer than PAYMENT_ATTENTION_AFTER.",
    )
});

static DISABLED_ENDPOINTS: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_endpoints_disabled",
        "Endpoints of other systems that are disabled.",
    )
});
static MESSAGES: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_endpoint_messages_pending",
        "Messages that wait for an enabled endpoint.",
    )
});

/// The methods of HTTP. Any other word is chosen by the client and must not become a label.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Records an answered API call. `route` is the pattern of the route table, never the path.
pub fn observe_http_request(method: &str, route: &str, status: u16, took: Duration) {
    let method = if METHODS.contains(&method) {
        method
    } else {
        "other"
    };
    HTTP.with_label_values(&[method, route, status.to_string().as_str()])
        .observe(took.as_secs_f64());
}

/// Counts a call that was answered with a problem.
pub fn count_problem(code: &str) {
    PROBLEMS.with_label_values(&[code]).inc();
}

pub(crate) fn observe_http_step(step: &str, took: Duration) {
    HTTP_STEPS
        .with_label_values(&[step])
        .observe(took.as_secs_f64());
}

pub(crate) fn observe_database_operation(operation: &str, failed: bool, took: Duration) {
    let outcome = if failed { "failed" } else { "ok" };
    DATABASE
        .with_label_values(&[operation, outcome])
        .observe(took.as_secs_f64());
}

pub(crate) fn observe_temporal_request(operation: &str, took: Duration) {
    TEMPORAL
        .with_label_values(&[operation])
        .observe(took.as_secs_f64());
}

/// Records one execution of an activity. `attempt` begins at one.
pub fn observe_activity(activity: &str, outcome: &str, attempt: u32, took: Duration) {
    ACTIVITIES
        .with_label_values(&[activity, outcome])
        .observe(took.as_secs_f64());
    if attempt > 1 {
        ACTIVITY_RETRIES.with_label_values(&[activity]).inc();
    }
}

/// Records the end of an order.
pub fn observe_order(outcome: &str, took: Duration) {
    ORDERS
        .with_label_values(&[outcome])
        .observe(took.as_secs_f64());
}

/// Records a step of an order that has ended.
pub fn observe_order_step(step: &str, took: Duration) {
    ORDER_STEPS
        .with_label_values(&[step])
        .observe(took.as_secs_f64());
}

/// Counts a failed order by its failure code.
pub fn count_order_failure(code: &str) {
    ORDER_FAILURES.with_label_values(&[code]).inc();
}

/// Counts the failed attempts at a step of an order that has ended.
pub fn count_order_step_errors(step: &str, count: u32) {
    ORDER_RETRIES
        .with_label_values(&[step])
        .inc_by(u64::from(count));
}

/// Sets the number of mails in the outbox.
pub fn set_outbox_depth(waiting: i64) {
    OUTBOX.set(waiting);
}

/// Sets the number of tasks in the task queues.
pub fn set_task_queue_backlog(waiting: i64) {
    BACKLOG.set(waiting);
}

/// Sets the number of late orders.
pub fn set_late_orders(late: i64) {
    LATE.set(late);
}

/// Sets the number of old entries in the work list.
pub fn set_payments_attention(entries: i64) {
    ATTENTION.set(entries);
}

/// Sets the numbers of disabled endpoints and of messages that wait for the others.
pub fn set_endpoints(disabled: i64, pending_messages: i64) {
    DISABLED_ENDPOINTS.set(disabled);
    MESSAGES.set(pending_messages);
}

/// Returns all metrics in the text format of Prometheus.
pub fn encode_metrics() -> String {
    TextEncoder::new()
        .encode_to_string(&REGISTRY.gather())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_method_adds_no_series() {
        observe_http_request("GET", "/orders/{id}", 200, Duration::from_millis(3));
        observe_http_request("BREW", "-", 405, Duration::ZERO);
        observe_activity("ChargePayment", "ok", 2, Duration::ZERO);
        set_outbox_depth(3);
        let text = encode_metrics();
        for line in [
            r#"orderflow_http_request_seconds_count{method="GET",route="/orders/{id}",status="200"} 1"#,
            r#"orderflow_http_request_seconds_count{method="other",route="-",status="405"} 1"#,
            r#"orderflow_activity_retries_total{activity="ChargePayment"} 1"#,
            "orderflow_outbox_depth 3",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("BREW"));
    }
}
