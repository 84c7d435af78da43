//! Logs: one way to set them up, one name for each field.
//!
//! Never in a log: bodies, tokens, addresses, e-mail.

use std::{env, error::Error, fmt::Write, io};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging to standard error, as `LOG_FORMAT` (`json`, else text for people) and `LOG_LEVEL`
/// (`info` unless set; `RUST_LOG` in its own syntax wins) say. A second call changes nothing.
pub fn init() {
    let level = env::var("RUST_LOG").or_else(|_| env::var("LOG_LEVEL")).unwrap_or_default();
    // Python's and everybody's capitals mean the same.
    let level = if level.is_empty() { "info".to_owned() } else { level.to_lowercase().replace("warning", "warn") };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let _ = match env::var("LOG_FORMAT").as_deref() {
        Ok("json") => builder.json().flatten_event(true).try_init(),
        _ => builder.try_init(),
    };
}

/// An error and what caused it, in one line: for the one place where it is logged.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string can't fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
