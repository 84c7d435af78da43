//! The media type that a caller prefers.

use lambda_http::http::{HeaderMap, header};

/// Returns whether the header `Accept` ranks CSV above JSON. Without the header, JSON is preferred.
pub(crate) fn prefers_csv(headers: &HeaderMap) -> bool {
    let ranges: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(parse_range)
        .collect();
    let weight = |name: &str| {
        ranges
            .iter()
            .find(|(range, _)| range == name)
            .map(|range| range.1)
    };
    let csv = weight("text/csv").unwrap_or_default();
    let json = weight("application/json").or(weight("application/*"));
    // A range that names a type precedes one that includes it.
    csv > json.unwrap_or_default() && csv >= weight("*/*").unwrap_or_default()
}

/// Returns the range in lower case and its weight, which is 0 if it is invalid.
fn parse_range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
    (range, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_must_be_named_and_ranked_above_json() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/*"), false),
            (Some("application/json"), false),
            (Some("text/csv"), true),
            (Some("Text/CSV; charset=utf-8"), true),
            (Some("text/csv, */*"), true),
            (Some("text/csv, application/json"), false),
            (Some("text/csv, application/json;q=0.9"), true),
            (Some("text/csv;q=0.5, application/json;q=0.9"), false),
            (Some("text/csv;q=0.5, */*;q=0.1"), true),
            (Some("text/csv;q=0"), false),
            (Some("text/csv;q=x"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(prefers_csv(&headers), expected, "{accept:?}");
        }
    }
}
