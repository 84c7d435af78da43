//! `backup create` and `backup restore`.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, BufWriter},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result, anyhow, bail};
use chrono::SecondsFormat;

use super::arguments::{CreateBackup, RestoreBackup};
use crate::{
    output::{print, print_json},
    target,
};
use store::backup::{self, Summary};

pub(crate) async fn create_backup(arguments: CreateBackup) -> Result<()> {
    let path = &arguments.file;
    if path.exists() && !arguments.yes {
        bail!(
            "{}: the file exists; choose another file, or overwrite it with --yes",
            path.display()
        );
    }
    let pool = target::open_database().await?;
    // The file has another name until it is complete. Only its owner can read it: it has customers'
    // data.
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    let _ = fs::remove_file(unfinished);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(unfinished);
    let file = file.map_err(|error| {
        anyhow!(
            "failed to create {}: {error}; choose a file in a folder that you can write",
            unfinished.display()
        )
    })?;
    let result = backup::create(&pool, BufWriter::new(&file)).await;
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            let _ = fs::remove_file(unfinished);
            return Err(error).with_context(|| format!("failed to write {}", path.display()));
        }
    };
    file.sync_all()
        .and_then(|()| fs::rename(unfinished, path))
        .with_context(|| format!("failed to write {}", path.display()))?;
    print_summary(
        &summary,
        arguments.output.json,
        &format!("wrote {}", path.display()),
    )
}

pub(crate) async fn restore_backup(arguments: RestoreBackup) -> Result<()> {
    let path = &arguments.file;
    let open = || {
        File::open(path).map(BufReader::new).map_err(|error| {
            anyhow!(
                "failed to open {}: {error}; choose a file that `orderflow backup create` wrote",
                path.display()
            )
        })
    };
    let unusable = || {
        format!(
            "{}: cannot be restored; nothing was changed",
            path.display()
        )
    };
    let header = backup::check_file(open()?).with_context(unusable)?;
    let pool = target::open_database().await?;
    let schema = store::schema_version(&pool).await?;
    if schema > header.schema && !arguments.yes {
        bail!(
            "backup: its schema {} is older than the database's schema {schema}; new columns get their defaults, confirm with --yes",
            header.schema
        );
    }
    store::migrate(&pool).await?;
    if !arguments.yes && !backup::is_database_empty(&pool).await? {
        bail!(
            "database: it is not empty; replace its contents with `orderflow backup restore {} --yes`",
            path.display()
        );
    }
    let summary = backup::restore(&pool, open()?)
        .await
        .with_context(unusable)?;
    print_summary(
        &summary,
        arguments.output.json,
        &format!("restored {}", path.display()),
    )
}

fn print_summary(summary: &Summary, json: bool, action: &str) -> Result<()> {
    if json {
        return print_json(summary);
    }
    let at = summary
        .created_at
        .to_rfc3339_opts(SecondsFormat::Millis, true);
    print(&format!(
        "{action}: the database as of {at}, schema {:04}",
        summary.schema
    ))?;
    for table in summary.tables.iter().filter(|table| table.rows > 0) {
        print(&format!("  {:>9} rows  {}", table.rows, table.table))?;
    }
    Ok(())
}
