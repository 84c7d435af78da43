//! Logs, metrics, traces and the steps of an API call.
//!
//! A log never contains bodies, tokens, postal addresses or e-mail addresses. A metric never has an id
//! as a label, because each value of a label is a separate series. Start reading at [`init`], which
//! every program calls. Other crates create spans only; `spans` turns them into metrics,
//! and `traces` into traces.

mod log;
pub mod metrics;
mod spans;
mod steps;
mod traces;

pub use log::{init, init_with_traces};
use std::{error::Error, fmt::Write};
pub use steps::{Step, Steps, collect_steps, start_step};
pub use traces::{
    TraceContext, continue_trace, current_trace, flush_traces, is_tracing, record_span,
    trace_request,
};

/// Returns an error with all its causes in one line, for the log.
pub fn format_error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
