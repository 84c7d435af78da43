//! Creation of a backup.

use std::io::Write;

use chrono::{SubsecRound, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::{
    BackupError, END_OF_ROWS, FORMAT, Footer, Header, Section, Summary, TableRows, tables,
};
use crate::{error::SqlxResultExt, migrations};

/// Writes all tables in one snapshot. Concurrent writes are not included.
///
/// # Errors
///
/// When the database cannot be read or the file cannot be written.
pub async fn create(pool: &PgPool, file: impl Write) -> Result<Summary, BackupError> {
    let mut output = Output {
        file,
        digest: Sha256::new(),
        rows: 0,
    };
    let snapshot = "begin transaction isolation level repeatable read read only";
    let mut transaction = pool.begin_with(snapshot).await.for_operation("begin")?;
    let schema = migrations::latest_applied_version(&mut transaction).await?;
    let created_at = Utc::now().trunc_subsecs(3);
    output.write_line(&Header {
        orderflow_backup: FORMAT,
        created_at,
        schema,
    })?;
    let mut written = Vec::new();
    for table in tables::list_tables(&mut transaction).await? {
        let section = Section {
            table: table.name.clone(),
            columns: table.columns.clone(),
        };
        output.write_line(&section)?;
        let before = output.rows;
        let copy = format!(
            "copy {} ({}) to stdout",
            table.name,
            table.columns.join(", ")
        );
        let mut rows = transaction
            .copy_out_raw(&copy)
            .await
            .for_operation("read a table")?;
        while let Some(bytes) = rows.try_next().await.for_operation("read a table")? {
            output.write_rows(&bytes)?;
        }
        output.write(END_OF_ROWS)?;
        written.push(TableRows {
            table: table.name,
            rows: output.rows - before,
        });
    }
    transaction
        .rollback()
        .await
        .for_operation("end the snapshot")?;
    output.finish()?;
    Ok(Summary {
        created_at,
        schema,
        tables: written,
    })
}

struct Output<W> {
    file: W,
    digest: Sha256,
    rows: u64,
}

impl<W: Write> Output<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }

    /// Each row is one line, because `COPY` escapes line breaks in values.
    fn write_rows(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.rows += bytes
            .iter()
            .map(|byte| u64::from(*byte == b'\n'))
            .sum::<u64>();
        self.write(bytes)
    }

    fn write_line(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from)?;
        bytes.push(b'\n');
        self.write(&bytes)
    }

    fn finish(mut self) -> Result<(), BackupError> {
        let footer = Footer {
            rows: self.rows,
            sha256: hex(&self.digest.finalize_reset()),
        };
        self.write_line(&footer)?;
        Ok(self.file.flush()?)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
