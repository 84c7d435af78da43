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
        let table = adhoc_query::run_query(&pool, &sql, arguments.limit).await?;
        if table.has_more {
            eprintln!(
                "only the first {} rows are printed; print more with --limit",
                arguments.limit
            );
        }
        return if json {
            print_json(&rows_json(&table))
        } else {
            print(&format_rows(&table))
        };
    }
    let (mut documents, mut texts) = (Map::new(), Vec::new());
    for (title, sql) in adhoc_query::OVERVIEW_QUERIES {
        let table = adhoc_query::run_query(&pool, sql, arguments.limit).await?;
        documents.insert(title.replace(' ', "_"), rows_json(&table));
        texts.push(format!("{}\n{}", paint_heading(title), format_rows(&table)));
    }
    if json {
        print_json(&documents)
    } else {
        print(&texts.join("\n\n"))
    }
}

fn format_rows(table: &QueryTable) -> String {
    let names: Vec<_> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let rows: Vec<Vec<String>> = table
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

fn rows_json(table: &QueryTable) -> Value {
    let document = |row: &Vec<Option<String>>| -> Value {
        let cells = table.columns.iter().zip(row).map(|(column, cell)| {
            let value = cell
                .as_deref()
                .map_or(Value::Null, |text| cell_json(column.kind, text));
            (column.name.clone(), value)
        });
        cells.collect::<Map<_, _>>().into()
    };
    table.rows.iter().map(document).collect()
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
