//! The context of a trace, as W3C Trace Context defines it (<https://www.w3.org/TR/trace-context/>).

use std::{collections::BTreeMap, fmt};

const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
/// The length of `traceparent` in version 00. Later versions can append fields.
const LENGTH: usize = 55;
/// A program must pass on at least this length of `tracestate`.
const MAX_STATE: usize = 512;
const SAMPLED: u8 = 1;

/// The context of one span, which a request carries to the next program.
///
/// ```
/// let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01";
/// let context = telemetry::TraceContext::from_fields([("traceparent", caller)]).unwrap();
/// assert_eq!(context.fields()["traceparent"], caller);
/// assert!(telemetry::TraceContext::from_fields([("traceparent", "00-0-0-01")]).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) flags: u8,
    /// The fields of other vendors, which are passed on unread.
    pub(super) state: String,
}

impl TraceContext {
    /// Reads the fields `traceparent` and `tracestate`. Returns `None` if the first one is missing or
    /// invalid.
    pub fn from_fields<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let fields: BTreeMap<_, _> = fields.into_iter().collect();
        let mut context = Self::parse(fields.get(TRACE_PARENT)?.trim())?;
        if let Some(state) = fields.get(TRACE_STATE).filter(|state| is_state(state)) {
            (*state).clone_into(&mut context.state);
        }
        Some(context)
    }

    fn parse(text: &str) -> Option<Self> {
        let (fields, more) = (text.get(..LENGTH)?, text.get(LENGTH..)?);
        let mut parts = fields.split('-');
        let [version, trace_id, span_id, flags] = [2, 32, 16, 2].map(|length| {
            parts
                .next()
                .filter(|part| part.len() == length && part.bytes().all(is_lower_hex))
        });
        let is_valid = match version? {
            "ff" => false,
            "00" => more.is_empty(),
            _ => more.is_empty() || more.starts_with('-'),
        };
        let context = Self {
            trace_id: u128::from_str_radix(trace_id?, 16).ok()?,
            span_id: u64::from_str_radix(span_id?, 16).ok()?,
            flags: u8::from_str_radix(flags?, 16).ok()? & SAMPLED,
            state: String::new(),
        };
        (is_valid && context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// Returns the context of a new trace, which is not sampled.
    pub(super) fn random() -> Self {
        Self {
            // A random number is zero once in an age of the universe.
            trace_id: rand::random::<u128>().max(1),
            span_id: rand::random::<u64>().max(1),
            flags: 0,
            state: String::new(),
        }
    }

    /// Returns the fields for a request: `traceparent`, and `tracestate` if it is not empty.
    pub fn fields(&self) -> BTreeMap<&'static str, String> {
        let mut fields = BTreeMap::from([(TRACE_PARENT, self.to_string())]);
        if !self.state.is_empty() {
            fields.insert(TRACE_STATE, self.state.clone());
        }
        fields
    }

    /// Returns the context of another span of the same trace.
    #[must_use]
    pub fn with_span_id(&self, span_id: [u8; 8]) -> Self {
        Self {
            span_id: u64::from_be_bytes(span_id),
            ..self.clone()
        }
    }

    /// Returns the id of the trace in hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Returns whether the spans of the trace are recorded.
    pub(super) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Formats the value of `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
            ..
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_state(text: &str) -> bool {
    text.len() <= MAX_STATE && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01";

    #[test]
    fn invalid_context_of_a_caller_is_ignored() {
        for bad in [
            "",
            "x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0b1902b7-01",
            "00-00000000000000000000000000000000-00f067aa0b1902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0b1902b7-01",
        ] {
            assert_eq!(TraceContext::from_fields([("traceparent", bad)]), None);
        }
    }

    #[test]
    fn context_of_a_later_version_is_read() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-03-more";
        let context = TraceContext::from_fields([("traceparent", later)]).unwrap();
        assert_eq!(context.to_string(), CALLER);
    }

    #[test]
    fn state_of_the_caller_is_kept() {
        let fields = [("traceparent", CALLER), ("tracestate", "vendor=1")];
        let context = TraceContext::from_fields(fields).unwrap();
        assert_eq!(context.fields()["tracestate"], "vendor=1");
        let child = context.with_span_id([7; 8]);
        assert_eq!(
            child.fields()["traceparent"],
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0707070707070707-01"
        );
        assert_eq!(child.trace_id(), context.trace_id());
        let long = "x".repeat(MAX_STATE + 1);
        let without = TraceContext::from_fields([fields[0], ("tracestate", &long)]).unwrap();
        assert_eq!(without.fields().len(), 1);
    }
}
