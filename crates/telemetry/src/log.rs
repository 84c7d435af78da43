//! Sets up logging.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{spans, traces};
use settings::{Environment, SettingError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Text lines.
    Pretty,
    /// One JSON object a line.
    Json,
}

const FORMATS: [(&str, Format); 2] = [("pretty", Format::Pretty), ("json", Format::Json)];

/// Returns whether log lines are coloured: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
fn is_coloured(environment: &Environment) -> bool {
    io::stderr().is_terminal() && environment.get(&settings::NO_COLOR).is_none()
}

/// Starts logging to standard error with the settings `LOG_FORMAT`, `LOG_LEVEL` and `RUST_LOG`.
///
/// Also warns about variables that look like a misspelled setting. A second call changes nothing.
///
/// # Errors
///
/// Fails on a value that is not allowed.
pub fn init() -> Result<(), SettingError> {
    init_from(&Environment::from_process())
}

/// Starts logging like [`init`], and traces if `OTEL_EXPORTER_OTLP_ENDPOINT` is set. `service` is the
/// name of the program in its traces.
///
/// Must be called within a tokio runtime, which sends the spans.
///
/// # Errors
///
/// Fails on a value that is not allowed.
pub fn init_with_traces(service: &str) -> Result<(), SettingError> {
    let environment = Environment::from_process();
    if let Some(settings) = traces::TraceSettings::read(&environment, service)? {
        traces::start_traces(settings)?;
    }
    init_from(&environment)
}

fn init_from(environment: &Environment) -> Result<(), SettingError> {
    let format = environment.choose(&settings::LOG_FORMAT, &FORMATS)?;
    let filter = filter(environment)?;
    let is_line = |metadata: &tracing::Metadata<'_>| metadata.target() != spans::FAILED;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(is_coloured(environment));
    let lines = match format {
        Format::Pretty => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry()
        .with(lines.with_filter(filter.and(filter_fn(is_line))))
        .with(spans::timing_layer());
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(traces::export::trace_layer());
    let is_first = subscriber.try_init().is_ok();
    if is_first {
        for misspelling in settings::find_misspellings() {
            tracing::warn!("{misspelling}");
        }
    }
    Ok(())
}

/// Returns the filter of `RUST_LOG`, else of `LOG_LEVEL`.
fn filter(environment: &Environment) -> Result<EnvFilter, SettingError> {
    if let Some(directives) = environment.get(&settings::RUST_LOG) {
        return EnvFilter::try_new(directives)
            .map_err(|error| settings::RUST_LOG.reject(directives, error.to_string()));
    }
    environment.check_one(&settings::LOG_LEVEL)?;
    let level = environment.get_or_default(&settings::LOG_LEVEL);
    Ok(EnvFilter::new(match level.to_lowercase().as_str() {
        // Python's name of the level.
        "warning" => "warn",
        level => level,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_is_accepted_in_any_case() {
        let filter = |name, value| {
            filter(&Environment::from_pairs([(name, value)])).map(|filter| filter.to_string())
        };
        for (level, expected) in [
            ("", "info"),
            ("INFO", "info"),
            ("Warning", "warn"),
            ("debug", "debug"),
        ] {
            assert_eq!(filter("LOG_LEVEL", level).as_deref(), Ok(expected));
        }
        assert_eq!(
            filter("LOG_LEVEL", "loud").unwrap_err().to_string(),
            "LOG_LEVEL=loud: unknown value; allowed: off, error, warn, warning, info, debug, trace"
        );
        assert!(filter("RUST_LOG", "worker=loud").is_err());
    }

    #[test]
    fn directives_win_over_the_level() {
        let environment =
            Environment::from_pairs([("RUST_LOG", "worker=trace"), ("LOG_LEVEL", "loud")]);
        assert_eq!(filter(&environment).unwrap().to_string(), "worker=trace");
    }
}
