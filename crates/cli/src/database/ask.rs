//! `db`.

use anyhow::Result;
use serde_json::{Map, Value};

use super::arguments::Question;
use crate::{
    output::{headline, print, print_json, table},
    target,
};
use store::console::{self, Kind, Table};

pub(crate) async fn ask(question: Question) -> Result<()> {
    let pool = target::database().await?;
    let json = question.output.json;
    if let Some(sql) = question.sql {
        let answer = console::ask(&pool, &sql, question.limit).await?;
        if answer.more {
            eprintln!(
                "only the first {} rows are shown; see more with --limit",
                question.limit
            );
        }
        return if json {
            print_json(&documents(&answer))
        } else {
            print(&text(&answer))
        };
    }
    let (mut answers, mut texts) = (Map::new(), Vec::new());
    for (title, sql) in console::OVERVIEW {
        let answer = console::ask(&pool, sql, question.limit).await?;
        answers.insert(title.replace(' ', "_"), documents(&answer));
        texts.push(format!("{}\n{}", headline(title), text(&answer)));
    }
    if json {
        print_json(&answers)
    } else {
        print(&texts.join("\n\n"))
    }
}

fn text(answer: &Table) -> String {
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
        format!("{}\n{end}", table(&names, &rows))
    }
}

fn documents(answer: &Table) -> Value {
    let document = |row: &Vec<Option<String>>| -> Value {
        let cells = answer.columns.iter().zip(row).map(|(column, cell)| {
            let value = cell
                .as_deref()
                .map_or(Value::Null, |text| value(column.kind, text));
            (column.name.clone(), value)
        });
        cells.collect::<Map<_, _>>().into()
    };
    answer.rows.iter().map(document).collect()
}

fn value(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Boolean => (text == "t").into(),
        // `NaN` is a number to PostgreSQL.
        Kind::Number | Kind::Json => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        Kind::Text => text.into(),
    }
}
