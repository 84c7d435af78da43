//! Logs, metrics and the steps of a call: one way to set them up, one name for each field.
//!
//! Never in a log: bodies, tokens, addresses, e-mail. Never in a metric: an id of anything, since each value of a
//! label is a series that is kept. Start reading at [`init`], which every program calls; `spans` makes numbers of
//! what other crates mark with a span, so that they need not know of metrics.

mod log;
pub mod metrics;
mod spans;
mod steps;

pub use log::init;
use std::{error::Error, fmt::Write};
pub use steps::{Step, Steps, collect_steps, start_step};

/// An error and what caused it, in one line: for the one place where it is logged.
pub fn format_error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string can't fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
