//! All metrics that are ours, in one registry; docs/metrics.md says what each is for.
//!
//! A metric appears with its first value. Every label is of a closed list: a route of the table, a name in our code.

use std::{sync::LazyLock, time::Duration};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// From a read in memory to a request that waits its longest.
const QUICK: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// From an order of a test to one whose delivery nobody confirmed for two weeks.
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
        "Calls of the API, from arrival to answer.",
        &labels,
        QUICK,
    )
});
static HTTP_STEPS: Histogram = LazyLock::new(|| {
    histogram(
        "orderflow_http_step_seconds",
        "What calls of the API spent their time on.",
        &["step"],
        QUICK,
    )
});
static PROBLEMS: Counter = LazyLock::new(|| {
    counter(
        "orderflow_http_problems_total",
        "Calls that were answered with a problem, by its code.",
        &["code"],
    )
});
static DATABASE: Histogram = LazyLock::new(|| {
    let labels = ["operation", "outcome"];
    histogram(
        "orderflow_database_seconds",
        "Operations of the database, each with its transaction.",
        &labels,
        QUICK,
    )
});
static TEMPORAL: Histogram = LazyLock::new(|| {
    let help = "Requests of the API to Temporal, with every second try.";
    histogram("orderflow_temporal_seconds", help, &["operation"], QUICK)
});
static ACTIVITIES: Histogram = LazyLock::new(|| {
    let labels = ["activity", "outcome"];
    histogram(
        "orderflow_activity_seconds",
        "Executions of activities, each try by itself.",
        &labels,
        QUICK,
    )
});
static ACTIVITY_RETRIES: Counter = LazyLock::new(|| {
    counter(
        "orderflow_activity_retries_total",
        "Executions of activities that were not the first.",
        &["activity"],
    )
});
static ORDERS: Histogram = LazyLock::new(|| {
    let help = "Orders that ended, from their start to the end of their last undo.";
    histogram("orderflow_order_seconds", help, &["outcome"], SLOW)
});
static ORDER_STEPS: Histogram = LazyLock::new(|| {
    let help = "Steps of orders that ended: from one entry of the trail to the next, which names the step.";
    histogram("orderflow_order_step_seconds", help, &["step"], SLOW)
});
static ORDER_FAILURES: Counter = LazyLock::new(|| {
    counter(
        "orderflow_order_failures_total",
        "Orders that ended failed, by the code of the failure.",
        &["code"],
    )
});
static ORDER_RETRIES: Counter = LazyLock::new(|| {
    let help = "Tries that failed at a step of orders that ended: the provider or the carrier said no, or nothing.";
    counter("orderflow_order_step_errors_total", help, &["step"])
});
static OUTBOX: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_outbox_depth",
        "Mails that wait to be sent, of all orders.",
    )
});
static BACKLOG: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_task_queue_backlog",
        "Tasks of workflows and activities that wait in the task queues.",
    )
});
static LATE: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "orderflow_orders_late",
        "Open orders that stand still though nothing that they wait for explains it.",
    )
});

/// What HTTP itself knows; any other word is a caller's.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// A call of the API was answered; `route` is the pattern of the table, never the path.
pub fn observe_http_request(method: &str, route: &str, status: u16, took: Duration) {
    let method = if METHODS.contains(&method) {
        method
    } else {
        "other"
    };
    HTTP.with_label_values(&[method, route, status.to_string().as_str()])
        .observe(took.as_secs_f64());
}

/// A call was answered with a problem.
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

/// An activity ran; `attempt` counts from one.
pub fn observe_activity(activity: &str, outcome: &str, attempt: u32, took: Duration) {
    ACTIVITIES
        .with_label_values(&[activity, outcome])
        .observe(took.as_secs_f64());
    if attempt > 1 {
        ACTIVITY_RETRIES.with_label_values(&[activity]).inc();
    }
}

/// An order ended.
pub fn observe_order(outcome: &str, took: Duration) {
    ORDERS
        .with_label_values(&[outcome])
        .observe(took.as_secs_f64());
}

/// A step of an order that ended.
pub fn observe_order_step(step: &str, took: Duration) {
    ORDER_STEPS
        .with_label_values(&[step])
        .observe(took.as_secs_f64());
}

/// Why an order failed.
pub fn count_order_failure(code: &str) {
    ORDER_FAILURES.with_label_values(&[code]).inc();
}

/// How many tries of a step failed in an order that ended.
pub fn count_order_step_errors(step: &str, count: u32) {
    ORDER_RETRIES
        .with_label_values(&[step])
        .inc_by(u64::from(count));
}

/// How many messages wait in the outbox.
pub fn set_outbox_depth(waiting: i64) {
    OUTBOX.set(waiting);
}

/// How many tasks wait in the task queues.
pub fn set_task_queue_backlog(waiting: i64) {
    BACKLOG.set(waiting);
}

/// How many orders are late.
pub fn set_late_orders(late: i64) {
    LATE.set(late);
}

/// All of them, as Prometheus reads it.
pub fn encode_metrics() -> String {
    TextEncoder::new()
        .encode_to_string(&REGISTRY.gather())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_none_makes_no_series_of_its_own() {
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
