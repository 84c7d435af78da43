//! A span for each SQL statement, made of the line that sqlx logs at its end.
//!
//! The span has the first words of the statement, which contains parameters instead of values.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    Context, KeyValue,
    trace::{Span, SpanKind, TraceContextExt, Tracer},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer};

pub(super) struct Statements;

pub(super) fn is_statement(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == "sqlx::query"
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let parent = Context::current();
        let (Some(tracer), true) = (super::tracer(), parent.has_active_span()) else {
            return;
        };
        let mut statement = Statement::default();
        event.record(&mut statement);
        let end = SystemTime::now();
        let operation = operation(&statement.summary);
        let mut span = tracer
            .span_builder(format!("SQL {operation}"))
            .with_kind(SpanKind::Client)
            .with_start_time(end.checked_sub(statement.elapsed).unwrap_or(end))
            .with_attributes([
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.operation.name", operation),
                KeyValue::new("db.query.summary", statement.summary),
            ])
            .start_with_context(tracer, &parent);
        span.end_with_timestamp(end);
    }
}

/// Returns the first word of a statement in upper case, such as `SELECT`.
fn operation(summary: &str) -> String {
    let word = summary.split_whitespace().next().unwrap_or_default();
    word.to_ascii_uppercase()
}

#[derive(Default)]
struct Statement {
    summary: String,
    elapsed: Duration,
}

impl Visit for Statement {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.summary);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
