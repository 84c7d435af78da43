//! The layer that turns `tracing` spans into spans of a trace.

use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::statement;
use crate::spans;

/// The kinds of spans that are part of a trace. All others, also those of libraries, are not recorded.
const KINDS: [&str; 8] = [
    "activity.",
    "adyen.",
    "carrier.",
    "http.",
    "payment.",
    "store.",
    "stripe.",
    "temporal.",
];

/// Returns the layer, or `None` if tracing is off.
pub(crate) fn trace_layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let tracer = super::tracer()?.clone();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_level(false)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::TRACE));
    let statements = statement::Statements
        .with_filter(filter_fn(statement::is_statement).with_max_level_hint(LevelFilter::DEBUG));
    Some(spans.and_then(statements))
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        KINDS.iter().any(|kind| metadata.name().starts_with(kind))
    } else {
        metadata.target() == spans::FAILED
    }
}
