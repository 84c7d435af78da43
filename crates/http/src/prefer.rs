//! `Prefer: wait=N` (RFC 7240): a caller's preferred wait for a change, in seconds.

use std::time::Duration;

use lambda_http::http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longest wait in seconds. API Gateway times out after 29 s, and Lambda bills the time of a wait.
pub const MAX_WAIT_SECONDS: u64 = 20;

/// A caller's preferred wait in whole seconds, at most [`MAX_WAIT_SECONDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(u64);

impl Wait {
    /// Returns the wait of the header, or `None` if it has no valid one.
    ///
    /// A server may ignore any preference (RFC 7240, section 2), so a malformed one is not an
    /// error.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let lines = headers
            .get_all(PREFER)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut preferences = lines.flat_map(|line| split_unquoted(line, ','));
        // The first of two equal preferences counts (RFC 7240, section 2).
        let value = preferences.find_map(|preference| {
            // Parameters follow a semicolon; `wait` has none.
            let (name, value) = split_unquoted(preference, ';').next()?.split_once('=')?;
            name.trim().eq_ignore_ascii_case("wait").then_some(value)
        })?;
        let value = value.trim();
        let word = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value);
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        // A number that does not fit into 64 bits is more than the longest wait.
        is_number.then(|| {
            Self(word.parse().map_or(MAX_WAIT_SECONDS, |seconds: u64| {
                seconds.min(MAX_WAIT_SECONDS)
            }))
        })
    }

    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Returns the wait of this number of seconds, at most [`MAX_WAIT_SECONDS`].
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.min(MAX_WAIT_SECONDS))
    }

    /// Returns the value of `Preference-Applied`: the applied wait, which can be shorter than the
    /// preferred one.
    pub(crate) fn preference_applied(self) -> String {
        format!("wait={}", self.0)
    }
}

/// Splits a header's value at each separator outside of quoted strings.
pub(crate) fn split_unquoted(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |character| {
        if escaped {
            escaped = false;
        } else if character == '"' {
            quoted = !quoted;
        } else if quoted && character == '\\' {
            escaped = true;
        }
        character == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(lines: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, line.parse().unwrap());
        }
        Wait::from_headers(&headers).map(|wait| wait.0)
    }

    #[test]
    fn wait_is_found_among_other_preferences() {
        for (lines, seconds) in [
            (&["wait=5"][..], 5),
            (&["respond-async, wait=10"], 10),
            (&["respond-async", "handling=lenient , Wait = 7"], 7),
            (&["foo; wait=3, wait=4; bar"], 4),
            (&["note=\"a, wait=1\", wait=2"], 2),
            (&["note=\"\\\", wait=1\", wait=2"], 2),
            (&["wait=\"6\""], 6),
            (&["wait=8, wait=9"], 8),
            (&["wait=0"], 0),
            (&["wait=60"], 20),
            (&["wait=99999999999999999999999"], 20),
        ] {
            assert_eq!(wait(lines), Some(seconds), "{lines:?}");
        }
    }

    #[test]
    fn malformed_wait_is_ignored() {
        for lines in [
            &[][..],
            &[""],
            &["wait"],
            &["wait="],
            &["wait=-1"],
            &["wait=1.5"],
            &["wait=soon"],
            &["waits=5"],
        ] {
            assert_eq!(wait(lines), None, "{lines:?}");
        }
    }
}
