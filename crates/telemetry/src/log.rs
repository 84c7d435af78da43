//! Setting up logs.

use crate::spans;
use std::{env, error::Error, fmt, io};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

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
            other => Err(BadSetting(format!("LOG_FORMAT={other} is not allowed: must be pretty or json"))),
        }
    }
}

/// Starts logging to standard error, as `LOG_FORMAT` (`pretty`, which is lines for people, or `json`) and `LOG_LEVEL`
/// (`info` unless set; `RUST_LOG` in its own syntax wins) say. A second call changes nothing.
pub fn init() -> Result<(), BadSetting> {
    let format = Format::parse(&env::var("LOG_FORMAT").unwrap_or_default())?;
    let level = env::var("RUST_LOG").or_else(|_| env::var("LOG_LEVEL")).unwrap_or_default();
    // Python's and everybody's capitals mean the same.
    let level = if level.is_empty() { "info".to_owned() } else { level.to_lowercase().replace("warning", "warn") };
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_line = |metadata: &tracing::Metadata<'_>| metadata.target() != spans::FAILED;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        Format::Pretty => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(filter_fn(is_line))))
        .with(spans::layer())
        .try_init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_pretty_or_json() {
        assert_eq!((Format::parse(""), Format::parse("pretty")), (Ok(Format::Pretty), Ok(Format::Pretty)));
        assert_eq!(Format::parse("json"), Ok(Format::Json));
        let error = Format::parse("xml").unwrap_err();
        assert_eq!(error.to_string(), "LOG_FORMAT=xml is not allowed: must be pretty or json");
    }
}
