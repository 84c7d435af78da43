//! `ETag` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1.2): has the order moved since the caller looked?

use lambda_http::http::{HeaderMap, header};

use crate::prefer::split_unquoted;

/// The last entry of an order's audit trail, as an entity tag.
///
/// A weak one: answers of one `seq` mean the same and are not the same bytes. They name their source, and an
/// estimate that is counted from now moves with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub u32);

impl std::fmt::Display for ETag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "W/\"{}\"", self.0)
    }
}

/// What a caller has already, by `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// `*`: whatever there is.
    Any,
    /// The opaque parts of the tags: for this header weak and strong ones compare alike.
    Tags(Vec<String>),
}

impl IfNoneMatch {
    /// `None` without the header, and where it is not well-formed: then the caller gets a whole answer.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut tags = Vec::new();
        for line in headers.get_all(header::IF_NONE_MATCH) {
            let line = line.to_str().ok()?.trim();
            if line == "*" {
                return Some(Self::Any);
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
        (!tags.is_empty()).then_some(Self::Tags(tags))
    }

    /// Whether the caller has this state.
    pub fn matches(&self, tag: ETag) -> bool {
        self.matches_opaque_tag(&tag.0.to_string())
    }

    /// Whether the caller has what this opaque part of a tag stands for.
    pub fn matches_opaque_tag(&self, opaque: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|known| known == opaque),
        }
    }
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
    fn a_tag_is_known_by_any_spelling_of_it() {
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
    fn what_is_no_list_of_tags_is_ignored() {
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
