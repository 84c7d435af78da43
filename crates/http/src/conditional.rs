//! Conditional requests: `ETag` and `If-None-Match` (RFC 9110, sections 8.8.3 and 13.1.2).
//!
//! An order's tag changes with every audit event, so a caller can poll without new bodies.

use lambda_http::http::{HeaderMap, HeaderName, header};

use crate::prefer::split_unquoted;

/// An entity tag of an order: the `seq` of its last audit event.
///
/// The tag is weak: two responses with one `seq` mean the same and can differ in their bytes.
/// They name their source, and an estimate that starts now changes with the clock.
///
/// # Examples
///
/// ```
/// assert_eq!(orderflow_http::ETag(7).to_string(), "W/\"7\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub u32);

impl std::fmt::Display for ETag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "W/\"{}\"", self.0)
    }
}

/// The entity tags that a caller has cached, from the header `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// `*`: any current representation.
    Any,
    /// The opaque parts of the tags: `If-None-Match` compares weak and strong tags alike.
    Tags(Vec<String>),
}

impl IfNoneMatch {
    /// Returns `None` if the header is missing or malformed; the caller then gets a full response.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        match read_tags(headers, &header::IF_NONE_MATCH)? {
            None => Some(Self::Any),
            Some(tags) => (!tags.is_empty()).then_some(Self::Tags(tags)),
        }
    }

    /// Returns whether the caller has cached this state of an order.
    pub fn matches(&self, tag: ETag) -> bool {
        self.matches_opaque_tag(&tag.0.to_string())
    }

    /// Returns whether one of the caller's tags has this opaque part.
    pub fn matches_opaque_tag(&self, opaque: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|known| known == opaque),
        }
    }
}

/// Returns the states of an order that a change is for, from the header `If-Match` (RFC 9110, 13.1.1):
/// the `seq` of each tag, or `None` without the header and with `*`. Our tags are weak, so weak and
/// strong tags are compared alike. A malformed header matches no state.
pub(crate) fn accepted_states(headers: &HeaderMap) -> Option<Vec<u32>> {
    if !headers.contains_key(header::IF_MATCH) {
        return None;
    }
    match read_tags(headers, &header::IF_MATCH) {
        Some(None) => None,
        Some(Some(tags)) => Some(tags.iter().filter_map(|tag| tag.parse().ok()).collect()),
        None => Some(Vec::new()),
    }
}

/// Returns the opaque parts of the tags in a header; `Some(None)` for `*`, and `None` for a malformed
/// header.
fn read_tags(headers: &HeaderMap, name: &HeaderName) -> Option<Option<Vec<String>>> {
    let mut tags = Vec::new();
    for line in headers.get_all(name) {
        let line = line.to_str().ok()?.trim();
        if line == "*" {
            return Some(None);
        }
        for tag in split_unquoted(line, ',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
        {
            let opaque = tag
                .strip_prefix("W/")
                .unwrap_or(tag)
                .strip_prefix('"')?
                .strip_suffix('"')?;
            tags.push(opaque.to_owned());
        }
    }
    Some(Some(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(lines: &[&str]) -> Option<IfNoneMatch> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_NONE_MATCH, line.parse().unwrap());
        }
        IfNoneMatch::from_headers(&headers)
    }

    #[test]
    fn weak_and_strong_tags_match() {
        assert_eq!(ETag(7).to_string(), "W/\"7\"");
        for lines in [
            &["W/\"7\""][..],
            &["\"7\""],
            &["\"6\", W/\"7\""],
            &["\"6\"", "\"7\""],
            &["\"a,b\",\"7\""],
            &["*"],
            &[" , \"7\" ,"],
        ] {
            assert!(
                known(lines).is_some_and(|known| known.matches(ETag(7))),
                "{lines:?}"
            );
        }
        for lines in [&["W/\"6\""][..], &["\"77\", \"07\""], &["\"a, 7\""]] {
            assert!(
                known(lines).is_some_and(|known| !known.matches(ETag(7))),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn change_is_for_the_named_states() {
        let accepted = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_MATCH, line.parse().unwrap());
            accepted_states(&headers)
        };
        assert_eq!(accepted("W/\"7\""), Some(vec![7]));
        assert_eq!(accepted("\"6\", W/\"7\", \"other\""), Some(vec![6, 7]));
        assert_eq!(accepted("*"), None);
        assert_eq!(accepted("7"), Some(vec![]));
        assert_eq!(accepted_states(&HeaderMap::new()), None);
    }

    #[test]
    fn malformed_tag_list_is_ignored() {
        for lines in [
            &[][..],
            &[""],
            &["7"],
            &["w/\"7\""],
            &["\"7"],
            &["\"6\", 7"],
        ] {
            assert_eq!(known(lines), None, "{lines:?}");
        }
    }
}
