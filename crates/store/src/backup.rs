//! Backup of the whole database to one file, and its restore. The file contains the text of `COPY`
//! for each table, read in one snapshot.
//!
//! 1. The first line is a [`Header`] in JSON.
//! 2. Each table begins with a line of JSON, has one line for each row, and ends with `\.`.
//! 3. The last line has the number of rows and a digest of all preceding lines, so that an
//!    incomplete file is detected.
//!
//! The list of tables comes from the catalog, so the tables of a later migration are included.

mod create;
mod restore;
mod tables;

pub use create::create;
pub use restore::{check_file, is_database_empty, restore};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The version of the file format.
const FORMAT: u32 = 1;
const END_OF_ROWS: &[u8] = b"\\.\n";

/// The first line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the file format.
    pub orderflow_backup: u32,
    pub created_at: DateTime<Utc>,
    /// The version of the database's newest migration.
    pub schema: i64,
}

/// The line before a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Section {
    /// The name with its schema, quoted for SQL.
    table: String,
    columns: Vec<String>,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Footer {
    rows: u64,
    sha256: String,
}

/// The content of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub created_at: DateTime<Utc>,
    pub schema: i64,
    pub tables: Vec<TableRows>,
}

/// The number of rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableRows {
    pub table: String,
    pub rows: u64,
}

/// A failed backup or restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("not a backup of orderflow")]
    NotABackup,
    #[error("unknown format {0}; use a newer orderflow")]
    UnknownFormat(u32),
    #[error("the backup is incomplete or was changed")]
    Damaged,
    #[error("the backup has schema {backup}, this program has {known}; use a newer orderflow")]
    NewerSchema { backup: i64, known: i64 },
    #[error("no table {0} in the database")]
    MissingTable(String),
    #[error("the file cannot be read or written")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] crate::Error),
}

impl BackupError {
    fn from_line_error(_: serde_json::Error) -> Self {
        Self::Damaged
    }
}
