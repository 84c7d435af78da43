//! `stats`: statistics of the orders of a range of time, and of the work that waits now.

use anyhow::Result;
use serde_json::Value;

use super::{api_client::ApiClient, arguments::StatsArguments, query_path::query_path};
use crate::output::{format_fields, format_money, format_table, print};

pub(crate) async fn show_stats(arguments: StatsArguments) -> Result<()> {
    let path = query_path("/stats", [("from", arguments.from), ("to", arguments.to)]);
    let response = ApiClient::from_env()?.get_path(&path).await?;
    if arguments.output.json {
        return print(&response.text);
    }
    let stats = &response.body;
    let parts = [
        format_range(stats),
        format_counts(&stats["statuses"], ("STATUS", "status")),
        format_steps(&stats["steps"]),
        format_counts(&stats["failures"], ("FAILURE", "code")),
        format_waiting(stats),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    print(&parts.join("\n\n"))
}

fn format_range(stats: &Value) -> String {
    let orders: u64 = rows_of(&stats["statuses"])
        .filter_map(|count| count["orders"].as_u64())
        .sum();
    let [from, to] = ["from", "to"].map(|name| text(&stats[name]));
    format!("{orders} orders were created from {from} to {to}")
}

/// Formats a table of numbers of orders, or an empty text.
fn format_counts(counts: &Value, (heading, name): (&str, &str)) -> String {
    let row = |count: &Value| vec![text(&count[name]), text(&count["orders"])];
    format_rows(&[heading, "ORDERS"], rows_of(counts).map(row).collect())
}

fn format_steps(steps: &Value) -> String {
    let row = |step: &Value| {
        let time = |name: &str| step[name].as_f64().map(format_seconds).unwrap_or_default();
        let [median, highest] = ["p50_seconds", "p95_seconds"].map(time);
        vec![text(&step["step"]), text(&step["orders"]), median, highest]
    };
    let names = ["STEP", "ORDERS", "P50", "P95"];
    format_rows(&names, rows_of(steps).map(row).collect())
}

fn format_waiting(stats: &Value) -> String {
    let counts = [
        ("in review now", "in_review"),
        ("held now", "held"),
        ("stalled now", "stalled"),
    ];
    let counts = counts.map(|(name, field)| (name, text(&stats[field])));
    let money = rows_of(&stats["money"]).flat_map(|money| {
        let amount = |field: &str| {
            let amount = money.get(field).filter(|amount| **amount != 0);
            format_money(amount, money["currency"].as_str().unwrap_or_default())
        };
        [
            ("money due", amount("due")),
            ("unmatched money", amount("unmatched")),
        ]
    });
    format_fields(&counts.into_iter().chain(money).collect::<Vec<_>>())
}

fn format_rows(names: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        String::new()
    } else {
        format_table(names, &rows)
    }
}

fn rows_of(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Formats a time in the largest unit that it reaches.
fn format_seconds(seconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    let reached = UNITS.into_iter().find(|(length, _)| seconds >= *length);
    match reached {
        Some((length, unit)) => format!("{:.1} {unit}", seconds / length),
        None => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_the_largest_unit_that_it_reaches() {
        for (seconds, expected) in [
            (0.0, "0.00 s"),
            (59.5, "59.50 s"),
            (60.0, "1.0 min"),
            (7_200.0, "2.0 h"),
            (129_600.0, "1.5 d"),
        ] {
            assert_eq!(format_seconds(seconds), expected);
        }
    }
}
