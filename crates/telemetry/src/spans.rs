//! Turns spans such as `store.orders.insert` and `temporal.start` into metrics.
//!
//! Other crates create a span with such a name and do not depend on metrics. This layer records the
//! span's time as a metric and as a step of the API call.

use std::time::Instant;

use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter, span};
use tracing_subscriber::{Layer, filter::filter_fn, layer::Context, registry::LookupSpan};

use crate::{metrics, steps};

/// The target of an event that marks its span as failed. Such an event is not logged.
pub(crate) const FAILED: &str = "span_failed";

/// Returns the layer that measures spans. Its filter skips all other spans and events.
pub(crate) fn timing_layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    Timings.with_filter(filter_fn(is_measured).with_max_level_hint(LevelFilter::INFO))
}

fn is_measured(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        Kind::of(metadata.name()).is_some()
    } else {
        metadata.target() == FAILED
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Store,
    Temporal,
}

impl Kind {
    fn of(name: &'static str) -> Option<(Self, &'static str)> {
        let store = || {
            name.strip_prefix("store.")
                .map(|operation| (Self::Store, operation))
        };
        name.strip_prefix("temporal.")
            .map(|operation| (Self::Temporal, operation))
            .or_else(store)
    }
}

struct Timing {
    began: Instant,
    failed: bool,
}

#[derive(Debug)]
struct Timings;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Timings {
    fn on_new_span(&self, _: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Timing {
                began: Instant::now(),
                failed: false,
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(span) = context.event_span(event)
            && let Some(timing) = span.extensions_mut().get_mut::<Timing>()
        {
            timing.failed = true;
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(Timing { began, failed }) = span.extensions_mut().remove::<Timing>() else {
            return;
        };
        let Some((kind, operation)) = Kind::of(span.name()) else {
            return;
        };
        let took = began.elapsed();
        steps::record_step(span.name(), took);
        match kind {
            Kind::Store => metrics::observe_database_operation(operation, failed, took),
            Kind::Temporal => metrics::observe_temporal_request(operation, took),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Instrument;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test]
    async fn store_span_is_a_step_and_a_metric() {
        let _guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(timing_layer()));
        let good = async { tokio::task::yield_now().await }
            .instrument(tracing::info_span!("store.test.good"));
        let bad = async { tracing::info!(target: "span_failed", "it failed") };
        let other = async {}.instrument(tracing::info_span!("something else"));
        let ((), steps) = crate::collect_steps(async {
            good.await;
            bad.instrument(tracing::info_span!("store.test.bad")).await;
            other.await;
        })
        .await;
        assert_eq!(
            steps.to_string().split(' ').step_by(2).collect::<Vec<_>>(),
            ["store.test.good", "store.test.bad"]
        );
        let text = metrics::encode_metrics();
        for line in [
            r#"orderflow_database_seconds_count{operation="test.good",outcome="ok"} 1"#,
            r#"orderflow_database_seconds_count{operation="test.bad",outcome="failed"} 1"#,
            r#"orderflow_http_step_seconds_count{step="store.test.good"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
