//! Distributed traces: spans for an OTLP collector, and the W3C context that connects them.
//!
//! Tracing is off without `OTEL_EXPORTER_OTLP_ENDPOINT`: no span is recorded, and no request carries
//! a trace context. Other crates create `tracing` spans; [`export`] turns them into spans of a trace.
//! A span has names, ids and counts as attributes, never a value of a customer.
//!
//! A program without the feature `otlp`, such as a function on Lambda, or with
//! `OTEL_TRACES_EXPORTER=none`, exports nothing: [`propagation`] passes the trace of a request on.

mod context;
#[cfg(feature = "otlp")]
pub(crate) mod export;
mod propagation;
mod sampling;
mod trace_settings;

use std::sync::OnceLock;

use tracing::{Instrument, Span};

pub use context::TraceContext;
use settings::SettingError;
pub(crate) use trace_settings::TraceSettings;

/// The way in which this program takes part in traces.
#[derive(Debug)]
enum Mode {
    Propagate(sampling::Sampling),
    #[cfg(feature = "otlp")]
    Export(export::Export),
}

static MODE: OnceLock<Mode> = OnceLock::new();

/// Turns tracing on. A second call changes nothing.
///
/// Must be called within a tokio runtime, which sends the spans.
pub(crate) fn start_traces(settings: TraceSettings) -> Result<(), SettingError> {
    let _ = MODE.set(new_mode(settings)?);
    Ok(())
}

#[cfg(feature = "otlp")]
fn new_mode(settings: TraceSettings) -> Result<Mode, SettingError> {
    if settings.exports {
        Ok(Mode::Export(export::Export::start(settings)?))
    } else {
        Ok(Mode::Propagate(settings.sampling))
    }
}

#[cfg(not(feature = "otlp"))]
fn new_mode(settings: TraceSettings) -> Result<Mode, SettingError> {
    Ok(Mode::Propagate(settings.sampling))
}

/// Returns whether this program takes part in traces.
pub fn is_tracing() -> bool {
    MODE.get().is_some()
}

/// Returns the context of the current span, for a request to another program.
///
/// Returns `None` if tracing is off or the trace is not sampled, so that such a request has no header.
pub fn current_trace() -> Option<TraceContext> {
    let context = match MODE.get()? {
        Mode::Propagate(_) => propagation::current(),
        #[cfg(feature = "otlp")]
        Mode::Export(_) => export::current(),
    };
    context.filter(TraceContext::is_sampled)
}

/// Runs the code that serves a request in `span`, as a part of the caller's trace or of a new one.
///
/// `span` must not have been entered. A disabled one has no trace.
pub async fn trace_request<F: Future>(
    span: Span,
    caller: Option<TraceContext>,
    serve: F,
) -> F::Output {
    let passed_on = match MODE.get() {
        Some(Mode::Propagate(sampling)) if !span.is_none() => {
            Some(propagation::request_context(*sampling, caller))
        }
        #[cfg(feature = "otlp")]
        Some(Mode::Export(_)) => {
            if let Some(caller) = &caller {
                export::continue_trace(&span, caller);
            }
            None
        }
        Some(Mode::Propagate(_)) | None => None,
    };
    propagation::scope(passed_on, serve.instrument(span)).await
}

/// Makes `span` a child of the caller's span. The span must not have been entered.
pub fn continue_trace(span: &Span, caller: &TraceContext) {
    match MODE.get() {
        #[cfg(feature = "otlp")]
        Some(Mode::Export(_)) => export::continue_trace(span, caller),
        Some(Mode::Propagate(_)) | None => {
            // Without an export, no span is recorded.
            let _ = (span, caller);
        }
    }
}

/// Records a span without duration, with the given id, as a child of `parent`.
///
/// A workflow needs such a span, because its code runs again after a restart and must find the same
/// span id.
pub fn record_span(
    name: String,
    parent: &TraceContext,
    span_id: [u8; 8],
    attributes: Vec<(&'static str, String)>,
) {
    match MODE.get() {
        #[cfg(feature = "otlp")]
        Some(Mode::Export(export)) => export.record_span(name, parent, span_id, attributes),
        Some(Mode::Propagate(_)) | None => {
            let _ = (name, parent, span_id, attributes);
        }
    }
}

/// Sends all spans that wait, within a few seconds. A failure loses them.
pub async fn flush_traces() {
    #[cfg(feature = "otlp")]
    if let Some(Mode::Export(export)) = MODE.get() {
        export.flush().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_context_without_tracing() {
        assert!(!is_tracing());
        assert_eq!(current_trace(), None);
    }
}
