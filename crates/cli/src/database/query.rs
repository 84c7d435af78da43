//! `db`.

use anyhow::Result;
use serde_json::{Map, Value};

use super::arguments::QueryArguments;
use crate::{
    output::{format_table, paint_heading, print, print_json},
    target,
};
use store::adhoc_query::{self, ColumnKind, QueryTable};

pub(crate) async fn run_query(arguments: QueryArguments) -> Result<()> {
    let pool = target::open_database().await?;
    let json = arguments.output.json;
    if let Some(sql) = arguments.sql {
        let answer = adhoc_query::run_query(&pool, &sql, arguments.limit).await?;
        if answer.has_more {
            eprintln!(
                "only the first {} rows are printed; print more with --limit",
                arguments.limit
            );
        }
        return if json {
            print_json(&rows_json(&answer))
        } else {
            print(&format_rows(&answer))
        };
    }
    let (mut answers, mut texts) = (Map::new(), Vec::new());
    for (title, sql) in adhoc_query::OVERVIEW_QUERIES {
        let answer = adhoc_query::run_query(&pool, sql, arguments.limit).await?;
        answers.insert(title.replace(' ', "_"), rows_json(&answer));
        texts.push(format!(
            "{}\n{}",
            paint_heading(title),
            format_rows(&answer)
        ));
    }
    if json {
        print_json(&answers)
    } else {
        print(&texts.join("\n\n"))
    }
}

fn format_rows(answer: &QueryTable) -> String {
    let names: Vec<_> = answer
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let rows: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| cell.clone().unwrap_or_default())
                .collect()
        })
        .collect();
    let rows_word = if rows.len() == 1 { "row" } else { "rows" };
    let end = format!("({} {rows_word})", rows.len());
    if names.is_empty() {
        end
    } else {
        format!("{}\n{end}", format_table(&names, &rows))
    }
}

fn rows_json(answer: &QueryTable) -> Value {
    let document = |row: &Vec<Option<String>>| -> Value {
        let cells = answer.columns.iter().zip(row).map(|(column, cell)| {
            let value = cell
                .as_deref()
                .map_or(Value::Null, |text| cell_json(column.kind, text));
            (column.name.clone(), value)
        });
        cells.collect::<Map<_, _>>().into()
    };
    answer.rows.iter().map(document).collect()
}

fn cell_json(kind: ColumnKind, text: &str) -> Value {
    match kind {
        ColumnKind::Boolean => (text == "t").into(),
        // PostgreSQL has the number `NaN`, which JSON has not.
        ColumnKind::Number | ColumnKind::Json => {
            serde_json::from_str(text).unwrap_or_else(|_| text.into())
        }
        ColumnKind::Text => text.into(),
    }
}
