//! Verification and restore of a backup.

use std::{collections::BTreeMap, io::BufRead};

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::{
    BackupError, END_OF_ROWS, FORMAT, Footer, Header, Section, Summary, TableRows, create::hex,
    tables,
};
use crate::{error::SqlxResultExt, migrations, pool};

/// The number of bytes that one message to the server has at least, except the last.
const CHUNK: usize = 64 << 10;

/// Reads the file to its end and verifies its digest.
///
/// # Errors
///
/// When the file is not a complete backup, or is one of a newer orderflow.
pub fn check_file(mut file: impl BufRead) -> Result<Header, BackupError> {
    let (mut digest, mut rows, mut header, mut in_rows) = (Sha256::new(), 0_u64, None, false);
    let mut line = Vec::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Err(if header.is_none() {
                BackupError::NotABackup
            } else {
                BackupError::Damaged
            });
        }
        if header.is_none() {
            header = Some(check_header(
                serde_json::from_slice(&line).map_err(|_| BackupError::NotABackup)?,
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
            serde_json::from_slice::<Section>(&line).map_err(BackupError::from_line_error)?;
            in_rows = true;
        }
        digest.update(&line);
    }
}

fn check_header(header: Header) -> Result<Header, BackupError> {
    let known = migrations::latest_known_version();
    if header.orderflow_backup != FORMAT {
        return Err(BackupError::UnknownFormat(header.orderflow_backup));
    }
    if header.schema > known {
        return Err(BackupError::NewerSchema {
            backup: header.schema,
            known,
        });
    }
    Ok(header)
}

/// Whether all tables are empty.
pub async fn is_database_empty(pool: &PgPool) -> Result<bool, BackupError> {
    let mut connection = pool
        .acquire()
        .await
        .for_operation("connect to the database")?;
    for table in tables::list_tables(&mut connection).await? {
        // The name is quoted by the catalog query.
        let exists = AssertSqlSafe(format!("select exists (select from {})", table.name));
        let occupied: bool = sqlx::query_scalar(exists)
            .fetch_one(&mut *connection)
            .await
            .for_operation("read a table")?;
        if occupied {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Replaces the content of the database by the content of the file, in one transaction.
///
/// # Errors
///
/// When the file or the database is not suitable. Then nothing is changed.
pub async fn restore(pool: &PgPool, mut file: impl BufRead) -> Result<Summary, BackupError> {
    let mut transaction = pool::begin(pool).await?;
    // The backup contains the stock movements and the messages, so the triggers must not add them again.
    sqlx::raw_sql(
        "set local lock_timeout = '30s'; set local orderflow.has_movement = 'on';
         set local orderflow.has_messages = 'on'",
    )
    .execute(&mut *transaction)
    .await
    .for_operation("set the lock timeout")?;
    let tables = tables::list_tables(&mut transaction).await?;
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let truncate = AssertSqlSafe(format!("truncate {}", names.join(", ")));
    sqlx::raw_sql(truncate)
        .execute(&mut *transaction)
        .await
        .for_operation("empty the tables")?;
    let mut line = Vec::new();
    file.read_until(b'\n', &mut line)?;
    let header: Header = serde_json::from_slice(&line).map_err(|_| BackupError::NotABackup)?;
    let mut filled = BTreeMap::new();
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Err(BackupError::Damaged);
        }
        if serde_json::from_slice::<Footer>(&line).is_ok() {
            break;
        }
        let section: Section =
            serde_json::from_slice(&line).map_err(BackupError::from_line_error)?;
        // Only names that the catalog query has returned become part of SQL.
        let table = tables.iter().find(|table| table.name == section.table);
        let table = table.ok_or_else(|| BackupError::MissingTable(section.table.clone()))?;
        if let Some(column) = section
            .columns
            .iter()
            .find(|column| !table.columns.contains(column))
        {
            return Err(BackupError::MissingTable(format!(
                "{} with column {column}",
                table.name
            )));
        }
        let rows = fill_table(&mut transaction, &section, &mut file).await?;
        filled.insert(section.table, rows);
    }
    for table in &tables {
        advance_counters(&mut transaction, table).await?;
    }
    // A backup of an earlier release has no movements.
    sqlx::query_scalar!("select add_opening_movements()")
        .fetch_one(&mut *transaction)
        .await
        .for_operation("add the opening movements")?;
    transaction.commit().await.for_operation("commit")?;
    let tables = tables.into_iter().filter_map(|table| {
        let rows = filled.get(&table.name).copied()?;
        Some(TableRows {
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

/// Copies the rows of one table from the file to the database, and returns their number.
async fn fill_table(
    connection: &mut PgConnection,
    section: &Section,
    file: &mut impl BufRead,
) -> Result<u64, BackupError> {
    let copy = format!(
        "copy {} ({}) from stdin",
        section.table,
        section.columns.join(", ")
    );
    let mut rows = connection
        .copy_in_raw(&copy)
        .await
        .for_operation("fill a table")?;
    let (mut chunk, mut line) = (Vec::with_capacity(CHUNK), Vec::new());
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            rows.abort("the file ends within a table")
                .await
                .for_operation("fill a table")?;
            return Err(BackupError::Damaged);
        }
        if line == END_OF_ROWS {
            break;
        }
        chunk.extend_from_slice(&line);
        if chunk.len() >= CHUNK {
            rows.send(&*chunk).await.for_operation("fill a table")?;
            chunk.clear();
        }
    }
    rows.send(&*chunk).await.for_operation("fill a table")?;
    Ok(rows.finish().await.for_operation("fill a table")?)
}

/// Makes the identity columns of a table continue after their largest value.
async fn advance_counters(
    connection: &mut PgConnection,
    table: &tables::Table,
) -> Result<(), BackupError> {
    for column in &table.counters {
        // The name is quoted by the catalog query.
        let next = AssertSqlSafe(format!(
            "select setval(pg_get_serial_sequence('{table}', '{plain}'), coalesce(max({column}), 0) + 1, false) from {table}",
            table = table.name.replace('\'', "''"),
            plain = column.trim_matches('"').replace('\'', "''"),
        ));
        sqlx::query(next)
            .execute(&mut *connection)
            .await
            .for_operation("set an identity column")?;
    }
    Ok(())
}
