//! Setting up logs.

use std::{
    env,
    error::Error,
    fmt,
    io::{self, IsTerminal},
};

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::spans;

/// A setting that is not allowed, in the words that all settings have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSetting(String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadSetting {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Lines for people.
    Pretty,
    /// One object a line.
    Json,
}

impl Format {
    fn parse(text: &str) -> Result<Self, BadSetting> {
        match text {
            "" | "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            other => Err(BadSetting(format!(
                "LOG_FORMAT={other} is not allowed: must be pretty or json"
            ))),
        }
    }
}

/// Whether a person looks on who wants colour (<https://no-color.org>): what is kept in a file is for programs too.
fn is_coloured() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts logging to standard error, as `LOG_FORMAT` (`pretty`, which is lines for people, or `json`) and `LOG_LEVEL`
/// (`info` unless set; `RUST_LOG` in its own syntax wins) say; in colour on a terminal only. A second call changes nothing.
pub fn init() -> Result<(), BadSetting> {
    let format = Format::parse(&env::var("LOG_FORMAT").unwrap_or_default())?;
    let filter = filter(
        &env::var("RUST_LOG").unwrap_or_default(),
        &env::var("LOG_LEVEL").unwrap_or_default(),
    )?;
    let is_line = |metadata: &tracing::Metadata<'_>| metadata.target() != spans::FAILED;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(is_coloured());
    let lines = match format {
        Format::Pretty => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(filter_fn(is_line))))
        .with(spans::timing_layer())
        .try_init();
    Ok(())
}

/// `RUST_LOG` in its own syntax, else `LOG_LEVEL`.
fn filter(rust_log: &str, level: &str) -> Result<EnvFilter, BadSetting> {
    if !rust_log.is_empty() {
        return EnvFilter::try_new(rust_log)
            .map_err(|error| BadSetting(format!("RUST_LOG={rust_log} is not allowed: {error}")));
    }
    // Python's and everybody's capitals mean the same.
    match level.to_lowercase().as_str() {
        "" => Ok(EnvFilter::new("info")),
        "warning" => Ok(EnvFilter::new("warn")),
        known @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => {
            Ok(EnvFilter::new(known))
        }
        _ => Err(BadSetting(format!(
            "LOG_LEVEL={level} is not allowed: must be off, error, warn, info, debug or trace"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_pretty_or_json() {
        assert_eq!(
            (Format::parse(""), Format::parse("pretty")),
            (Ok(Format::Pretty), Ok(Format::Pretty))
        );
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        let error = Format::parse("xml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "LOG_FORMAT=xml is not allowed: must be pretty or json"
        );
    }

    #[test]
    fn a_level_is_known_in_any_case() {
        for good in ["", "INFO", "Warning", "debug"] {
            assert!(filter("", good).is_ok(), "{good}");
        }
        assert!(
            filter("", "loud")
                .unwrap_err()
                .to_string()
                .starts_with("LOG_LEVEL=loud is not allowed")
        );
        assert!(filter("worker=loud", "info").is_err());
        assert_eq!(
            filter("worker=trace", "loud").unwrap().to_string(),
            "worker=trace"
        );
    }
}
