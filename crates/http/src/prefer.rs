//! `Prefer: wait=N` (RFC 7240): how long a caller is ready to wait for an answer worth having.

use std::time::Duration;

use lambda_http::http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// API Gateway gives up after 29 s, and a function is paid for as long as it waits.
pub const MAX_WAIT_SECONDS: u64 = 20;

/// How long a caller is ready to wait, in whole seconds, at most 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(u64);

impl Wait {
    /// What nobody can read is no preference: a server may ignore any of them (RFC 7240, 2).
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let lines = headers
            .get_all(PREFER)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut preferences = lines.flat_map(|line| split_unquoted(line, ','));
        // Of one that is given twice, the first counts.
        let value = preferences.find_map(|preference| {
            // What follows a semicolon are parameters, and `wait` has none.
            let (name, value) = split_unquoted(preference, ';').next()?.split_once('=')?;
            name.trim().eq_ignore_ascii_case("wait").then_some(value)
        })?;
        let value = value.trim();
        let word = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value);
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        // Digits beyond any number are many seconds.
        is_number.then(|| {
            Self(word.parse().map_or(MAX_WAIT_SECONDS, |seconds: u64| {
                seconds.min(MAX_WAIT_SECONDS)
            }))
        })
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The value of `Preference-Applied`: what holds, which may be less than what was asked for.
    pub(crate) fn preference_applied(self) -> String {
        format!("wait={}", self.0)
    }
}

/// The parts of a header's value between separators that stand in no quoted string.
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
    fn a_wait_is_found_among_other_preferences() {
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
    fn what_is_no_wait_is_ignored() {
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
