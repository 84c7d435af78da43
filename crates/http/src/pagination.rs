//! Pagination of lists: the cursor, and the link to the next page.

use chrono::{DateTime, Datelike, Utc};
use data_encoding::BASE64URL_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use contract::OrderSort;
use domain::OrderId;

/// The last order of a page; the next page begins after it. Its text is opaque to callers.
///
/// # Examples
///
/// ```
/// use contract::OrderSort;
/// use orderflow_http::PageCursor;
///
/// let cursor = PageCursor {
///     sort: OrderSort::NewestFirst,
///     time: "2026-11-21T09:08:07Z".parse().unwrap(),
///     id: domain::OrderId::parse("ORD-1").unwrap(),
/// };
/// assert_eq!(PageCursor::decode(&cursor.encode()), Some(cursor));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    /// The sort order of the list, which the next page must have too.
    pub sort: OrderSort,
    /// The time by which the list is sorted.
    pub time: DateTime<Utc>,
    pub id: OrderId,
}

impl PageCursor {
    /// Returns the cursor as text for a query parameter.
    pub fn encode(&self) -> String {
        let text = format!("{}|{}|{}", self.sort, self.time.timestamp_micros(), self.id);
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    /// Parses a cursor that [`PageCursor::encode`] made. A cursor of an earlier release has no sort
    /// order.
    pub fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
        let parts: Vec<_> = text.split('|').collect();
        let (sort, micros, id) = match parts[..] {
            [micros, id] => (OrderSort::default(), micros, id),
            [sort, micros, id] => (OrderSort::parse(sort)?, micros, id),
            _ => return None,
        };
        let time = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        // PostgreSQL does not accept every year that chrono accepts.
        let is_valid = (1970..10_000).contains(&time.year());
        is_valid.then_some(Self {
            sort,
            time,
            id: OrderId::parse(id).ok()?,
        })
    }
}

/// Returns a text as the value of a cursor, which is opaque to callers.
pub fn encode_cursor(last: &str) -> String {
    BASE64URL_NOPAD.encode(last.as_bytes())
}

/// Returns the text of a cursor that [`encode_cursor`] made.
///
/// # Examples
///
/// ```
/// let cursor = orderflow_http::encode_cursor("A/1");
/// assert_eq!(orderflow_http::decode_cursor(&cursor).as_deref(), Some("A/1"));
/// ```
pub fn decode_cursor(text: &str) -> Option<String> {
    String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()
}

/// Returns one segment of a path, percent-encoded.
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, &ESCAPED).to_string()
}

/// All characters except RFC 3986's unreserved ones.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns the value of a `Link` header to the next page.
///
/// # Examples
///
/// ```
/// let link = orderflow_http::next_link("/orders", &[("limit", Some("50".to_owned()))]);
/// assert_eq!(link, "</orders?limit=50>; rel=\"next\"");
/// ```
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
    fn cursor_decodes_to_itself() {
        for sort in OrderSort::ALL {
            let page = PageCursor {
                sort: *sort,
                time: "2026-11-21T09:08:07.123456Z".parse().unwrap(),
                id: OrderId::parse("ORD-1").unwrap(),
            };
            assert_eq!(PageCursor::decode(&page.encode()), Some(page));
        }
        let far = BASE64URL_NOPAD.encode(b"9000000000000000000|ORD-1");
        let unknown = BASE64URL_NOPAD.encode(b"total|1|ORD-1");
        for bad in ["", "x", "MTIz", "fA", "MXw", &far, &unknown] {
            assert_eq!(PageCursor::decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cursor_of_an_earlier_release_continues() {
        let earlier = BASE64URL_NOPAD.encode(b"1000000|ORD-1");
        let page = PageCursor::decode(&earlier).unwrap();
        assert_eq!(
            (page.sort, page.time.timestamp()),
            (OrderSort::NewestFirst, 1)
        );
    }

    #[test]
    fn next_link_keeps_the_filters() {
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
