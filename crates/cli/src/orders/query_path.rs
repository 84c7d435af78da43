//! Paths with a query.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Returns the path with the parameters that have a value.
pub(super) fn query_path<const N: usize>(
    path: &str,
    parameters: [(&str, Option<String>); N],
) -> String {
    let pairs = parameters.into_iter().filter_map(|(name, value)| {
        let value = value?;
        let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
        Some(format!("{name}={value}"))
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_values_are_left_out() {
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(query_path("/stats", [("from", None)]), "/stats");
        let parameters = [("q", text("a/b c")), ("from", None), ("limit", text("2"))];
        assert_eq!(
            query_path("/orders", parameters),
            "/orders?q=a%2Fb%20c&limit=2"
        );
    }
}
