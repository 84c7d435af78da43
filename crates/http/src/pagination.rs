//! Pages of a list: from where, and the link to the next.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use domain::OrderId;

/// The place after which the next page of orders begins. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    pub created_at: DateTime<Utc>,
    pub id: OrderId,
}

impl PageCursor {
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!(
            "{}|{}",
            self.created_at.timestamp_micros(),
            self.id
        ))
    }

    pub fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (micros, id) = text.split_once('|')?;
        let created_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        // No order of ours is from another age, and a database does not take every one.
        let is_ours = (1970..10_000).contains(&created_at.year());
        is_ours.then_some(Self {
            created_at,
            id: OrderId::parse(id).ok()?,
        })
    }
}

/// RFC 3986's unreserved characters stay.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The value of a `Link` header to the next page.
pub fn next_link(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let pair = |(name, value): &(&str, Option<String>)| {
        let value = value.as_deref()?;
        Some(format!("{name}={}", utf8_percent_encode(value, &ESCAPED)))
    };
    let query: Vec<String> = parameters.iter().filter_map(pair).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let page = PageCursor {
            created_at: "2026-11-21T09:08:07.123456Z".parse().unwrap(),
            id: OrderId::parse("ORD-1").unwrap(),
        };
        assert_eq!(PageCursor::decode(&page.encode()), Some(page));
        let far = URL_SAFE_NO_PAD.encode("9000000000000000000|ORD-1");
        for bad in ["", "x", "MTIz", "fA", "MXw", &far] {
            assert_eq!(PageCursor::decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_link_carries_the_filters() {
        let parameters = [
            ("status", None),
            (
                "created_after",
                Some("2026-01-01T00:00:00+01:00".to_owned()),
            ),
        ];
        let link = next_link("/orders", &parameters);
        assert_eq!(
            link,
            "</orders?created_after=2026-01-01T00%3A00%3A00%2B01%3A00>; rel=\"next\""
        );
    }
}
