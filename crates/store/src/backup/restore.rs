//! Reading a backup, first to see that it is whole, then into the database.

use std::{collections::BTreeMap, io::BufRead};

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{
    BackupError, END_OF_ROWS, FORMAT, Footer, Header, Rows, Section, Summary, create::hex, tables,
};
use crate::{error::Failed, pool};

/// Sent to the server at once.
const CHUNK: usize = 64 << 10;

/// Reads the file to its end: an error unless it is whole and this program can restore it.
pub fn inspect(mut file: impl BufRead) -> Result<Header, BackupError> {
    let (mut digest, mut rows, mut header, mut in_rows) = (Sha256::new(), 0_u64, None, false);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Err(if header.is_none() {
                BackupError::Foreign
            } else {
                BackupError::Damaged
            });
        }
        if header.is_none() {
            header = Some(check(
                serde_json::from_slice(&line).map_err(|_| BackupError::Foreign)?,
            )?);
        } else if in_rows {
            in_rows = line != END_OF_ROWS;
            rows += u64::from(in_rows);
        } else if let Ok(footer) = serde_json::from_slice::<Footer>(&line) {
            let is_whole = footer
                == Footer {
                    rows,
                    sha256: hex(&digest.finalize()),
                };
            return header.filter(|_| is_whole).ok_or(BackupError::Damaged);
        } else {
            serde_json::from_slice::<Section>(&line).map_err(BackupError::line)?;
            in_rows = true;
        }
        digest.update(&line);
    }
}

fn check(header: Header) -> Result<Header, BackupError> {
    let known = pool::newest_known();
    if header.orderflow_backup != FORMAT {
        return Err(BackupError::Format(header.orderflow_backup));
    }
    if header.schema > known {
        return Err(BackupError::Newer {
            backup: header.schema,
            known,
        });
    }
    Ok(header)
}

/// Whether no table has a row.
pub async fn is_empty(pool: &PgPool) -> Result<bool, BackupError> {
    let mut connection = pool.acquire().await.failed("connect to the database")?;
    for table in tables::all(&mut connection).await? {
        // Names from the catalog, quoted there.
        let exists = AssertSqlSafe(format!("select exists (select from {})", table.name));
        let occupied: bool = sqlx::query_scalar(exists)
            .fetch_one(&mut *connection)
            .await
            .failed("look into a table")?;
        if occupied {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Replaces all that is in the database by what is in the file, or changes nothing.
pub async fn restore(pool: &PgPool, mut file: impl BufRead) -> Result<Summary, BackupError> {
    let mut transaction = pool::begin(pool).await?;
    sqlx::raw_sql("set local lock_timeout = '30s'")
        .execute(&mut *transaction)
        .await
        .failed("limit the wait")?;
    let tables = tables::all(&mut transaction).await?;
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let truncate = AssertSqlSafe(format!("truncate {}", names.join(", ")));
    sqlx::raw_sql(truncate)
        .execute(&mut *transaction)
        .await
        .failed("empty the tables")?;
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    let header: Header = serde_json::from_slice(&line).map_err(|_| BackupError::Foreign)?;
    let mut filled = BTreeMap::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Err(BackupError::Damaged);
        }
        if serde_json::from_slice::<Footer>(&line).is_ok() {
            break;
        }
        let section: Section = serde_json::from_slice(&line).map_err(BackupError::line)?;
        // Only names that the catalog has, quoted as it quotes them, become SQL.
        let table = tables.iter().find(|table| table.name == section.table);
        let table = table.ok_or_else(|| BackupError::NoTable(section.table.clone()))?;
        if let Some(column) = section
            .columns
            .iter()
            .find(|column| !table.columns.contains(column))
        {
            return Err(BackupError::NoTable(format!(
                "{} with a column {column}",
                table.name
            )));
        }
        let rows = fill(&mut transaction, &section, &mut file).await?;
        filled.insert(section.table, rows);
    }
    for table in &tables {
        count_on(&mut transaction, table).await?;
    }
    transaction.commit().await.failed("commit")?;
    let tables = tables.into_iter().filter_map(|table| {
        let rows = filled.get(&table.name).copied()?;
        Some(Rows {
            table: table.name,
            rows,
        })
    });
    Ok(Summary {
        created_at: header.created_at,
        schema: header.schema,
        tables: tables.collect(),
    })
}

async fn fill(
    connection: &mut PgConnection,
    section: &Section,
    file: &mut impl BufRead,
) -> Result<u64, BackupError> {
    let copy = format!(
        "copy {} ({}) from stdin",
        section.table,
        section.columns.join(", ")
    );
    let mut rows = connection.copy_in_raw(&copy).await.failed("fill a table")?;
    let (mut chunk, mut line) = (Vec::with_capacity(CHUNK), Vec::new());
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            rows.abort("the file ends too early")
                .await
                .failed("fill a table")?;
            return Err(BackupError::Damaged);
        }
        if line == END_OF_ROWS {
            break;
        }
        chunk.extend_from_slice(&line);
        if chunk.len() >= CHUNK {
            rows.send(&*chunk).await.failed("fill a table")?;
            chunk.clear();
        }
    }
    rows.send(&*chunk).await.failed("fill a table")?;
    Ok(rows.finish().await.failed("fill a table")?)
}

/// Has the columns that count by themselves go on after what was restored.
async fn count_on(connection: &mut PgConnection, table: &tables::Table) -> Result<(), BackupError> {
    for column in &table.counters {
        // Names from the catalog, quoted there.
        let next = AssertSqlSafe(format!(
            "select setval(pg_get_serial_sequence('{table}', '{plain}'), coalesce(max({column}), 0) + 1, false) from {table}",
            table = table.name.replace('\'', "''"),
            plain = column.trim_matches('"').replace('\'', "''"),
        ));
        sqlx::query(next)
            .execute(&mut *connection)
            .await
            .failed("set a counter")?;
    }
    Ok(())
}
