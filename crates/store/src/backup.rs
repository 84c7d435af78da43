//! The whole database as one file, and back: `COPY`'s text, table by table, under one snapshot.
//!
//! A line of JSON says what it is ([`Header`]); each table begins with a line of JSON, then has a line per row and
//! ends with `\.`; the last line has the number of rows and a digest of all that stands before it, so that half a file
//! is never taken for a whole one. Which tables there are comes from the catalog: a table that a later migration
//! adds is in the next backup without a change here.

mod create;
mod restore;
mod tables;

pub use create::create;
pub use restore::{check_file, is_database_empty, restore};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The layout of the file.
const FORMAT: u32 = 1;
const END_OF_ROWS: &[u8] = b"\\.\n";

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub orderflow_backup: u32,
    pub created_at: DateTime<Utc>,
    /// The newest migration that the database had.
    pub schema: i64,
}

/// The line before a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Section {
    /// Quoted as SQL wants it, with its schema.
    table: String,
    columns: Vec<String>,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Footer {
    rows: u64,
    sha256: String,
}

/// What a backup has, or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub created_at: DateTime<Utc>,
    pub schema: i64,
    pub tables: Vec<TableRows>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableRows {
    pub table: String,
    pub rows: u64,
}

/// What can be wrong with a file, or with where it is to go.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("it is not a backup of orderflow")]
    NotABackup,
    #[error("it was written by a newer orderflow (format {0})")]
    UnknownFormat(u32),
    #[error("it is incomplete, or was changed")]
    Damaged,
    #[error("it needs the schema {backup}, and this program knows {known}: use a newer orderflow")]
    NewerSchema { backup: i64, known: i64 },
    #[error("the database has no table {0}")]
    MissingTable(String),
    #[error("the file cannot be read or written")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] crate::Error),
}

impl BackupError {
    fn line(_: serde_json::Error) -> Self {
        Self::Damaged
    }
}
