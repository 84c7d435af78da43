//! The settings of traces, with the standard names of OpenTelemetry.

use std::{collections::HashMap, fmt};

use percent_encoding::percent_decode_str;

use super::sampling::{Root, Sampling};
use settings::{
    Environment, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
    OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, SettingError,
};

/// The settings of traces.
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "the export is not compiled")
)]
pub(crate) struct TraceSettings {
    pub(super) exports: bool,
    /// The address of the collector's traces: the endpoint and `/v1/traces`.
    pub(super) endpoint: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) service: String,
    pub(super) sampling: Sampling,
}

/// Omits the headers, which may contain a key.
impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings")
            .field("exports", &self.exports)
            .field("endpoint", &self.endpoint)
            .field("service", &self.service)
            .field("sampling", &self.sampling)
            .finish_non_exhaustive()
    }
}

const EXPORTERS: [(&str, bool); 2] = [("otlp", true), ("none", false)];

#[derive(Debug, Clone, Copy)]
enum RootRule {
    On,
    Off,
    Ratio,
}

/// The rule of each sampler, and whether it follows the caller.
const SAMPLERS: [(&str, (RootRule, bool)); 6] = [
    ("always_on", (RootRule::On, false)),
    ("always_off", (RootRule::Off, false)),
    ("traceidratio", (RootRule::Ratio, false)),
    ("parentbased_always_on", (RootRule::On, true)),
    ("parentbased_always_off", (RootRule::Off, true)),
    ("parentbased_traceidratio", (RootRule::Ratio, true)),
];

impl TraceSettings {
    /// Reads the settings. Returns `None` without an endpoint, which turns tracing off.
    ///
    /// # Errors
    ///
    /// Fails on a value that is not allowed.
    pub(crate) fn read(
        environment: &Environment,
        service: &str,
    ) -> Result<Option<Self>, SettingError> {
        let Some(endpoint) = environment.get(&OTEL_EXPORTER_OTLP_ENDPOINT) else {
            return Ok(None);
        };
        if endpoint.contains(['@', '?', '#']) {
            // The value may be a credential, and errors and logs contain it.
            return Err(OTEL_EXPORTER_OTLP_ENDPOINT.reject(
                "…",
                "has a user, a query or a fragment; set credentials in OTEL_EXPORTER_OTLP_HEADERS",
            ));
        }
        if !is_address(endpoint) {
            return Err(OTEL_EXPORTER_OTLP_ENDPOINT.reject(endpoint, "not an address"));
        }
        let headers = environment
            .get(&OTEL_EXPORTER_OTLP_HEADERS)
            .unwrap_or_default();
        Ok(Some(Self {
            exports: environment.choose(&OTEL_TRACES_EXPORTER, &EXPORTERS)?,
            endpoint: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            headers: parse_headers(headers).ok_or_else(|| {
                OTEL_EXPORTER_OTLP_HEADERS.reject(headers, "not a list of headers")
            })?,
            service: environment
                .get(&OTEL_SERVICE_NAME)
                .unwrap_or(service)
                .to_owned(),
            sampling: read_sampling(environment)?,
        }))
    }
}

fn is_address(endpoint: &str) -> bool {
    let host = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"));
    host.is_some_and(|host| {
        host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && !host.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    })
}

fn read_sampling(environment: &Environment) -> Result<Sampling, SettingError> {
    let (rule, follows_caller) = environment.choose(&OTEL_TRACES_SAMPLER, &SAMPLERS)?;
    let text = environment.get_or_default(&OTEL_TRACES_SAMPLER_ARG);
    let share: Option<f64> = text.parse().ok();
    let share = share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| OTEL_TRACES_SAMPLER_ARG.reject(text, "not a share"))?;
    let root = match rule {
        RootRule::On => Root::On,
        RootRule::Off => Root::Off,
        RootRule::Ratio => Root::Ratio(share),
    };
    Ok(Sampling {
        root,
        follows_caller,
    })
}

/// Parses `name=value,name=value` with percent-encoded values. Returns `None` if an entry has no name.
fn parse_headers(text: &str) -> Option<HashMap<String, String>> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let name = name.trim();
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, String> {
        let environment = Environment::from_pairs(variables.iter().copied());
        TraceSettings::read(&environment, "worker").map_err(|error| error.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/");

    #[test]
    fn tracing_is_off_without_an_endpoint() {
        assert!(read(&[("OTEL_SERVICE_NAME", "shop")]).unwrap().is_none());
        let traced = read(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!(traced.endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!((traced.service.as_str(), traced.exports), ("worker", true));
        for bad in ["4318", "127.0.0.1:4318", "grpc://collector:4317", "http://"] {
            let error = read(&[(ENDPOINT.0, bad)]).unwrap_err();
            assert!(error.contains("not an address"), "{error}");
        }
        for secret in [
            "http://user:secret@collector:4318",
            "http://collector:4318/?key=secret",
        ] {
            let error = read(&[(ENDPOINT.0, secret)]).unwrap_err();
            assert!(!error.contains("secret") && error.contains("OTEL_EXPORTER_OTLP_HEADERS"));
        }
        let none = read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]);
        assert!(!none.unwrap().unwrap().exports);
    }

    #[test]
    fn headers_are_decoded_and_hidden() {
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        let traced = read(&[ENDPOINT, (name, "api-key=a%20b, x-team=shop")]);
        let traced = traced.unwrap().unwrap();
        let headers = &traced.headers;
        assert_eq!(
            (headers["api-key"].as_str(), headers["x-team"].as_str()),
            ("a b", "shop")
        );
        assert!(!format!("{traced:?}").contains("a b"));
        let error = read(&[ENDPOINT, (name, "top-secret")]).unwrap_err();
        assert!(!error.contains("top-secret"), "{error}");
    }

    #[test]
    fn sampler_has_the_standard_names() {
        let sampling = |variables: &[(&str, &str)]| {
            let variables = [&[ENDPOINT], variables].concat();
            read(&variables).map(|traced| traced.unwrap().sampling)
        };
        assert_eq!(sampling(&[]).unwrap(), Sampling::default());
        let ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        let share = |share| sampling(&[ratio, ("OTEL_TRACES_SAMPLER_ARG", share)]);
        let quarter = Sampling {
            root: Root::Ratio(0.25),
            follows_caller: false,
        };
        assert_eq!(share("0.25").unwrap(), quarter);
        for bad in ["2", "-1", "half", "NaN"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!(sampling(&[("OTEL_TRACES_SAMPLER", "sometimes")]).is_err());
    }
}
